import NIOCore
import NIOEmbedded

/// A server on a channel in memory, to which a client's octets are sent.
protocol EmbeddedServer {
    var loop: EmbeddedEventLoop { get }
    var channel: EmbeddedChannel { get }
}

extension EmbeddedServer {
    /// Sends octets; the loop then runs until nothing is left to do.
    func send(_ octets: some Sequence<UInt8>) throws {
        guard self.channel.isActive else { return }
        try self.channel.writeInbound(ByteBuffer(bytes: octets))
        self.loop.run()
    }

    func send(_ text: String) throws { try self.send(Array(text.utf8)) }

    /// Everything written since the last call, each write by itself.
    func writes() throws -> [String] {
        var result: [String] = []
        while let octets = try self.channel.readOutbound(as: ByteBuffer.self) { result.append(String(buffer: octets)) }
        return result
    }

    func replies() throws -> String { try self.writes().joined() }
}

/// The same numbers for the same seed (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { self.state = seed }

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// Counts the reads that reach the channel.
final class ReadCounter: ChannelOutboundHandler {
    typealias OutboundIn = Never
    var count = 0

    func read(context: ChannelHandlerContext) {
        self.count += 1
        context.read()
    }
}

/// Keeps what is written to itself until it is flushed, and drops it where the channel closes before: so does TLS.
final class FlushGate: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    private var kept: [NIOAny] = []

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        self.kept.append(data)
    }

    func flush(context: ChannelHandlerContext) {
        for data in self.kept { context.write(data, promise: nil) }
        self.kept = []
        context.flush()
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        self.kept = []
        context.close(mode: mode, promise: promise)
    }
}

/// Holds back what is flushed until it is opened, as a client does that does not read.
final class WriteGate: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    private var context: ChannelHandlerContext?

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func flush(context: ChannelHandlerContext) {}

    func open() { self.context?.flush() }
}
