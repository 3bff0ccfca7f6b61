import SMTPCore
import Testing

private let mail = MailCommand(.mailbox(Mailbox(localPart: "a", domain: "b.example")))
private let recipient = RecipientCommand(.mailbox(Mailbox(localPart: "c", domain: "d.example")))

/// The states in which a command can come, each with the way there.
enum Situation: String, CaseIterable, Sendable {
    case connected, identified, begun, accepted, refused, awaitingChunk, refusingChunks

    func session(_ change: (inout ServerSessionConfiguration) -> Void = { _ in }) -> ServerSession {
        var configuration = ServerSessionConfiguration(serverName: "mx.example")
        change(&configuration)
        var session = ServerSession(configuration: configuration, extendedReply: configuration.extendedReply)
        if self == .connected { return session }
        _ = session.receive(.ehlo("client.example"))
        if self == .identified { return session }
        _ = session.receive(.mail(mail))
        if self == .begun { return session }
        _ = session.receive(.rcpt(recipient))
        _ = session.recipientCompleted(self == .refused ? .badForwardPath : .ok)
        guard self == .awaitingChunk || self == .refusingChunks else { return session }
        _ = session.receive(.bdat(size: 1, isLast: false))
        _ = session.dataCompleted(.startMailInput)
        _ = session.chunkReceived(self == .awaitingChunk ? nil : .messageTooBig)
        return session
    }
}

private func discarded(_ size: UInt64, _ reply: SMTPReply) -> ServerSession.Action {
    .discardChunk(size: size, reply, resetsTransaction: false)
}

@Suite struct ServerSessionTests {
    /// What every command does in every state: a row a command, a column a situation in their order.
    static let table: [(SMTPCommand, [ServerSession.Action])] = [
        (.helo("x"), Array(repeating: .resetTransaction(SMTPReply(250, nil, "mx.example")), count: 7)),
        (
            .ehlo("x"),
            Array(
                repeating: .resetTransaction(ServerSessionConfiguration(serverName: "mx.example").extendedReply),
                count: 7)
        ),
        (
            .mail(mail),
            [
                .reply(.badSequence), .beginTransaction(mail, .ok), .reply(.badSequence), .reply(.badSequence),
                .reply(.badSequence), .reply(.badSequence), .reply(.badSequence),
            ]
        ),
        (
            .rcpt(recipient),
            [
                .reply(.badSequence), .reply(.badSequence), .resolveRecipient(recipient), .resolveRecipient(recipient),
                .resolveRecipient(recipient), .reply(.badSequence), .reply(.badSequence),
            ]
        ),
        (
            .data,
            [
                .reply(.badSequence), .reply(.badSequence), .reply(.badSequence), .prepareMessage,
                .reply(.noValidRecipients), .reply(.badSequence), .reply(.badSequence),
            ]
        ),
        (.rset, Array(repeating: .resetTransaction(.ok), count: 7)),
        (.noop, Array(repeating: .reply(.ok), count: 7)),
        (.vrfy, Array(repeating: .reply(.cannotVerify), count: 7)),
        (.help, Array(repeating: .reply(.help), count: 7)),
        (.quit, Array(repeating: .replyAndClose(.bye), count: 7)),
        (
            .bdat(size: 1, isLast: true),
            [
                discarded(1, .badSequence), discarded(1, .badSequence), discarded(1, .badSequence), .prepareMessage,
                discarded(1, .noValidRecipients), .receiveChunk(size: 1, isLast: true, isFirst: false),
                discarded(1, .messageTooBig),
            ]
        ),
        (
            .bdat(size: 0, isLast: false),
            [
                discarded(0, .badSequence), discarded(0, .badSequence), discarded(0, .badSequence), .prepareMessage,
                discarded(0, .noValidRecipients), .receiveChunk(size: 0, isLast: false, isFirst: false),
                discarded(0, .messageTooBig),
            ]
        ),
        (.bdat(size: 1 << 62, isLast: true), Array(repeating: .replyAndClose(.messageTooBig), count: 7)),
        (.startTLS, Array(repeating: .reply(.notImplemented), count: 7)),
        (.auth(AuthCommand(mechanism: "PLAIN")), Array(repeating: .reply(.notImplemented), count: 7)),
        (.unimplemented, Array(repeating: .reply(.notImplemented), count: 7)),
    ]

    @Test("Every command in every state", arguments: 0..<16, Situation.allCases)
    func commands(row: Int, situation: Situation) throws {
        let (command, actions) = Self.table[row]
        let column = try #require(Situation.allCases.firstIndex(of: situation))
        var session = situation.session()
        #expect(session.receive(command) == actions[column])
    }

    @Test("A refused command leaves the state as it was", arguments: Situation.allCases)
    func refusedCommands(situation: Situation) {
        var session = situation.session()
        let wasOpen = session.isInTransaction
        for command in [SMTPCommand.unimplemented, .noop, .vrfy, .help] { _ = session.receive(command) }
        _ = session.receiveMalformed(CommandSyntaxError.invalidArgument)
        #expect(session.isInTransaction == wasOpen)
    }

    @Test("RSET, EHLO and HELO end a transaction", arguments: [SMTPCommand.rset, .ehlo("x"), .helo("x")])
    func reset(command: SMTPCommand) {
        var session = Situation.accepted.session()
        _ = session.receive(command)
        #expect(!session.isInTransaction)
        #expect(session.receive(.data) == .reply(.badSequence))
        #expect(session.receive(.mail(mail)) == .beginTransaction(mail, .ok))
    }

    @Test("A message goes from 354 to its answer, and the next transaction may begin")
    func message() {
        var session = Situation.accepted.session()
        #expect(session.receive(.data) == .prepareMessage)
        #expect(session.dataCompleted(.startMailInput) == .receiveMessage(.startMailInput))
        #expect(session.isInTransaction)
        let answer = SMTPReply(250, .init(2, 0, 0), "queued as 1")
        #expect(session.messageCompleted(answer) == .reply(answer))
        #expect(!session.isInTransaction)
        #expect(session.receive(.mail(mail)) == .beginTransaction(mail, .ok))
    }

    @Test("A refused DATA leaves the transaction open")
    func refusedData() {
        var session = Situation.accepted.session()
        _ = session.receive(.data)
        let refusal = SMTPReply(451, .init(4, 3, 0), "no")
        #expect(session.dataCompleted(refusal) == .reply(refusal))
        #expect(session.receive(.data) == .prepareMessage)
    }

    @Test("A refusal may close the session")
    func closing() {
        var session = Situation.begun.session()
        _ = session.receive(.rcpt(recipient))
        let denial = SMTPReply(535, .init(5, 7, 0), "no")
        #expect(session.recipientCompleted(denial, closing: true) == .replyAndClose(denial))
    }

    @Test("Recipients over the limit get 452 and the session goes on")
    func recipients() {
        var session = Situation.begun.session { $0.recipients = 2 }
        for _ in 0..<2 {
            #expect(session.receive(.rcpt(recipient)) == .resolveRecipient(recipient))
            _ = session.recipientCompleted(.ok)
        }
        #expect(session.receive(.rcpt(recipient)) == .reply(.tooManyRecipients))
        #expect(session.receive(.data) == .prepareMessage)
    }

    @Test("SIZE= over the limit is refused at MAIL; without a limit nothing is")
    func size() {
        var large = mail
        large.size = 1001
        var limited = Situation.identified.session { $0.messageSize = 1000 }
        #expect(limited.receive(.mail(large)) == .reply(.messageTooBig))
        large.size = 1000
        #expect(limited.receive(.mail(large)) == .beginTransaction(large, .ok))
        var unlimited = Situation.identified.session { $0.messageSize = 0 }
        large.size = .max
        #expect(unlimited.receive(.mail(large)) == .beginTransaction(large, .ok))
    }

    @Test("The error that reaches the limit closes the session with 421")
    func errors() {
        var session = Situation.identified.session { $0.errors = 3 }
        let error = CommandSyntaxError.invalidCommand
        #expect(session.receiveMalformed(error) == .reply(.invalidCommand))
        #expect(session.receive(.unimplemented) == .reply(.notImplemented))
        #expect(session.receiveMalformed(error) == .replyAndClose(.tooManyErrors))
    }

    @Test("Another protocol is told so, and closed")
    func foreignProtocol() {
        var session = Situation.connected.session()
        #expect(
            session.receiveMalformed(CommandSyntaxError.foreignProtocol)
                == .replyAndClose(.notSMTP))
    }

    @Test("Transactions over the limit get 421")
    func transactions() {
        var session = Situation.identified.session { $0.transactions = 2 }
        for _ in 0..<2 {
            #expect(session.receive(.mail(mail)) == .beginTransaction(mail, .ok))
            _ = session.receive(.rset)
        }
        #expect(session.receive(.mail(mail)) == .replyAndClose(.tooManyTransactions))
    }

    @Test("EHLO names the extensions, and SIZE its bound only where there is one")
    func extendedReply() {
        var configuration = ServerSessionConfiguration(serverName: "mx.example")
        configuration.messageSize = 1000
        #expect(
            configuration.extendedReply.lines == [
                "mx.example", "PIPELINING", "SIZE 1000", "8BITMIME", "ENHANCEDSTATUSCODES", "CHUNKING",
            ])
        configuration.messageSize = 0
        #expect(configuration.extendedReply.lines[2] == "SIZE")
    }
}
