import NIOCore
import NIOEmbedded
import SMTPCore
import SMTPNIO
import Testing

/// A delegate that keeps messages in memory, and completes at once or with the next tick of its loop.
private final class Mailbox: SMTPServerDelegate {
    weak var handler: SMTPServerHandler?
    var acceptsMessage = true
    private(set) var message: [UInt8] = []
    /// How much of the message was there when it was last to be flushed.
    private(set) var flushed = 0
    private(set) var messages: [[UInt8]] = []
    /// The most memory that a piece of a message held.
    private(set) var largestPiece = 0
    private(set) var calls: [String] = []
    private let loop: EmbeddedEventLoop?

    init(deferringOn loop: EmbeddedEventLoop? = nil) {
        self.loop = loop
    }

    private func complete(_ body: @escaping () -> Void) {
        if let loop = self.loop {
            loop.assumeIsolated().execute(body)
        } else {
            body()
        }
    }

    func transactionBegan(_ mail: MailCommand, line: ByteBuffer) {
        self.calls.append(String(buffer: line))
    }

    func resolveRecipient(_ recipient: RecipientCommand, line: ByteBuffer) {
        if recipient.forwardPath.description.hasPrefix("undecided") { return }
        let isGood = !recipient.forwardPath.description.hasPrefix("bad")
        let reply = isGood ? SMTPReply(250, .init(2, 1, 5), "Fine") : SMTPReply(550, .init(5, 1, 1), "No such user")
        self.complete { self.handler?.recipientCompleted(reply) }
    }

    func prepareMessage() {
        self.complete { self.handler?.dataCompleted(.startMailInput) }
    }

    func messageReceived(_ octets: ByteBuffer) {
        self.message += Array(octets.readableBytesView)
        self.largestPiece = max(self.largestPiece, octets.storageCapacity)
    }
    func messageReceiveCompleted() { self.flushed = self.message.count }

    func messageRefused(_ reply: SMTPReply) {
        self.calls.append("refused \(reply)")
        self.message = []
    }

    func messageEnded(_ receipt: MessageReceipt) {
        self.messages.append(self.message)
        self.message = []
        self.complete { self.handler?.messageCompleted(SMTPReply(250, .init(2, 0, 0), "Kept \(receipt.size)")) }
    }

    func transactionReset() { self.calls.append("reset") }
    func sessionClosed() { self.calls.append("closed") }
}

/// A server's channel with its delegate.
private final class Server: EmbeddedServer {
    let loop = EmbeddedEventLoop()
    let channel: EmbeddedChannel
    let mailbox: Mailbox
    let handler: SMTPServerHandler

    init(
        deferring: Bool = false, timeouts: SMTPServerTimeouts = SMTPServerTimeouts(), forbidsEarlyInput: Bool = false,
        messageSize: UInt64 = 1000
    ) throws {
        var configuration = ServerSessionConfiguration(serverName: "mx.example")
        configuration.messageSize = messageSize
        configuration.forbidsEarlyInput = forbidsEarlyInput
        self.mailbox = Mailbox(deferringOn: deferring ? self.loop : nil)
        self.channel = EmbeddedChannel(loop: self.loop)
        self.handler = SMTPServerHandler(
            configuration: configuration, extendedReply: configuration.extendedReply, timeouts: timeouts,
            form: .stuffed, sweep: SessionSweep(eventLoop: self.loop),
            flushes: deferring ? FlushQueue(eventLoop: self.loop) : nil, delegate: self.mailbox)
        self.mailbox.handler = self.handler
        try self.channel.pipeline.syncOperations.addHandler(self.handler)
        self.channel.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 25), promise: nil)
    }
}

@Suite struct SMTPServerHandlerTests {
    static let transcripts = [
        "delivery", "order", "errors", "too-big", "http", "bdat", "bdat-size", "bdat-bad", "smuggling",
    ]

    @Test("Transcripts, whole and octet by octet, answered at once and later", arguments: transcripts, [false, true])
    func transcript(name: String, deferring: Bool) throws {
        let transcript = try Transcript(named: name)
        let whole = try Server(deferring: deferring)
        try whole.send(transcript.client)
        #expect(try whole.replies() == transcript.server)
        let single = try Server(deferring: deferring)
        for octet in transcript.client { try single.send([octet]) }
        #expect(try single.replies() == transcript.server)
        #expect(single.mailbox.messages == whole.mailbox.messages)
    }

    @Test("Transcripts, cut at every offset", arguments: transcripts)
    func cuts(name: String) throws {
        let transcript = try Transcript(named: name)
        for cut in 1..<transcript.client.count {
            let server = try Server()
            try server.send(transcript.client[..<cut])
            try server.send(transcript.client[cut...])
            #expect(try server.replies() == transcript.server, "cut at \(cut)")
        }
    }

    @Test("A message of odd octets is the same however it comes", arguments: 0..<40)
    func oddMessages(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let alphabet = Array("\r\n.a\0".utf8)
        var content = (0..<Int.random(in: 1...700, using: &generator)).map { _ in
            alphabet.randomElement(using: &generator) ?? 0
        }
        if seed % 2 == 0 { content += Array(repeating: UInt8(ascii: "x"), count: 600) }
        let envelope = "EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n"
        func message(_ pieces: [[UInt8]]) throws -> [[UInt8]] {
            let server = try Server(messageSize: 100_000)
            try server.send(envelope)
            for piece in pieces { try server.send(piece) }
            try server.send("\r\n.\r\n.\r\n")
            return server.mailbox.messages
        }
        let whole = try message([content])
        #expect(try message(content.map { [$0] }) == whole)
        let cut = Int.random(in: 0...content.count, using: &generator)
        #expect(try message([Array(content[..<cut]), Array(content[cut...])]) == whole)
        #expect(!whole.isEmpty)
    }

    @Test("An octet that comes alone does not keep the buffer of its read")
    func smallPieces() throws {
        let server = try Server()
        try server.send("EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n")
        var read = ByteBuffer()
        read.reserveCapacity(65536)
        read.writeString("x")
        try server.channel.writeInbound(read)
        #expect(server.mailbox.message == [UInt8(ascii: "x")])
        #expect(server.mailbox.largestPiece < 4096)
    }

    @Test("What is smuggled stays in its message")
    func smuggled() throws {
        let server = try Server()
        try server.send(try Transcript(named: "smuggling").client)
        #expect(server.mailbox.messages.count == 1)
        #expect(server.mailbox.calls.filter { $0.hasPrefix("MAIL") } == ["MAIL FROM:<a@b.example>"])
    }

    @Test("Replies to commands that came together leave in one write")
    func oneWrite() throws {
        let server = try Server()
        _ = try server.writes()
        try server.send(
            "EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<a@b.example>\r\nRCPT TO:<bad@b.example>\r\nDATA\r\n")
        #expect(try server.writes().count == 1)
    }

    @Test("A reply waits for the next one for a moment only")
    func heldReply() throws {
        var timeouts = SMTPServerTimeouts()
        timeouts.heldReply = .milliseconds(-1)  // over as soon as it is looked at
        let server = try Server(timeouts: timeouts)
        _ = try server.writes()
        try server.send("EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<undecided@b.example>\r\n")
        #expect(try server.replies() == "")
        server.loop.advanceTime(by: .seconds(1))
        #expect(try server.replies().hasSuffix("250 2.0.0 OK\r\n"))
        server.handler.recipientCompleted(SMTPReply(250, .init(2, 1, 5), "Fine"))
        #expect(try server.replies() == "250 2.1.5 Fine\r\n")
    }

    @Test("What came behind DATA is flushed as soon as the message may come")
    func messageBehindData() throws {
        let server = try Server(deferring: true)
        try server.channel.writeInbound(
            ByteBuffer(string: "EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<a@b.example>\r\nDATA\r\nhalf\r\n"))
        server.loop.run()
        #expect(server.mailbox.message.count == 6)
        #expect(server.mailbox.flushed == 6)
    }

    @Test("Reading stops while the delegate takes no more of a message, and goes on when it does")
    func backPressure() throws {
        let server = try Server()
        let reads = ReadCounter()
        try server.channel.pipeline.syncOperations.addHandler(reads, position: .first)
        try server.send("EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n")
        server.channel.pipeline.read()
        #expect(reads.count == 1)
        server.mailbox.acceptsMessage = false
        server.channel.pipeline.read()
        #expect(reads.count == 1)
        server.mailbox.acceptsMessage = true
        server.handler.resumeReading()
        #expect(reads.count == 2)
    }

    @Test(
        "Reading stops while the client reads no replies, and goes on when it does",
        arguments: [
            "EHLO x\r\n", "EHLO x\r\nBDAT 0\r\nBDAT 1\r\n",
            "EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<a@b.example>\r\nBDAT 0\r\nBDAT 1\r\n",
        ])
    func unreadReplies(sent: String) throws {
        let server = try Server()
        let reads = ReadCounter()
        try server.channel.pipeline.syncOperations.addHandler(reads, position: .first)
        try server.send(sent)
        server.channel.isWritable = false
        server.channel.pipeline.read()
        #expect(reads.count == 0)
        server.channel.isWritable = true
        server.channel.pipeline.fireChannelWritabilityChanged()
        #expect(reads.count == 1)
    }

    @Test(
        "A silent client gets 421, wherever it is",
        arguments: ["", "EHLO x\r\n", "EHLO x\r\nMAIL FROM:<a@b.example>\r\n"])
    func commandTimeout(sent: String) throws {
        var timeouts = SMTPServerTimeouts()
        timeouts.command = .milliseconds(-1)  // over as soon as it is looked at
        let server = try Server(timeouts: timeouts)
        try server.send(sent)
        _ = try server.writes()
        server.loop.advanceTime(by: .seconds(1))
        #expect(try server.replies() == "421 4.4.2 Timeout, closing connection\r\n")
        #expect(server.mailbox.calls.contains("reset"))
    }

    @Test("A client that falls silent in its message gets 421, and the message goes nowhere")
    func dataTimeout() throws {
        var timeouts = SMTPServerTimeouts()
        timeouts.dataBlock = .milliseconds(-1)
        let server = try Server(timeouts: timeouts)
        try server.send("EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<a@b.example>\r\nDATA\r\nhalf a mess")
        _ = try server.writes()
        server.loop.advanceTime(by: .seconds(1))
        #expect(try server.replies() == "421 4.4.2 Timeout, closing connection\r\n")
        #expect(server.mailbox.messages.isEmpty)
        #expect(Array(server.mailbox.calls.suffix(2)) == ["reset", "closed"])
    }

    @Test("Chunks of an octet each do not buy a message more time than their octets do")
    func chunkPace() throws {
        var timeouts = SMTPServerTimeouts()
        timeouts.dataRate = 1_000_000
        let server = try Server(timeouts: timeouts)
        try server.send("EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<a@b.example>\r\nBDAT 1\r\nx")
        let first = server.handler.deadline
        let later = NIODeadline.now() + .milliseconds(100)
        while NIODeadline.now() < later {}
        try server.send("BDAT 2\r\nx")
        #expect(server.handler.deadline < first + .milliseconds(50))
        try server.send("xNOOP\r\n")
        #expect(server.handler.deadline < first + .milliseconds(50))
        try server.send("RSET\r\n")
        #expect(server.handler.deadline > first + .milliseconds(50))
    }

    @Test("A client that leaves in its message leaves nothing behind")
    func leavesInMessage() throws {
        let server = try Server()
        try server.send("EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<a@b.example>\r\nDATA\r\nhalf a mess")
        server.channel.close(promise: nil)
        server.loop.run()
        #expect(server.mailbox.messages.isEmpty)
        #expect(server.mailbox.calls.last == "closed")
    }

    @Test("A client that closes its sending side still gets the answer it waits for")
    func halfClosed() throws {
        let server = try Server(deferring: true)
        try server.channel.writeInbound(
            ByteBuffer(string: "EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<a@b.example>\r\nDATA\r\nx\r\n.\r\n"))
        server.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        server.loop.run()
        #expect(try server.replies().hasSuffix("250 2.0.0 Kept 3\r\n"))
        #expect(!server.channel.isActive)
    }

    @Test("Draining: an idle session ends at once, a transaction is served to its end")
    func drain() throws {
        let idle = try Server()
        try idle.send("EHLO x\r\n")
        _ = try idle.writes()
        idle.handler.drain()
        #expect(try idle.replies() == "421 4.3.2 Service shutting down, try again\r\n")
        let busy = try Server()
        try busy.send("EHLO x\r\nMAIL FROM:<a@b.example>\r\n")
        _ = try busy.writes()
        busy.handler.drain()
        #expect(try busy.replies() == "")
        // What is pipelined behind the message begins no other transaction.
        try busy.send("RCPT TO:<a@b.example>\r\nDATA\r\nx\r\n.\r\nMAIL FROM:<a@b.example>\r\n")
        #expect(try busy.replies().hasSuffix("250 2.0.0 Kept 3\r\n421 4.3.2 Service shutting down, try again\r\n"))
    }

    @Test("A line that never ends takes no memory and is answered once")
    func endlessLine() throws {
        let server = try Server()
        try server.send("EHLO x\r\n")
        _ = try server.writes()
        for _ in 0..<1000 { try server.send(String(repeating: "x", count: 4096)) }
        #expect(try server.replies() == "")
        try server.send("\r\nNOOP\r\n")
        #expect(try server.replies() == "500 5.5.2 Line too long\r\n250 2.0.0 OK\r\n")
    }

    @Test(
        "Every reply has left before the channel closes, however slowly the client reads", arguments: [true, false],
        [false, true])
    func slowReader(quits: Bool, deferring: Bool) throws {
        let server = try Server(deferring: deferring)
        let gate = WriteGate()
        try server.channel.pipeline.syncOperations.addHandler(gate, position: .first)
        try server.send(quits ? "NOOP\r\nQUIT\r\n" : "NOOP\r\n")
        server.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        server.loop.run()
        #expect(server.channel.isActive)
        gate.open()
        #expect(!server.channel.isActive)
        #expect(try server.replies().hasSuffix(quits ? "250 2.0.0 OK\r\n221 2.0.0 Bye\r\n" : "250 2.0.0 OK\r\n"))
    }

    @Test("A greeting that waits comes in time; who talks first gets 503 and is gone")
    func greetingDelay() throws {
        var timeouts = SMTPServerTimeouts()
        timeouts.greetingDelay = .seconds(2)
        let patient = try Server(timeouts: timeouts)
        let early = try Server(timeouts: timeouts)
        patient.loop.advanceTime(by: .milliseconds(1999))
        #expect(try patient.replies() == "")
        try early.send("E")
        #expect(try early.replies() == "503 5.5.0 Improper use of SMTP command pipelining\r\n")
        early.loop.advanceTime(by: .seconds(2))
        try early.send("HLO x\r\n")
        #expect(try early.replies() == "")
        patient.loop.advanceTime(by: .milliseconds(1))
        #expect(try patient.replies() == "220 mx.example ESMTP ready\r\n")
        try patient.send("NOOP\r\n")
        #expect(try patient.replies() == "250 2.0.0 OK\r\n")
        let draining = try Server(timeouts: timeouts)
        draining.handler.drain()
        #expect(try draining.replies() == "421 4.3.2 Service shutting down, try again\r\n")
    }

    @Test("A session lets go of its delegate when it ends")
    func noLeak() throws {
        weak var mailbox: Mailbox?
        weak var handler: SMTPServerHandler?
        do {
            let server = try Server()
            mailbox = server.mailbox
            handler = server.handler
            try server.send("EHLO x\r\nQUIT\r\n")
            _ = try? server.channel.finish(acceptAlreadyClosed: true)
        }
        #expect(mailbox == nil)
        #expect(handler == nil)
    }
}
