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
        var session = session()
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
        var session = session()
        _ = session.receive(.auth(AuthCommand(mechanism: "LOGIN")))
        _ = session.authenticationContinued("VXNlcm5hbWU6")
        #expect(session.receiveMalformed(.lineTooLong) == .reply(CommandSyntaxError.lineTooLong.reply))
        #expect(session.receive(.noop) == .reply(.ok))
    }

    @Test("An asterisk cancels a SASL exchange with 501, and a refused one leaves the session as it was")
    func cancelled() {
        var session = session()
        let command = AuthCommand(mechanism: "PLAIN")
        _ = session.receive(.auth(command))
        _ = session.authenticationContinued("")
        #expect(session.receiveResponse("*") == .reply(.authenticationCancelled))
        _ = session.receive(.auth(command))
        let refusal = SMTPReply(535, .init(5, 7, 8), "no")
        #expect(session.authenticationCompleted(refusal) == .reply(refusal))
        #expect(!session.isAuthenticated)
        #expect(session.receive(.mail(mail)) == .beginTransaction(mail, .ok))
    }

    @Test("AUTH is refused behind HELO, in a transaction, and for a mechanism that was not announced")
    func authenticationOutOfOrder() {
        let command = SMTPCommand.auth(AuthCommand(mechanism: "PLAIN"))
        var connected = session(.connected)
        #expect(connected.receive(command) == .reply(.badSequence))
        _ = connected.receive(.helo("x"))
        #expect(connected.receive(command) == .reply(.badSequence))
        var begun = session(.begun)
        #expect(begun.receive(command) == .reply(.badSequence))
        var identified = session()
        #expect(
            identified.receive(.auth(AuthCommand(mechanism: "CRAM-MD5"))) == .reply(.mechanismNotSupported))
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
        configuration.authMechanisms = ["PLAIN"]
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
