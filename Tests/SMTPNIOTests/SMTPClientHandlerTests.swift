import NIOCore
import NIOEmbedded
import SMTPCore
import SMTPNIO
import Testing

private final class Listener: SMTPClientDelegate {
    private(set) var isReady = false
    private(set) var answers: [String] = []
    private(set) var failure: SMTPClientFailure?
    /// Called within each answer, as a relay with more to ask would.
    var whenAnswered: ((ClientSession.Question) -> Void)?

    func clientReady() { self.isReady = true }
    func clientAnswered(_ question: ClientSession.Question, _ reply: SMTPReply) {
        self.answers.append("\(question) \(reply)")
        self.whenAnswered?(question)
    }
    func clientFailed(_ failure: SMTPClientFailure) { self.failure = failure }
    func clientWritabilityChanged(_ isWritable: Bool) {}
}

private let mail = MailCommand(.mailbox(SMTPCore.Mailbox(localPart: "a", domain: "b.example")))
private let path = RecipientCommand(.mailbox(SMTPCore.Mailbox(localPart: "c", domain: "d.example")))

/// A connection to a server that the test plays.
private final class Connection {
    let channel = EmbeddedChannel()
    let listener = Listener()
    let handler: SMTPClientHandler

    init() throws {
        self.handler = SMTPClientHandler(
            name: "relay.example", sweep: SessionSweep(eventLoop: self.channel.embeddedEventLoop),
            flushes: FlushQueue(eventLoop: self.channel.embeddedEventLoop), delegate: self.listener)
        try self.channel.pipeline.syncOperations.addHandler(self.handler)
        self.channel.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 2525), promise: nil)
    }

    /// The server sends `text`; returns what the handler wrote.
    func serverSays(_ text: String) throws -> String {
        if self.channel.isActive { try self.channel.writeInbound(ByteBuffer(string: text)) }
        return try self.written()
    }

    func written() throws -> String {
        self.channel.embeddedEventLoop.run()
        var result = ""
        while let octets = try self.channel.readOutbound(as: ByteBuffer.self) { result += String(buffer: octets) }
        return result
    }
}

@Suite struct SMTPClientHandlerTests {
    @Test("A message goes to a server that pipelines")
    func message() throws {
        let connection = try Connection()
        #expect(try connection.serverSays("220 hello\r\n") == "EHLO relay.example\r\n")
        #expect(try connection.serverSays("250-backend\r\n250 PIPELINING\r\n") == "")
        #expect(connection.listener.isReady)
        connection.handler.begin(mail, path)
        #expect(try connection.written() == "MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n")
        _ = try connection.serverSays("250 OK\r\n250 OK\r\n")
        connection.handler.data()
        #expect(try connection.written() == "DATA\r\n")
        _ = try connection.serverSays("354 go\r\n")
        connection.handler.writeMessage(ByteBuffer(string: "x\r\n"))
        connection.handler.endMessage()
        #expect(try connection.written() == "x\r\n.\r\n")
        _ = try connection.serverSays("250 2.0.0 queued\r\n")
        #expect(connection.listener.answers == ["recipient 250 OK", "data 354 go", "message 250 2.0.0 queued"])
        connection.handler.quit()
        #expect(try connection.written() == "QUIT\r\n")
        _ = try connection.serverSays("221 bye\r\n")
        #expect(connection.channel.isActive)
        connection.channel.close(promise: nil)
        connection.channel.embeddedEventLoop.run()
        #expect(connection.listener.failure == nil)
    }

    @Test("What a server said before it was asked is no answer")
    func unasked() throws {
        // The 250 behind the 354 must not be taken for the message's, which has not been sent.
        for (atRecipient, atData) in [("250 OK\r\n354 go\r\n", ""), ("250 OK\r\n", "354 go\r\n250 2.0.0 queued\r\n")] {
            let connection = try Connection()
            let handler = connection.handler
            connection.listener.whenAnswered = { question in
                switch question {
                case .recipient: handler.data()
                case .data: handler.endMessage()
                case .message, .startTLS: break
                }
            }
            _ = try connection.serverSays("220 hello\r\n")
            _ = try connection.serverSays("250-backend\r\n250 PIPELINING\r\n")
            handler.begin(mail, path)
            _ = try connection.serverSays("250 OK\r\n" + atRecipient)
            let sent = try connection.serverSays(atData)
            #expect(!sent.contains("."))
            #expect(connection.listener.failure == .answeredUnasked)
            #expect(!connection.channel.isActive)
            #expect(!connection.listener.answers.contains { $0.hasPrefix("message") })
        }
    }

    @Test("A server that closes is a failure; one that was told QUIT is not")
    func closed() throws {
        let lost = try Connection()
        _ = try lost.serverSays("220 hello\r\n")
        lost.channel.close(promise: nil)
        lost.channel.embeddedEventLoop.run()
        #expect(lost.listener.failure == .closed)
        let quit = try Connection()
        _ = try quit.serverSays("220 hello\r\n")
        _ = try quit.serverSays("250 backend\r\n")
        quit.handler.quit()
        quit.channel.close(promise: nil)
        quit.channel.embeddedEventLoop.run()
        #expect(quit.listener.failure == nil)
    }

    @Test("A server that never answers QUIT is closed by the sweep")
    func silentQuit() throws {
        let connection = try Connection()
        _ = try connection.serverSays("220 hello\r\n")
        _ = try connection.serverSays("250 backend\r\n")
        connection.handler.quit()
        #expect(connection.channel.isActive)
        // The sweep looks every second; the deadline is on the real clock, so it is asked directly.
        connection.handler.deadlineExpired()
        #expect(!connection.channel.isActive)
    }

    @Test("The server has a time for each thing that it owes, and none for what it does not")
    func deadlines() throws {
        let connection = try Connection()
        let handler = connection.handler
        let timeouts = SMTPClientTimeouts()
        let expect = { (limit: TimeAmount?) in
            guard let limit else { return #expect(handler.deadline == .distantFuture) }
            let left = handler.deadline - .now()
            #expect(left <= limit && left > limit - .seconds(60))
        }
        expect(timeouts.greeting)
        _ = try connection.serverSays("220 hello\r\n")
        expect(timeouts.hello)
        // A line of a reply is no reply.
        let before = handler.deadline
        _ = try connection.serverSays("250-backend\r\n")
        #expect(handler.deadline == before)
        _ = try connection.serverSays("250 STARTTLS\r\n")
        expect(nil)
        handler.begin(mail, path)
        expect(timeouts.mail)
        _ = try connection.serverSays("250 OK\r\n")
        expect(timeouts.recipient)
        _ = try connection.serverSays("250 OK\r\n")
        expect(nil)
        handler.data()
        expect(timeouts.data)
        _ = try connection.serverSays("354 go\r\n")
        expect(nil)
        connection.channel.isWritable = false
        connection.channel.pipeline.fireChannelWritabilityChanged()
        expect(timeouts.dataBlock)
        connection.channel.isWritable = true
        connection.channel.pipeline.fireChannelWritabilityChanged()
        expect(nil)
        handler.endMessage()
        expect(timeouts.finalDot)
        _ = try connection.serverSays("250 OK\r\n")
        expect(nil)
        handler.quit()
        expect(timeouts.quit)
        let quit = handler.deadline
        _ = try connection.serverSays("250 what?\r\n")
        #expect(handler.deadline == quit)
    }

    @Test("A server that owes an answer for too long is closed, and is a failure")
    func silent() throws {
        let connection = try Connection()
        connection.handler.deadlineExpired()
        #expect(connection.listener.failure == .timeout)
        #expect(!connection.channel.isActive)
    }

    @Test("A server that has closed its side, or reset the connection, is a failure, once")
    func halfClosed() throws {
        let half = try Connection()
        _ = try half.serverSays("220 hello\r\n")
        half.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        #expect(half.listener.failure == .closed)
        #expect(!half.channel.isActive)
        let reset = try Connection()
        _ = try reset.serverSays("220 hello\r\n")
        reset.channel.pipeline.fireErrorCaught(IOError(errnoCode: 104, reason: "read"))
        reset.channel.embeddedEventLoop.run()
        #expect(reset.listener.failure == .closed)
    }

    @Test("A handler that was closed is in no sweep any more")
    func swept() throws {
        let channel = EmbeddedChannel()
        let sweep = SessionSweep(eventLoop: channel.embeddedEventLoop)
        let listener = Listener()
        let handler = SMTPClientHandler(name: "relay.example", sweep: sweep, delegate: listener)
        try channel.pipeline.syncOperations.addHandler(handler)
        #expect(sweep.count == 1)
        handler.close()
        #expect(sweep.count == 0)
    }

    @Test("The hook for the end is called once, however the connection ends")
    func closeHook() throws {
        let connection = try Connection()
        var calls = 0
        connection.handler.onClose { calls += 1 }
        _ = try connection.serverSays("220 hello\r\n")
        connection.handler.close()
        connection.channel.embeddedEventLoop.run()
        #expect(calls == 1)
    }
}
