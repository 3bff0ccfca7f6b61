import NIOCore
import NIOEmbedded
import SMTPCore
import SMTPNIO
import Testing

/// A delegate that asks about all recipients which have come, together, and answers with the next tick of its loop.
private final class Batches: SMTPServerDelegate {
    weak var handler: SMTPServerHandler?
    /// How many recipients were asked about together, each time.
    private(set) var sizes: [Int] = []
    private(set) var lines: [String] = []
    private(set) var events: [String] = []
    var acceptsMessage = true
    var messageRefusal: SMTPReply?
    /// Answers come only when they are asked for.
    var isHolding = false
    private var held: [RecipientCommand] = []
    private let loop: EmbeddedEventLoop

    init(_ loop: EmbeddedEventLoop) { self.loop = loop }

    func transactionBegan(_ mail: MailCommand, line: ByteBuffer) {}

    func resolveRecipient(_ recipient: RecipientCommand, line: ByteBuffer) {
        var batch = [recipient]
        self.lines.append(String(buffer: line))
        while let next = self.handler?.takeRecipient() {
            batch.append(next.recipient)
            self.lines.append(String(buffer: next.line))
        }
        self.sizes.append(batch.count)
        if self.isHolding {
            self.held += batch
        } else {
            self.loop.assumeIsolated().execute { for recipient in batch { self.complete(recipient) } }
        }
    }

    /// Answers the next recipient that waits.
    func completeNext() { self.complete(self.held.removeFirst()) }

    private func complete(_ recipient: RecipientCommand) {
        let isGood = !recipient.forwardPath.description.hasPrefix("bad")
        self.handler?.recipientCompleted(
            isGood ? SMTPReply(250, .init(2, 1, 5), "Fine") : SMTPReply(550, .init(5, 1, 1), "No such user"))
    }

    func prepareMessage() {
        self.loop.assumeIsolated().execute { self.handler?.dataCompleted(.startMailInput) }
    }

    func messageReceived(_ octets: ByteBuffer) { self.events.append("octets \(octets.readableBytes)") }
    func messageReceiveCompleted() {}
    func messageRefused(_ reply: SMTPReply) { self.events.append("refused \(reply.replyCode)") }
    func messageEnded(_ receipt: MessageReceipt) {
        let reply = SMTPReply(250, .init(2, 0, 0), "Kept \(receipt.size)")
        self.loop.assumeIsolated().execute { self.handler?.messageCompleted(reply) }
    }
    func transactionReset() { self.events.append("reset") }
    func sessionClosed() {}
}

private final class Server: EmbeddedServer {
    let loop = EmbeddedEventLoop()
    let channel: EmbeddedChannel
    let batches: Batches
    let handler: SMTPServerHandler

    init(_ change: (inout ServerSessionConfiguration) -> Void = { _ in }) throws {
        var configuration = ServerSessionConfiguration(serverName: "mx.example")
        configuration.messageSize = 1000
        configuration.forbidsEarlyInput = false
        change(&configuration)
        self.batches = Batches(self.loop)
        self.channel = EmbeddedChannel(loop: self.loop)
        self.handler = SMTPServerHandler(
            configuration: configuration, extendedReply: configuration.extendedReply, timeouts: SMTPServerTimeouts(),
            form: .stuffed, sweep: SessionSweep(eventLoop: self.loop), delegate: self.batches)
        self.batches.handler = self.handler
        try self.channel.pipeline.syncOperations.addHandler(self.handler)
        self.channel.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 25), promise: nil)
    }
}

@Suite struct SMTPServerBatchTests {
    private static let begin = "EHLO x\r\nMAIL FROM:<a@b.example>\r\n"

    private static func rcpt(_ names: [String]) -> String {
        names.map { "RCPT TO:<\($0)@b.example>\r\n" }.joined()
    }

    @Test(
        "Asked about together or one by one, the client is told the same", arguments: SMTPServerHandlerTests.transcripts
    )
    func transcript(name: String) throws {
        let transcript = try Transcript(named: name)
        for cut in 0..<transcript.client.count {
            let server = try Server()
            try server.send(transcript.client[..<cut])
            try server.send(transcript.client[cut...])
            #expect(try server.replies() == transcript.server, "cut at \(cut)")
        }
    }

    @Test("Recipients that came together are asked about together, and answered in one write")
    func together() throws {
        let server = try Server()
        _ = try server.writes()
        try server.send(Self.begin + Self.rcpt(["a", "bad", "c"]) + "NOOP\r\n")
        #expect(server.batches.sizes == [3])
        #expect(server.batches.lines == ["a", "bad", "c"].map { "RCPT TO:<\($0)@b.example>" })
        let writes = try server.writes()
        #expect(writes.count == 1)
        #expect(
            writes.joined().split(separator: "\r\n").suffix(4).elementsEqual([
                "250 2.1.5 Fine", "550 5.1.1 No such user", "250 2.1.5 Fine", "250 2.0.0 OK",
            ]))
    }

    @Test("A batch goes as far as whole lines have come")
    func cutLines() throws {
        let server = try Server()
        let octets = Array((Self.begin + Self.rcpt(["a", "b"])).utf8)
        for cut in (octets.count - 23)..<octets.count {
            let server = try Server()
            try server.send(octets[..<cut])
            #expect(server.batches.sizes == [1], "cut at \(cut)")
            try server.send(octets[cut...])
            #expect(server.batches.sizes == [1, 1], "cut at \(cut)")
        }
        try server.send(octets)
        #expect(server.batches.sizes == [2])
    }

    @Test(
        "What is not a recipient to be asked about ends a batch, and is answered in its turn",
        arguments: [
            ("RCPT TO:<\r\n", "501 "), ("RCPT\r\n", "501 "), ("RCPT TO:<c@b.example> FOO=1\r\n", "555 "),
            ("RCPT TO:<c@b.example>\n", "500 "), ("NOOP\r\n", "250 2.0.0 OK"), ("RCPTX\r\n", "500 "),
            ("RCPT TO:<" + String(repeating: "x", count: 2050) + "@b.example>\r\n", "500 "),
        ])
    func between(line: String, reply: String) throws {
        let server = try Server()
        try server.send(Self.begin)
        _ = try server.writes()
        try server.send(Self.rcpt(["a", "b"]) + line + Self.rcpt(["c", "d"]))
        #expect(server.batches.sizes == [2, 2])
        let replies = try server.replies().split(separator: "\r\n")
        #expect(replies.count == 5)
        #expect(replies[2].hasPrefix(reply), "\(replies[2])")
        let others = (replies[..<2] + replies[3...]).allSatisfy { $0 == "250 2.1.5 Fine" }
        #expect(others)
    }

    @Test("The limit of recipients refuses none too many and none too few", arguments: 1...5)
    func limit(limit: Int) throws {
        let server = try Server { $0.recipients = limit }
        try server.send(Self.begin)
        _ = try server.writes()
        try server.send(Self.rcpt(["bad", "a", "bad", "b", "c", "d", "bad", "e", "f"]))
        let codes = try server.replies().split(separator: "\r\n").map { String($0.prefix(3)) }
        var accepted = 0
        let expected = ["bad", "a", "bad", "b", "c", "d", "bad", "e", "f"].map { name -> String in
            if accepted == limit { return "452" }
            if name == "bad" { return "550" }
            accepted += 1
            return "250"
        }
        #expect(codes == expected)
    }

    @Test("DATA and BDAT wait for the batch in front of them", arguments: ["DATA\r\n", "BDAT 2 LAST\r\nx\n"])
    func message(command: String) throws {
        let server = try Server()
        server.batches.isHolding = true
        try server.send(Self.begin)
        _ = try server.writes()
        try server.send(Self.rcpt(["a", "b", "bad"]) + command)
        #expect(server.batches.sizes == [3])
        server.batches.completeNext()
        server.batches.completeNext()
        server.loop.run()
        #expect(try server.replies() == "")
        server.batches.completeNext()
        server.loop.run()
        let replies = try server.replies().split(separator: "\r\n")
        #expect(replies.count == 4)
        #expect(replies.last?.hasPrefix(command.hasPrefix("DATA") ? "354 " : "250 2.0.0 Kept") == true)
    }

    @Test("A client that leaves in the middle of a batch is not answered any more")
    func gone() throws {
        let server = try Server()
        server.batches.isHolding = true
        try server.send(Self.begin + Self.rcpt(["a", "b"]))
        server.batches.completeNext()
        server.channel.pipeline.fireChannelInactive()
        server.batches.completeNext()
        #expect(server.handler.takeRecipient() == nil)
    }

    @Test("A message that is lost already is refused behind the chunk, and its other chunks are not passed on")
    func lostMessage() throws {
        let server = try Server()
        try server.send(Self.begin + Self.rcpt(["a"]) + "BDAT 3\r\nabc")
        _ = try server.writes()
        server.batches.messageRefusal = SMTPReply(451, .init(4, 4, 2), "lost")
        try server.send("BDAT 3\r\ndef")
        #expect(try server.replies() == "451 4.4.2 lost\r\n")
        try server.send("BDAT 3 LAST\r\nghiRSET\r\n")
        #expect(try server.replies() == "451 4.4.2 lost\r\n250 2.0.0 OK\r\n")
        #expect(server.batches.events == ["reset", "octets 3", "octets 3", "refused 451", "reset"])
    }

    @Test("Small chunks stop where the delegate takes no more, and go on when it does")
    func chunkPressure() throws {
        let server = try Server()
        let reads = ReadCounter()
        try server.channel.pipeline.syncOperations.addHandler(reads, position: .first)
        try server.send(Self.begin + Self.rcpt(["a"]) + "BDAT 3\r\nabc")
        server.batches.acceptsMessage = false
        server.channel.pipeline.read()
        #expect(reads.count == 0)
        server.batches.acceptsMessage = true
        server.handler.resumeReading()
        #expect(reads.count == 1)
    }
}
