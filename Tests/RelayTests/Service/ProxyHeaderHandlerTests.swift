import Logging
import NIOCore
import NIOEmbedded
import ProxyProtocol
import Routing
import SMTPNIO
import Testing

@testable import Relay

/// A channel that waits for a header, then for whatever a session would read.
private final class Waiting {
    final class Session: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        var octets: [UInt8] = []
        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            self.octets += Array(self.unwrapInboundIn(data).readableBytesView)
        }
    }

    let channel = EmbeddedChannel()
    let sweep: SessionSweep
    let handler: ProxyHeaderHandler
    let session = Session()
    private(set) var headers: [ProxyHeader] = []

    init(timeout: TimeAmount = .seconds(5)) throws {
        self.sweep = SessionSweep(eventLoop: self.channel.embeddedEventLoop)
        var serve: (ProxyHeader) throws -> Void = { _ in }
        self.handler = ProxyHeaderHandler(
            proxy: "10.0.0.1:9", timeout: timeout, sweep: self.sweep,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        ) { try serve($0) }
        try self.channel.pipeline.syncOperations.addHandler(self.handler)
        try self.channel.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 9)).wait()
        serve = { [unowned self] header in
            self.headers.append(header)
            try self.channel.pipeline.syncOperations.addHandler(self.session)
        }
    }

    func says(_ octets: some Sequence<UInt8>) throws {
        guard self.channel.isActive else { return }
        try self.channel.writeInbound(ByteBuffer(bytes: octets))
        self.channel.embeddedEventLoop.run()
    }
}

@Suite struct ProxyHeaderHandlerTests {
    static let headers = [
        ProxyHeader(
            .client(.init(.v4(0xC000_022A), port: 50000), to: .init(.v4(0xC633_6401), port: 25))),
        ProxyHeader(.unknown),
    ]

    @Test("A header is read however it is cut, and what stands behind it is the session's", arguments: headers)
    func cuts(header: ProxyHeader) throws {
        for octets in [header.version1, header.version2] {
            let all = octets + Array("EHLO x\r\n".utf8)
            for cut in 0...all.count {
                let waiting = try Waiting()
                try waiting.says(all[..<cut])
                try waiting.says(all[cut...])
                #expect(waiting.headers == [header])
                #expect(waiting.session.octets == Array("EHLO x\r\n".utf8))
                #expect(waiting.sweep.count == 0)
                try waiting.says(Array("more".utf8))
                #expect(waiting.session.octets.suffix(4) == Array("more".utf8)[...])
                #expect(waiting.channel.isActive)
            }
        }
    }

    @Test("Octet by octet it is the same")
    func octets() throws {
        let waiting = try Waiting()
        for octet in Self.headers[0].version2 + [65] { try waiting.says([octet]) }
        #expect(waiting.headers == [Self.headers[0]])
        #expect(waiting.session.octets == [65])
    }

    @Test(
        "What is no header closes the connection without a word",
        arguments: ["EHLO x\r\n", "PROXY TCP4 x\r\n", "\r\n\r\n\u{0}\r\nQUIX\n"])
    func refused(text: String) throws {
        let waiting = try Waiting()
        try waiting.says(Array(text.utf8))
        #expect(!waiting.channel.isActive)
        #expect(try waiting.channel.readOutbound(as: ByteBuffer.self) == nil)
        #expect(waiting.headers.isEmpty)
        #expect(waiting.sweep.count == 0)
    }

    @Test("A header that does not come in time, or a relay that stops, closes the connection")
    func late() throws {
        let waiting = try Waiting(timeout: .seconds(0))
        try waiting.says(Array("PROXY ".utf8))
        #expect(waiting.handler.deadline <= .now())
        waiting.handler.deadlineExpired()
        #expect(!waiting.channel.isActive)
        let draining = try Waiting()
        draining.sweep.forEach { $0.drain() }
        #expect(!draining.channel.isActive)
        #expect(waiting.headers.isEmpty && draining.headers.isEmpty)
    }

    @Test("Half a header, and the end, is no header")
    func ended() throws {
        let waiting = try Waiting()
        try waiting.says(Array("PROXY TCP4".utf8))
        waiting.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        waiting.channel.embeddedEventLoop.run()
        #expect(!waiting.channel.isActive)
    }
}
