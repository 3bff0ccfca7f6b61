import NIOCore
import NIOEmbedded
import SMTPCore
import SMTPNIO
import Testing

/// Counts its flushes, and does something in the first.
private final class Member: DeferredFlush {
    private(set) var flushes = 0
    private let first: () -> Void

    init(_ first: @escaping () -> Void = {}) { self.first = first }

    func flushDeferred() {
        self.flushes += 1
        if self.flushes == 1 { self.first() }
    }
}

/// Takes every recipient and message, and TLS, whose beginning it notes.
private final class Host: SMTPServerDelegate {
    weak var handler: SMTPServerHandler?
    var channel: EmbeddedChannel?
    /// What had left when TLS began.
    private(set) var inClear: String?

    func transactionBegan(_ mail: MailCommand, line: ByteBuffer) {}
    func resolveRecipient(_ recipient: RecipientCommand, line: ByteBuffer) {
        self.handler?.recipientCompleted(SMTPReply(250, .init(2, 1, 5), "Fine"))
    }
    func prepareMessage() { self.handler?.dataCompleted(.startMailInput) }
    var acceptsMessage: Bool { true }
    func messageReceived(_ octets: ByteBuffer) {}
    func messageReceiveCompleted() {}
    func messageRefused(_ reply: SMTPReply) {}
    func messageEnded(_ receipt: MessageReceipt) {
        self.handler?.messageCompleted(SMTPReply(250, .init(2, 0, 0), "Kept"))
    }
    func transactionReset() {}
    func sessionClosed() {}
    func prepareTLS() -> (() throws -> Void)? {
        { self.inClear = try (self.channel?.readOutbound(as: ByteBuffer.self)).map { String(buffer: $0) } }
    }
}

private final class Server: EmbeddedServer {
    let loop: EmbeddedEventLoop
    let channel: EmbeddedChannel
    let host = Host()

    init(on loop: EmbeddedEventLoop, _ flushes: FlushQueue) throws {
        self.loop = loop
        self.channel = EmbeddedChannel(loop: loop)
        var configuration = ServerSessionConfiguration(serverName: "mx.example")
        configuration.offersTLS = true
        let handler = SMTPServerHandler(
            configuration: configuration, extendedReply: configuration.extendedReply, timeouts: SMTPServerTimeouts(),
            form: .stuffed, sweep: SessionSweep(eventLoop: loop), flushes: flushes, delegate: self.host)
        self.host.handler = handler
        self.host.channel = self.channel
        try self.channel.pipeline.syncOperations.addHandler(handler)
        self.channel.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 25), promise: nil)
        loop.run()
        _ = try self.replies()
    }

    /// Octets come, and the loop's turn is not yet over.
    func receive(_ text: String) throws { try self.channel.writeInbound(ByteBuffer(string: text)) }
}

@Suite struct FlushQueueTests {
    private let loop = EmbeddedEventLoop()

    @Test("Each is flushed once for each time that it was added, when the turn is over")
    func turn() {
        let flushes = FlushQueue(eventLoop: self.loop)
        let members = [Member(), Member()]
        for member in members { flushes.add(member) }
        #expect(members.map(\.flushes) == [0, 0])
        self.loop.run()
        #expect(members.map(\.flushes) == [1, 1])
        flushes.add(members[1])
        self.loop.run()
        #expect(members.map(\.flushes) == [1, 2])
    }

    @Test("What a flush brings about is flushed as well")
    func within() {
        let flushes = FlushQueue(eventLoop: self.loop)
        let second = Member()
        let first = Member { flushes.add(second) }
        flushes.add(first)
        self.loop.run()
        #expect(first.flushes == 1 && second.flushes == 1)
    }

    @Test("The replies of several sessions leave behind all that the turn brought")
    func sessions() throws {
        let flushes = FlushQueue(eventLoop: self.loop)
        let servers = try (0..<3).map { _ in try Server(on: self.loop, flushes) }
        for server in servers { try server.receive("EHLO x\r\n") }
        for server in servers { try server.receive("NOOP\r\n") }
        for server in servers { #expect(try server.writes().isEmpty) }
        self.loop.run()
        for server in servers {
            let replies = try server.replies()
            #expect(replies.hasPrefix("250-mx.example\r\n") && replies.hasSuffix("\r\n250 2.0.0 OK\r\n"))
        }
    }

    @Test("QUIT is answered before the connection closes")
    func quit() throws {
        let server = try Server(on: self.loop, FlushQueue(eventLoop: self.loop))
        try server.receive("QUIT\r\n")
        #expect(server.channel.isActive)
        self.loop.run()
        #expect(try server.replies().hasPrefix("221 ") && !server.channel.isActive)
    }

    @Test("Who is thrown out while there may be more to come has the reply before the end")
    func thrownOut() throws {
        let server = try Server(on: self.loop, FlushQueue(eventLoop: self.loop))
        try server.receive("GET / HTTP/1.1\r\n")
        #expect(try server.replies().hasPrefix("5"))
    }

    @Test(
        "Who says no more has every reply before the connection closes, also where a handler keeps what is not flushed",
        arguments: [
            ("x\r\n.\r\n", "250 2.0.0 Kept\r\n"), ("x\r\n.\r\nQUIT\r\n", "250 2.0.0 Kept\r\n221 2.0.0 Bye\r\n"),
            ("x\r\n.\r\nNOOP\r\n", "250 2.0.0 Kept\r\n250 2.0.0 OK\r\n"),
            ("x\r\n.\r\nRSET\r\nBDAT 1000\r\nten octets", "250 2.0.0 Kept\r\n250 2.0.0 OK\r\n"),
        ])
    func halfClosed(_ last: String, _ replies: String) throws {
        let server = try Server(on: self.loop, FlushQueue(eventLoop: self.loop))
        try server.channel.pipeline.syncOperations.addHandler(FlushGate(), position: .first)
        try server.send("EHLO x\r\n")
        try server.send("MAIL FROM:<a@b.example>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n")
        _ = try server.replies()
        try server.receive(last)
        server.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        self.loop.run()
        let actual = try server.replies()
        #expect(actual == replies, "\(actual)")
        #expect(!server.channel.isActive)
    }

    @Test("The reply to STARTTLS leaves in clear")
    func startTLS() throws {
        let server = try Server(on: self.loop, FlushQueue(eventLoop: self.loop))
        try server.send("EHLO x\r\n")
        _ = try server.replies()
        try server.receive("STARTTLS\r\n")
        #expect(server.host.inClear?.hasPrefix("220 ") == true)
    }

    @Test("A backend that is let go in the turn in which it was taken leave of hears QUIT")
    func quitAndClose() throws {
        final class Nobody: SMTPClientDelegate {
            func clientReady() {}
            func clientAnswered(_ question: ClientSession.Question, _ reply: SMTPReply) {}
            func clientFailed(_ failure: SMTPClientFailure) {}
            func clientWritabilityChanged(_ isWritable: Bool) {}
        }
        let channel = EmbeddedChannel(loop: self.loop)
        let nobody = Nobody()
        let handler = SMTPClientHandler(
            name: "relay.example", sweep: SessionSweep(eventLoop: self.loop), flushes: FlushQueue(eventLoop: self.loop),
            delegate: nobody)
        try channel.pipeline.syncOperations.addHandler(handler)
        channel.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 2525), promise: nil)
        try channel.writeInbound(ByteBuffer(string: "220 hello\r\n"))
        #expect(try channel.readOutbound(as: ByteBuffer.self) == nil)
        self.loop.run()
        #expect(try channel.readOutbound(as: ByteBuffer.self) == ByteBuffer(string: "EHLO relay.example\r\n"))
        try channel.writeInbound(ByteBuffer(string: "250 hello\r\n"))
        handler.quit()
        handler.close()
        #expect(try channel.readOutbound(as: ByteBuffer.self) == ByteBuffer(string: "QUIT\r\n"))
        self.loop.run()
    }
}
