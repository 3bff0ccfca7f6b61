import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

/// A DNS server on 127.0.0.1, over UDP and TCP on one port, that answers as a test says.
final class ScriptedDNS: Sendable {
    struct Question: Sendable, Equatable {
        var id: UInt16
        var name: String
        var type: Int
        var isTCP: Bool
    }

    /// What to send, in this order; nothing is silence.
    typealias Answer = @Sendable (Question) -> [[UInt8]]

    static let loops = MultiThreadedEventLoopGroup(numberOfThreads: 2)

    private let state = NIOLockedValueBox<[Question]>([])
    private let datagrams: any Channel
    private let streams: any Channel

    init(_ answer: @escaping Answer) async throws {
        let state = self.state
        let handle: @Sendable (ByteBuffer, Bool) -> [[UInt8]] = { octets, isTCP in
            guard let question = Self.question(Array(octets.readableBytesView), isTCP) else { return [] }
            state.withLockedValue { $0.append(question) }
            return answer(question)
        }
        // A port that is free for one transport may be taken for the other.
        var tries = 20
        while true {
            let datagrams = try await DatagramBootstrap(group: Self.loops)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(Datagrams(handle))
                    }
                }
                .bind(host: "127.0.0.1", port: 0).get()
            do {
                self.streams = try await ServerBootstrap(group: Self.loops)
                    .childChannelInitializer { channel in
                        channel.eventLoop.makeCompletedFuture {
                            try channel.pipeline.syncOperations.addHandler(Stream(handle))
                        }
                    }
                    .bind(host: "127.0.0.1", port: datagrams.localAddress?.port ?? 0).get()
                self.datagrams = datagrams
                return
            } catch {
                try await datagrams.close()
                tries -= 1
                guard tries > 0 else { throw error }
            }
        }
    }

    var address: SocketAddress {
        get throws { try SocketAddress(ipAddress: "127.0.0.1", port: self.datagrams.localAddress?.port ?? 0) }
    }
    var asked: [Question] { self.state.withLockedValue { $0 } }

    func stop() async throws {
        try await self.datagrams.close()
        try await self.streams.close()
    }

    private static func question(_ octets: [UInt8], _ isTCP: Bool) -> Question? {
        guard octets.count > 16 else { return nil }
        var labels: [String] = []
        var index = 12
        while octets[index] != 0 {
            let end = index + 1 + Int(octets[index])
            labels.append(String(decoding: octets[index + 1..<end], as: UTF8.self))
            index = end
        }
        let type = Int(octets[index + 1]) << 8 | Int(octets[index + 2])
        return Question(
            id: UInt16(octets[0]) << 8 | UInt16(octets[1]), name: labels.joined(separator: "."), type: type,
            isTCP: isTCP)
    }

    private final class Datagrams: ChannelInboundHandler {
        typealias InboundIn = AddressedEnvelope<ByteBuffer>
        typealias OutboundOut = AddressedEnvelope<ByteBuffer>
        private let handle: @Sendable (ByteBuffer, Bool) -> [[UInt8]]
        init(_ handle: @escaping @Sendable (ByteBuffer, Bool) -> [[UInt8]]) { self.handle = handle }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let envelope = self.unwrapInboundIn(data)
            for octets in self.handle(envelope.data, false) {
                let reply = AddressedEnvelope(remoteAddress: envelope.remoteAddress, data: ByteBuffer(bytes: octets))
                context.writeAndFlush(self.wrapOutboundOut(reply), promise: nil)
            }
        }
    }

    private final class Stream: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        private let handle: @Sendable (ByteBuffer, Bool) -> [[UInt8]]
        private var received = ByteBuffer()
        init(_ handle: @escaping @Sendable (ByteBuffer, Bool) -> [[UInt8]]) { self.handle = handle }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var octets = self.unwrapInboundIn(data)
            self.received.writeBuffer(&octets)
            while let question = self.received.readLengthPrefixedSlice(as: UInt16.self) {
                let replies = self.handle(question, true)
                if replies.isEmpty { return context.close(promise: nil) }
                for octets in replies {
                    var reply = ByteBuffer(integer: UInt16(octets.count))
                    reply.writeBytes(octets)
                    context.writeAndFlush(self.wrapOutboundOut(reply), promise: nil)
                }
            }
        }
    }
}

extension ScriptedDNS.Question {
    /// A reply to this question.
    func reply(
        flags: UInt16 = 0x8180, _ records: [(type: Int, ttl: Int, data: [UInt8])] = [], id: UInt16? = nil
    ) -> [UInt8] {
        var message = DNSMessage(id: id ?? self.id, flags: flags, answers: records.count)
        message.question(self.name, self.type)
        for record in records {
            message.record(DNSMessage.questionName, record.type, ttl: record.ttl, record.data)
        }
        return message.octets
    }

    func pointer(_ name: String, ttl: Int = 60) -> [UInt8] { self.reply([(12, ttl, DNSMessage.wire(name))]) }
    func address(_ octets: [UInt8], ttl: Int = 60) -> [UInt8] {
        self.reply([(octets.count == 4 ? 1 : 28, ttl, octets)])
    }
    var nxdomain: [UInt8] { self.reply(flags: 0x8183) }
}
