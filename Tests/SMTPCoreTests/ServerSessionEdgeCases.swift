import SMTPCore
import Testing

private let mail = MailCommand(.mailbox(Mailbox(localPart: "a", domain: "b.example")))
private let recipient = RecipientCommand(.mailbox(Mailbox(localPart: "c", domain: "d.example")))

/// Sections B, E and F of the list, as far as they are the session's alone.
@Suite struct ServerSessionEdgeCases {
    @Test("15: HELO after EHLO takes the extensions away")
    func heloAfterEHLO() {
        var session = Situation.identified.session { $0.extensions.formUnion([.smtpUTF8, .dsn]) }
        _ = session.receive(.helo("client.example"))
        var sized = mail
        sized.size = 1
        #expect(session.receive(.mail(sized)) == .reply(.unknownParameter))
        #expect(
            session.receive(.bdat(size: 3, isLast: true))
                == .discardChunk(size: 3, .badSequence, resetsTransaction: false))
        _ = session.receive(.ehlo("client.example"))
        #expect(session.receive(.mail(sized)) == .beginTransaction(sized, .ok))
    }

    @Test("15: EHLO in a transaction is an implicit RSET", arguments: [Situation.begun, .accepted, .awaitingChunk])
    func ehloInTransaction(situation: Situation) {
        var session = situation.session()
        guard case .resetTransaction(let reply) = session.receive(.ehlo("x")) else { return #expect(Bool(false)) }
        #expect(reply.replyCode == 250)
        #expect(session.receive(.rcpt(recipient)) == .reply(.badSequence))
        #expect(session.receive(.mail(mail)) == .beginTransaction(mail, .ok))
    }

    @Test("15: MAIL without HELO is 503, or served where that is the policy", arguments: [true, false])
    func noHello(requires: Bool) {
        var session = Situation.connected.session { $0.requiresHello = requires }
        #expect(session.receive(.mail(mail)) == (requires ? .reply(.badSequence) : .beginTransaction(mail, .ok)))
    }

    @Test("16: RSET at any time, twice, is 250 and keeps EHLO", arguments: Situation.allCases)
    func rset(situation: Situation) {
        var session = situation.session()
        for _ in 0..<2 { #expect(session.receive(.rset) == .resetTransaction(.ok)) }
        let next = session.receive(.mail(mail))
        #expect(next == (situation == .connected ? .reply(.badSequence) : .beginTransaction(mail, .ok)))
    }

    @Test("18: QUIT is 221 and the end, in a transaction too", arguments: Situation.allCases)
    func quit(situation: Situation) {
        var session = situation.session()
        #expect(session.receive(.quit) == .replyAndClose(.bye))
    }

    @Test("19: A nested MAIL is 503 and changes nothing")
    func nestedMail() {
        var session = Situation.accepted.session()
        #expect(session.receive(.mail(mail)) == .reply(.badSequence))
        #expect(session.receive(.data) == .prepareMessage)
    }

    @Test("23: The null reverse-path is taken, parameters and all")
    func nullReversePath() {
        var session = Situation.identified.session()
        let bounce = MailCommand(.null, size: 100, body: .eightBitMIME)
        #expect(session.receive(.mail(bounce)) == .beginTransaction(bounce, .ok))
    }

    @Test("30, 31: An address that is not ASCII needs SMTPUTF8, and that EHLO has announced it")
    func smtpUTF8() {
        let path = ReversePath.mailbox(Mailbox(localPart: "jürgen", domain: "b.example"))
        var plain = MailCommand(path)
        var session = Situation.identified.session { $0.extensions.insert(.smtpUTF8) }
        #expect(session.receive(.mail(plain)) == .reply(.addressNotASCII))
        plain.usesSMTPUTF8 = true
        #expect(session.receive(.mail(plain)) == .beginTransaction(plain, .ok))
        let forward = RecipientCommand(.mailbox(Mailbox(localPart: "grün", domain: "d.example")))
        #expect(session.receive(.rcpt(forward)) == .resolveRecipient(forward))
        var without = Situation.begun.session()
        #expect(without.receive(.rcpt(forward)) == .reply(.addressNotASCII))
        var unannounced = Situation.identified.session()
        #expect(unannounced.receive(.mail(plain)) == .reply(.unknownParameter))
    }

    @Test("33: A parameter of an extension that was not announced is 555")
    func parameters() {
        let changes: [(inout MailCommand) -> Void] = [
            { $0.usesSMTPUTF8 = true }, { $0.returnContent = .full }, { $0.envelopeID = "x" },
            { $0.authorization = "<>" }, { $0.body = .binaryMIME },
        ]
        for change in changes {
            var command = mail
            change(&command)
            var session = Situation.identified.session()
            #expect(session.receive(.mail(command)) == .reply(.unknownParameter))
        }
        for change in [{ $0.notify = [] }, { $0.originalRecipient = "rfc822;x" }] as [(inout RecipientCommand) -> Void]
        {
            var command = recipient
            change(&command)
            var session = Situation.begun.session()
            #expect(session.receive(.rcpt(command)) == .reply(.unknownParameter))
            var offered = Situation.begun.session { $0.extensions.insert(.dsn) }
            #expect(offered.receive(.rcpt(command)) == .resolveRecipient(command))
        }
        var authorized = mail
        authorized.authorization = "<>"
        var session = Situation.identified.session { $0.authMechanisms = ["PLAIN"] }
        #expect(session.receive(.mail(authorized)) == .beginTransaction(authorized, .ok))
    }

    @Test("43: BDAT refused at its first chunk is refused so at every other, and the session is in step")
    func refusedChunks() {
        var session = Situation.accepted.session()
        #expect(session.receive(.bdat(size: 10, isLast: false)) == .prepareMessage)
        let refusal = SMTPReply(451, .init(4, 3, 0), "no")
        #expect(session.dataCompleted(refusal) == .discardChunk(size: 10, refusal, resetsTransaction: true))
        #expect(
            session.receive(.bdat(size: 5, isLast: false))
                == .discardChunk(size: 5, refusal, resetsTransaction: false))
        #expect(session.receive(.mail(mail)) == .reply(.badSequence))
        #expect(
            session.receive(.bdat(size: 5, isLast: true))
                == .discardChunk(size: 5, refusal, resetsTransaction: false))
        #expect(session.receive(.mail(mail)) == .beginTransaction(mail, .ok))
    }

    @Test(
        "51: Input behind EHLO, DATA, STARTTLS or AUTH ends the session, where that is the policy",
        arguments: [
            SMTPCommand.ehlo("x"), .helo("x"), .data, .startTLS, .auth(AuthCommand(mechanism: "PLAIN")),
        ], [true, false])
    func earlyInput(command: SMTPCommand, forbids: Bool) {
        let situation: Situation = command == .data ? .accepted : .identified
        var session = situation.session {
            $0.forbidsEarlyInput = forbids
            $0.offersTLS = true
            $0.authMechanisms = ["PLAIN"]
        }
        let action = session.receive(command, hasMoreInput: true)
        #expect((action == .replyAndClose(.earlyInput)) == forbids)
    }

    @Test(
        "51: A message that comes before its 354 ends the session", arguments: [SMTPReply.startMailInput, .badSequence])
    func earlyMessage(answer: SMTPReply) {
        var session = Situation.accepted.session()
        _ = session.receive(.data)
        // Behind a refusal its lines would be read as commands.
        #expect(session.dataCompleted(answer, hasMoreInput: true) == .replyAndClose(.earlyInput))
    }

    @Test(
        "51: Input behind every other command is what PIPELINING is for",
        arguments: [SMTPCommand.mail(mail), .rset, .noop, .vrfy, .help, .unimplemented])
    func pipelined(command: SMTPCommand) {
        var session = Situation.identified.session()
        #expect(session.receive(command, hasMoreInput: true) != .replyAndClose(.earlyInput))
    }
}
