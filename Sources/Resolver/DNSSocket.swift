import NIOCore
import NIOPosix

/// What c-ares takes for a socket: a channel of the event loop, with what has been read there and not fetched yet.
///
/// c-ares knows it by ``number``, which is no descriptor.
final class DNSSocket {
    let number: Int32
    let isStream: Bool
    /// The server, as c-ares gave it, for it to compare with where an answer comes from.
    private(set) var peer: [UInt8] = []
    private var channel: (any Channel)?
    /// Datagrams, or what has been read of a stream.
    private var incoming: CircularBuffer<ByteBuffer> = []
    /// What was sent before the channel was there.
    private var outgoing: [ByteBuffer] = []
    private(set) var isConnected = false
    private var isFailed = false
    private var isEnded = false
    private var isClosed = false
    /// There is something to read, an error included.
    private let onReadable: (Int32) -> Void
    /// A stream is connected.
    private let onWritable: (Int32) -> Void

    init(
        number: Int32, isStream: Bool, onReadable: @escaping (Int32) -> Void, onWritable: @escaping (Int32) -> Void
    ) {
        self.number = number
        self.isStream = isStream
        self.onReadable = onReadable
        self.onWritable = onWritable
    }

    /// Begins to connect; what is sent meanwhile is kept.
    func connect(to server: SocketAddress, peer: [UInt8], on eventLoop: any EventLoop) {
        self.peer = peer
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        let isStream = self.isStream
        let initializer: @Sendable (any Channel) -> EventLoopFuture<Void> = { channel in
            channel.eventLoop.makeCompletedFuture {
                let handler = isStream ? DNSSocketHandler(bound.value) : nil
                let datagrams = isStream ? nil : DNSDatagramHandler(bound.value)
                if let handler { try channel.pipeline.syncOperations.addHandler(handler) }
                if let datagrams { try channel.pipeline.syncOperations.addHandler(datagrams) }
            }
        }
        let connected: EventLoopFuture<any Channel> =
            isStream
            ? ClientBootstrap(group: eventLoop).channelInitializer(initializer).connect(to: server)
            : DatagramBootstrap(group: eventLoop)
                // The kernel passes on what comes from the server alone. Without EDNS a datagram has 512 octets at most.
                .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 4096))
                .channelInitializer(initializer).connect(to: server)
        connected.assumeIsolated().whenComplete { result in
            switch result {
            case .success(let channel): self.opened(channel)
            case .failure: self.failed()
            }
        }
    }

    /// Sends, or keeps it until the channel is there; false where a stream is not connected yet.
    func send(_ octets: [UInt8]) -> Bool {
        guard let channel = self.channel else {
            guard !self.isStream else { return false }
            self.outgoing.append(ByteBuffer(bytes: octets))
            return true
        }
        channel.writeAndFlush(ByteBuffer(bytes: octets), promise: nil)
        return true
    }

    /// Whether a read would give anything.
    var hasInput: Bool { !self.incoming.isEmpty || self.isFailed || self.isEnded }

    /// What a read gives.
    enum Read {
        case octets([UInt8])
        case nothing
        case end
        case error
    }

    /// The next datagram, or up to `limit` octets of a stream.
    func receive(_ limit: Int) -> Read {
        guard var first = self.incoming.popFirst() else {
            return self.isFailed ? .error : self.isEnded ? .end : .nothing
        }
        let octets = first.readBytes(length: min(limit, first.readableBytes)) ?? []
        if self.isStream, first.readableBytes > 0 { self.incoming.prepend(first) }
        return .octets(octets)
    }

    /// c-ares is done with it.
    func close() {
        self.isClosed = true
        self.channel?.close(promise: nil)
        self.channel = nil
        self.incoming = []
    }

    private func opened(_ channel: any Channel) {
        guard !self.isClosed else { return channel.close(promise: nil) }
        self.channel = channel
        self.isConnected = true
        for datagram in self.outgoing { channel.writeAndFlush(datagram, promise: nil) }
        self.outgoing = []
        if self.isStream { self.onWritable(self.number) }
    }

    fileprivate func received(_ octets: ByteBuffer) {
        // A datagram of nothing would be taken for the end.
        guard !self.isClosed, octets.readableBytes > 0 else { return }
        self.incoming.append(octets)
        self.onReadable(self.number)
    }

    fileprivate func ended() {
        guard !self.isClosed else { return }
        self.isEnded = true
        self.onReadable(self.number)
    }

    fileprivate func failed() {
        guard !self.isClosed else { return }
        self.isFailed = true
        self.onReadable(self.number)
    }
}

/// The handler of a TCP connection to a DNS server.
private final class DNSSocketHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private weak var socket: DNSSocket?

    init(_ socket: DNSSocket) { self.socket = socket }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.socket?.received(self.unwrapInboundIn(data))
    }

    func channelInactive(context: ChannelHandlerContext) { self.socket?.ended() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { self.socket?.failed() }
}

/// The handler of a UDP socket that is connected to a DNS server.
private final class DNSDatagramHandler: ChannelDuplexHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = AddressedEnvelope<ByteBuffer>
    private weak var socket: DNSSocket?

    init(_ socket: DNSSocket) { self.socket = socket }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.socket?.received(self.unwrapInboundIn(data).data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard let server = context.remoteAddress else {
            promise?.fail(ChannelError.alreadyClosed)
            return
        }
        let envelope = AddressedEnvelope(remoteAddress: server, data: self.unwrapOutboundIn(data))
        context.write(self.wrapOutboundOut(envelope), promise: promise)
    }

    /// An ICMP message that nobody is there, for one.
    func errorCaught(context: ChannelHandlerContext, error: any Error) { self.socket?.failed() }
}
