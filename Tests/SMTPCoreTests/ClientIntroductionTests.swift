import SMTPCore
import Testing

private let attributes = [
    ClientAttribute(.address, "192.0.2.42"), ClientAttribute(.login, "a b"), ClientAttribute(.name, "mx.example.net"),
    ClientAttribute(.port, "50000"), ClientAttribute(.protocolName, "ESMTP"), ClientAttribute(.helo, "client"),
]
private let credentials = ClientCredentials(user: Array("user".utf8), password: "secret")
private let mail = MailCommand(.mailbox(Mailbox(localPart: "a", domain: "b.example")))
private let recipient = RecipientCommand(.mailbox(Mailbox(localPart: "c", domain: "d.example")))

/// A session that is ready, with a server that announced this.
private func session(_ extensions: String...) -> ClientSession {
    var session = ClientSession(name: "relay.example")
    _ = session.receive(SMTPReply(220, nil, "backend"))
    _ = session.receive(SMTPReply(250, nil, lines: ["backend"] + extensions))
    return session
}

private func lines(_ action: ClientSession.Action) -> [String] {
    guard case .send(let commands) = action else { return ["\(action)"] }
    return commands.map { String($0.line.dropLast()) }
}

private func code(_ action: ClientSession.Action) -> ClientSessionError.Code? {
    if case .fail(let error) = action { error.code } else { nil }
}

@Suite struct ClientIntroductionTests {
    @Test("Without anything to say, a session is ready at once")
    func nothing() {
        var session = session()
        #expect(ClientIntroduction().isEmpty)
        #expect(session.introduce(ClientIntroduction()) == .ready)
        #expect(session.isIdle)
    }

    static let announcements = [
        ("XCLIENT NAME ADDR LOGIN", "XCLIENT ADDR=192.0.2.42 LOGIN=a+20b NAME=mx.example.net"),
        ("xclient addr", "XCLIENT ADDR=192.0.2.42"),
        ("XCLIENT HELO PROTO PORT ADDR", "XCLIENT ADDR=192.0.2.42 PORT=50000 PROTO=ESMTP HELO=client"),
        (
            "XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT",
            "XCLIENT ADDR=192.0.2.42 LOGIN=a+20b NAME=mx.example.net PORT=50000 PROTO=ESMTP HELO=client"
        ),
        ("XCLIENT", "XCLIENT ADDR=192.0.2.42 LOGIN=a+20b NAME=mx.example.net"),
    ]

    @Test("XCLIENT has what the server takes, in nginx's order", arguments: announcements)
    func attributesTaken(_ announced: String, _ line: String) {
        var session = session(announced)
        #expect(lines(session.introduce(ClientIntroduction(xclient: attributes))) == [line])
        #expect(session.awaited == .hello)
    }

    @Test("Behind XCLIENT the server hears the client's own greeting, and what it then announces counts")
    func clientGreeting() {
        var session = session("XCLIENT ADDR", "PIPELINING")
        _ = session.introduce(ClientIntroduction(xclient: attributes, greeting: .ehlo("client")))
        #expect(lines(session.receive(SMTPReply(220, nil, "backend"))) == ["EHLO client"])
        #expect(session.receive(SMTPReply(250, nil, lines: ["backend", "SIZE"])) == .ready)
        #expect(session.extensions == .size)
        #expect(lines(session.begin(mail, recipient)) == ["MAIL FROM:<a@b.example>"])
    }

    @Test("A client that said HELO is heard with HELO, which offers nothing")
    func clientHelo() {
        var session = session("XCLIENT ADDR", "PIPELINING", "AUTH PLAIN")
        _ = session.introduce(
            ClientIntroduction(xclient: attributes, greeting: .helo("client"), credentials: credentials))
        #expect(lines(session.receive(SMTPReply(250, nil, "ok"))) == ["HELO client"])
        #expect(lines(session.receive(SMTPReply(250, nil, "backend"))) == ["AUTH PLAIN AHVzZXIAc2VjcmV0"])
        #expect(session.receive(SMTPReply(235, nil, "ok")) == .ready)
        #expect(!session.extensions.contains(.pipelining))
    }

    @Test("A client without a greeting has none")
    func noGreeting() {
        var session = session("XCLIENT ADDR", "PIPELINING")
        _ = session.introduce(ClientIntroduction(xclient: attributes))
        #expect(session.receive(SMTPReply(220, nil, "backend")) == .ready)
        #expect(session.extensions.contains(.pipelining))
    }

    @Test(
        "What is not announced is not asked for, and the session fails",
        arguments: [
            (["PIPELINING"], ClientIntroduction(xclient: attributes)),
            (["XCLIENT NAME HELO"], ClientIntroduction(xclient: attributes)),
            (["XCLIENT ADDR"], ClientIntroduction(needsXForward: true)),
            (["AUTH CRAM-MD5 GSSAPI"], ClientIntroduction(credentials: credentials)),
            ([], ClientIntroduction(credentials: credentials)),
        ])
    func notAnnounced(_ extensions: [String], _ introduction: ClientIntroduction) {
        var session = ClientSession(name: "relay.example")
        _ = session.receive(SMTPReply(220, nil, "backend"))
        _ = session.receive(SMTPReply(250, nil, lines: ["backend"] + extensions))
        #expect(code(session.introduce(introduction)) == .notAnnounced)
        #expect(!session.isIdle)
    }

    @Test("Each refusal is told apart: of us, of the client, of its login")
    func refusals() {
        var refusingUs = session("XCLIENT ADDR")
        _ = refusingUs.introduce(ClientIntroduction(xclient: attributes, greeting: .ehlo("client")))
        var refusingClient = refusingUs
        #expect(code(refusingUs.receive(SMTPReply(550, nil, "not you"))) == .refusedIntroduction)
        _ = refusingClient.receive(SMTPReply(220, nil, "backend"))
        #expect(code(refusingClient.receive(SMTPReply(554, nil, "not it"))) == .refusedClient)
        var refusingLogin = session("AUTH PLAIN")
        _ = refusingLogin.introduce(ClientIntroduction(credentials: credentials))
        var confused = refusingLogin
        var leaving = refusingLogin
        #expect(code(refusingLogin.receive(SMTPReply(535, nil, "no"))) == .refusedAuthentication)
        #expect(code(confused.receive(SMTPReply(250, nil, "what"))) == .unexpectedReply)
        #expect(code(leaving.receive(SMTPReply(421, nil, "bye"))) == .serviceClosing)
    }

    @Test("AUTH is PLAIN, or LOGIN where that is all there is")
    func login() {
        var plain = session("AUTH LOGIN PLAIN")
        let introduction = ClientIntroduction(credentials: credentials)
        #expect(lines(plain.introduce(introduction)) == ["AUTH PLAIN AHVzZXIAc2VjcmV0"])
        var surplus = plain
        #expect(code(surplus.receive(SMTPReply(334, nil, ""))) == .unexpectedReply)
        #expect(plain.receive(SMTPReply(235, nil, "ok")) == .ready)
        var login = session("AUTH=LOGIN")
        #expect(lines(login.introduce(introduction)) == ["AUTH LOGIN"])
        #expect(lines(login.receive(SMTPReply(334, nil, "VXNlcm5hbWU6"))) == ["dXNlcg=="])
        #expect(lines(login.receive(SMTPReply(334, nil, "UGFzc3dvcmQ6"))) == ["c2VjcmV0"])
        #expect(login.receive(SMTPReply(235, nil, "ok")) == .ready)
    }

    @Test("A response that is too long for the command's line has one of its own (RFC 4954 section 4)")
    func longResponse() {
        var session = session("AUTH PLAIN")
        let long = ClientCredentials(user: Array("user".utf8), password: Secret(Array(repeating: 0x78, count: 400)))
        #expect(lines(session.introduce(ClientIntroduction(credentials: long))) == ["AUTH PLAIN"])
        let response = lines(session.receive(SMTPReply(334, nil, "")))
        #expect(response.count == 1 && response[0].hasPrefix("AHVzZXIAeHh4"))
        #expect(session.receive(SMTPReply(235, nil, "ok")) == .ready)
    }

    @Test("No description has a password")
    func secrets() {
        let introduction = ClientIntroduction(credentials: credentials)
        var session = session("AUTH PLAIN")
        for text in ["\(introduction)", "\(session.introduce(introduction))", "\(session)", "\(credentials)"] {
            #expect(!text.contains("secret") && !text.contains("115") && !text.contains("c2Vj"))
        }
        var dumped = ""
        dump(introduction, to: &dumped)
        dump(session, to: &dumped)
        #expect(!dumped.contains("115") && !dumped.contains("c2Vj"))
    }

    @Test("XFORWARD goes in front of each MAIL, in two lines, as Postfix sends it")
    func forwarding() {
        var session = session("XFORWARD NAME ADDR PROTO HELO SOURCE", "PIPELINING")
        #expect(session.introduce(ClientIntroduction(needsXForward: true)) == .ready)
        let forwarding = attributes + [ClientAttribute(.identifier, "x1"), ClientAttribute(.source, "REMOTE")]
        #expect(
            lines(session.begin(mail, [recipient], forwarding: forwarding)) == [
                "XFORWARD NAME=mx.example.net ADDR=192.0.2.42", "XFORWARD PROTO=ESMTP HELO=client SOURCE=REMOTE",
                "MAIL FROM:<a@b.example>", "RCPT TO:<c@d.example>",
            ])
        let ok = SMTPReply(250, nil, "OK")
        var refused = session
        #expect(code(refused.receive(SMTPReply(501, nil, "no"))) == .refusedIntroduction)
        for _ in 1...3 { #expect(session.receive(ok) == .wait) }
        #expect(session.receive(ok) == .answered(.recipient, ok))
        session.abandon()
        #expect(lines(session.begin(mail, [recipient], forwarding: forwarding)).count == 5)
        for _ in 1...4 { #expect(session.receive(ok) == .wait) }
        #expect(session.receive(ok) == .answered(.recipient, ok))
    }

    @Test("Nothing that a client says ends a line, or a value")
    func hostile() {
        var session = session("XCLIENT ADDR NAME HELO LOGIN")
        let hostile = "a\r\nMAIL FROM:<> b=c+d\u{0}\u{e9}"
        let introduction = ClientIntroduction(xclient: [
            ClientAttribute(.address, "::1"), ClientAttribute(.login, hostile), ClientAttribute(.helo, hostile),
        ])
        let encoded = "a+0D+0AMAIL+20FROM:<>+20b+3Dc+2Bd+00+C3+A9"
        #expect(lines(session.introduce(introduction)) == ["XCLIENT ADDR=::1 LOGIN=\(encoded) HELO=\(encoded)"])
    }

    @Test("What would make the line longer than 512 octets is left out")
    func longLine() {
        var session = session("XCLIENT ADDR LOGIN NAME HELO PORT")
        let introduction = ClientIntroduction(xclient: [
            ClientAttribute(.address, "192.0.2.1"), ClientAttribute(.name, String(repeating: "n", count: 255)),
            ClientAttribute(.helo, String(repeating: "h", count: 255)), ClientAttribute(.port, "25"),
        ])
        let line = lines(session.introduce(introduction))[0]
        #expect(line.hasSuffix("n PORT=25"))
        #expect(line.utf8.count <= 511)
    }
}
