import SMTPCore
import Testing

private let mail = MailCommand(.mailbox(Mailbox(localPart: "a", domain: "b.example")))

private func session(
    _ situation: Situation = .identified, _ change: (inout ServerSessionConfiguration) -> Void = { _ in }
) -> ServerSession {
    situation.session {
        $0.offersTLS = true
        $0.authMechanisms = ["PLAIN", "LOGIN"]
        change(&$0)
    }
}

@Suite struct ServerSessionSecurityTests {
    @Test("STARTTLS is served before a transaction, once, and makes the client begin anew")
    func startTLS() {
        var session = session()
        #expect(session.receive(.startTLS) == .startTLS(.readyForTLS))
        session.tlsEstablished()
        #expect(session.isSecure)
        #expect(session.greeting == nil)
        #expect(session.receive(.mail(mail)) == .reply(.badSequence))
        #expect(session.receive(.startTLS) == .reply(.badSequence))
    }

    @Test("STARTTLS in a transaction is 503", arguments: [Situation.begun, .accepted, .refused, .awaitingChunk])
    func startTLSInTransaction(situation: Situation) {
        var session = session(situation)
        #expect(session.receive(.startTLS) == .reply(.badSequence))
    }

    @Test("Where TLS cannot begin the session goes on as it was")
    func tlsUnavailable() {
        var session = session()
        _ = session.receive(.startTLS)
        #expect(session.tlsUnavailable() == .reply(.tlsUnavailable))
        #expect(session.receive(.mail(mail)) == .beginTransaction(mail, .ok))
    }

    @Test("A SASL exchange goes through its challenges to 235, and a second one is 503")
    func authentication() {
        var session = session { $0.offersTLS = false }
        let command = AuthCommand(mechanism: "LOGIN")
        #expect(session.receive(.auth(command)) == .authenticate(command))
        #expect(session.authenticationContinued("VXNlcm5hbWU6") == .challenge(SMTPReply(334, nil, "VXNlcm5hbWU6")))
        #expect(session.receiveResponse("dXNlcg==") == .continueAuthentication("dXNlcg=="))
        let success = SMTPReply(235, .init(2, 7, 0), "OK")
        #expect(session.authenticationCompleted(success) == .reply(success))
        #expect(session.isAuthenticated)
        #expect(session.receive(.auth(command)) == .reply(.badSequence))
    }

    @Test("A response that cannot be read ends its exchange, and what follows is a command")
    func unreadable() {
        var session = session { $0.offersTLS = false }
        _ = session.receive(.auth(AuthCommand(mechanism: "LOGIN")))
        _ = session.authenticationContinued("VXNlcm5hbWU6")
        #expect(session.receiveMalformed(.lineTooLong) == .reply(CommandSyntaxError.lineTooLong.reply))
        #expect(session.receive(.noop) == .reply(.ok))
    }

    @Test("An asterisk cancels a SASL exchange with 501, and a refused one leaves the session as it was")
    func cancelled() {
        var session = session { $0.offersTLS = false }
        let command = AuthCommand(mechanism: "PLAIN")
        _ = session.receive(.auth(command))
        _ = session.authenticationContinued("")
        #expect(session.receiveResponse("*") == .reply(.authenticationCancelled))
        for response: Secret in ["", "**", "* ", "="] {
            _ = session.receive(.auth(command))
            _ = session.authenticationContinued("")
            #expect(session.receiveResponse(response) == .continueAuthentication(response))
            _ = session.authenticationCompleted(.invalidBase64)
        }
        _ = session.receive(.auth(command))
        let refusal = SMTPReply(535, .init(5, 7, 8), "no")
        #expect(session.authenticationCompleted(refusal) == .reply(refusal))
        #expect(!session.isAuthenticated)
        #expect(session.receive(.mail(mail)) == .beginTransaction(mail, .ok))
    }

    @Test("AUTH is refused behind HELO, in a transaction, and for a mechanism that was not announced")
    func authenticationOutOfOrder() {
        let command = SMTPCommand.auth(AuthCommand(mechanism: "PLAIN"))
        var connected = session(.connected) { $0.offersTLS = false }
        #expect(connected.receive(command) == .reply(.badSequence))
        _ = connected.receive(.helo("x"))
        #expect(connected.receive(command) == .reply(.badSequence))
        var begun = session(.begun) { $0.offersTLS = false }
        #expect(begun.receive(command) == .reply(.badSequence))
        var identified = session { $0.offersTLS = false }
        #expect(
            identified.receive(.auth(AuthCommand(mechanism: "CRAM-MD5"))) == .reply(.mechanismNotSupported))
    }

    @Test("Behind HELO or without EHLO AUTH is served only where nobody has to say EHLO")
    func authenticationWithoutHello() {
        let command = AuthCommand(mechanism: "PLAIN")
        var connected = session(.connected) { ($0.requiresHello, $0.offersTLS) = (false, false) }
        #expect(connected.receive(.auth(command)) == .authenticate(command))
        #expect(connected.authenticationCompleted(.authenticated) == .reply(.authenticated))
        #expect(connected.receive(.mail(mail)) == .beginTransaction(mail, .ok))
        var behindHelo = session(.connected) { ($0.requiresHello, $0.offersTLS) = (false, false) }
        _ = behindHelo.receive(.helo("x"))
        #expect(behindHelo.receive(.auth(command)) == .authenticate(command))
    }

    @Test("Where TLS is to be had, mechanisms that show a password are neither announced nor served in clear")
    func encryptionRequired() {
        var session = session { $0.authMechanisms = ["PLAIN", "LOGIN", "CRAM-MD5", "EXTERNAL"] }
        guard case .resetTransaction(let clear) = session.receive(.ehlo("x")) else {
            Issue.record("EHLO was refused")
            return
        }
        #expect(clear.lines.contains("STARTTLS") && clear.lines.contains("AUTH CRAM-MD5"))
        for mechanism in ["PLAIN", "LOGIN", "EXTERNAL"] {
            #expect(session.receive(.auth(AuthCommand(mechanism: mechanism))) == .reply(.encryptionRequired))
        }
        #expect(session.receive(.auth(AuthCommand(mechanism: "X"))) == .reply(.mechanismNotSupported))
        _ = session.receive(.startTLS)
        session.tlsEstablished()
        guard case .resetTransaction(let secured) = session.receive(.ehlo("x")) else {
            Issue.record("EHLO was refused")
            return
        }
        #expect(!secured.lines.contains("STARTTLS") && secured.lines.contains("AUTH PLAIN LOGIN CRAM-MD5 EXTERNAL"))
        let plain = AuthCommand(mechanism: "PLAIN")
        #expect(session.receive(.auth(plain)) == .authenticate(plain))
    }

    @Test("Without a TLS that is to be had, all mechanisms are served in clear")
    func clear() {
        let configuration = Situation.identified.session {
            $0.authMechanisms = ["PLAIN", "CRAM-MD5"]
        }
        var session = configuration
        guard case .resetTransaction(let reply) = session.receive(.ehlo("x")) else {
            Issue.record("EHLO was refused")
            return
        }
        #expect(reply.lines.contains("AUTH PLAIN CRAM-MD5"))
        let plain = AuthCommand(mechanism: "PLAIN")
        #expect(session.receive(.auth(plain)) == .authenticate(plain))
    }

    @Test("MAIL before AUTH is 530 where AUTH is asked for, and TLS makes the client authenticate itself anew")
    func authenticationRequired() {
        var session = session { $0.requiresAuthentication = true }
        #expect(session.receive(.mail(mail)) == .reply(.authenticationRequired))
        #expect(session.receive(.rcpt(RecipientCommand(.postmaster))) == .reply(.badSequence))
        _ = session.receive(.startTLS)
        session.tlsEstablished()
        _ = session.receive(.ehlo("x"))
        _ = session.receive(.auth(AuthCommand(mechanism: "PLAIN")))
        _ = session.authenticationCompleted(.authenticated)
        #expect(session.receive(.mail(mail)) == .beginTransaction(mail, .ok))
        _ = session.receive(.rset)
        #expect(session.isAuthenticated)
    }

    @Test("A refusal of AUTH may close the session, and refusals are errors")
    func refusedAuthentication() {
        let command = AuthCommand(mechanism: "PLAIN")
        var closing = session { $0.offersTLS = false }
        _ = closing.receive(.auth(command))
        #expect(
            closing.authenticationCompleted(.invalidCredentials, closing: true) == .replyAndClose(.invalidCredentials))
        var counting = session { ($0.errors, $0.offersTLS) = (2, false) }
        _ = counting.receive(.auth(command))
        #expect(counting.authenticationCompleted(.invalidCredentials) == .reply(.invalidCredentials))
        _ = counting.receive(.auth(command))
        #expect(counting.authenticationCompleted(.invalidCredentials) == .replyAndClose(.tooManyErrors))
    }

    @Test("A server that refuses its client says 554 and takes nothing but QUIT")
    func refusing() {
        let configuration = ServerSessionConfiguration(serverName: "mx.example")
        func session() -> ServerSession {
            ServerSession(
                configuration: configuration, extendedReply: configuration.extendedReply, isRefusing: true)
        }
        var refusing = session()
        #expect(refusing.greetingReply == .noService)
        #expect(refusing.receive(.ehlo("x")) == .reply(.badSequence))
        #expect(refusing.receive(.mail(mail)) == .reply(.badSequence))
        #expect(refusing.receive(.quit) == .replyAndClose(.bye))
        var chunked = session()
        #expect(chunked.receive(.bdat(size: 6, isLast: true)) == .replyAndClose(.badSequence))
    }
}

@Suite struct RequiredTLSTests {
    private func required() -> ServerSession {
        session(.connected) { $0.requiresTLS = true }
    }

    @Test("Where TLS is required all but NOOP, EHLO, STARTTLS and QUIT is 530 before it")
    func refused() {
        let refused: [SMTPCommand] = [
            .helo("x"), .mail(mail), .data, .rset, .vrfy, .help, .auth(AuthCommand(mechanism: "PLAIN")),
        ]
        for command in refused {
            var session = self.required()
            #expect(session.receive(command) == .reply(.mustStartTLS))
        }
        var session = self.required()
        #expect(session.receive(.unimplemented) == .reply(.mustStartTLS))
        #expect(
            session.receive(.bdat(size: 5, isLast: true))
                == .discardChunk(size: 5, .mustStartTLS, resetsTransaction: false))
        #expect(session.receive(.noop) == .reply(.ok))
        #expect(session.receive(.startTLS) == .startTLS(.readyForTLS))
        session.tlsEstablished()
        #expect(session.receive(.rset) == .resetTransaction(.ok))
        #expect(session.receive(.quit) == .replyAndClose(.bye))
    }

    @Test("EHLO announces STARTTLS in clear, and AUTH where it may be used")
    func announced() {
        var configuration = ServerSessionConfiguration(serverName: "mx.example")
        configuration.offersTLS = true
        configuration.authMechanisms = ["PLAIN", "CRAM-MD5"]
        #expect(configuration.announcement(isSecure: false).extensions.isSuperset(of: [.startTLS, .auth]))
        #expect(!configuration.announcement(isSecure: true).extensions.contains(.startTLS))
        configuration.requiresTLS = true
        #expect(!configuration.announcement(isSecure: false).extensions.contains(.auth))
        #expect(configuration.announcement(isSecure: true).extensions.contains(.auth))
    }

    @Test("A session that begins under TLS has no STARTTLS, and may do all the rest")
    func implicit() {
        var configuration = ServerSessionConfiguration(serverName: "mx.example")
        configuration.requiresTLS = true
        let reply = configuration.announcement(isSecure: true).reply
        var session = ServerSession(configuration: configuration, extendedReply: reply, isSecure: true)
        #expect(session.receive(.ehlo("x")) == .resetTransaction(reply))
        #expect(session.receive(.startTLS) == .reply(.badSequence))
        #expect(session.receive(.mail(mail)) == .beginTransaction(mail, .ok))
    }
}
