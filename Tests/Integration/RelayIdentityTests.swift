import Testing

/// What backends are told of clients.
@Suite(
    "Identity towards backends", .works,
    .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct RelayIdentityTests {
    /// A backend that knows every way of being told.
    private static var knowing: ScriptedBackend.Script {
        var script = ScriptedBackend.Script()
        script.ehlo = .say(
            """
            250-backend.example.org\r
            250-PIPELINING\r
            250-8BITMIME\r
            250-AUTH LOGIN PLAIN\r
            250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT\r
            250 XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE
            """)
        script.others = [
            "XCLIENT": .say("220 backend.example.org ESMTP"), "XFORWARD": .say("250 2.0.0 OK"),
            "AUTH": .say("235 2.7.0 OK"), "PROXY": .pause(.zero),
        ]
        return script
    }

    private static func settings(_ destination: String) -> String {
        """
        routes:
          - recipients: "*"
            backends: ["127.0.0.1:2525"]
        \(destination.split(separator: "\n").map { "    " + $0 }.joined(separator: "\n"))
        """
    }

    /// The commands of the sessions that mail came on. (The relay's own EHLO is marked by the case of its letters.)
    private func sessions(_ trial: EdgeTrial, _ messages: Int) -> [[String]] {
        _ = trial.messages(messages)
        let own = "EHLO mail.flxw.de"
        return trial.backend.record.read { record in
            record.mailSessions.map { $0.map { $0.lowercased() == own.lowercased() ? own : $0 } }
        }
    }

    private func port(_ dialogue: SMTPDialogue) throws -> String { "\(try dialogue.socket.localPort())" }

    @Test("XCLIENT comes behind EHLO, then the client's own EHLO; there is no Received field")
    func xclient() throws {
        let trial = try EdgeTrial(Self.knowing, settings: Self.settings("identity: xclient"))
        let dialogue = try trial.greeted()
        let port = try self.port(dialogue)
        try dialogue.deliver("Subject: x\r\n\r\nx")
        try dialogue.quit()
        #expect(
            self.sessions(trial, 1).map { $0.filter { $0 != "QUIT" } } == [
                [
                    "EHLO mail.flxw.de",
                    "XCLIENT ADDR=127.0.0.1 NAME=[UNAVAILABLE] PORT=\(port) PROTO=ESMTP HELO=client.example.org "
                        + "DESTADDR=127.0.0.1 DESTPORT=2526",
                    "EHLO client.example.org", "MAIL FROM:<sender@example.org>", "RCPT TO:<user@flxw.de>", "DATA",
                ]
            ])
        #expect(trial.messages(1).map { String(decoding: $0.wire, as: UTF8.self) } == ["Subject: x\r\n\r\nx"])
    }

    @Test("A client that says EHLO anew is introduced anew, on a connection of its own")
    func newGreeting() throws {
        let trial = try EdgeTrial(Self.knowing, settings: Self.settings("identity: xclient"))
        let dialogue = try trial.greeted()
        try dialogue.deliver("Subject: 1\r\n\r\nx")
        try dialogue.deliver("Subject: 2\r\n\r\nx")
        try dialogue.say("HELO other.example.org", gets: "250 ")
        try dialogue.deliver("Subject: 3\r\n\r\nx")
        try dialogue.quit()
        let greetings = self.sessions(trial, 3).map { $0.filter { $0.contains("HELO ") || $0.contains("EHLO ") } }
        #expect(
            greetings == [
                ["EHLO mail.flxw.de", "EHLO client.example.org"], ["EHLO mail.flxw.de", "HELO other.example.org"],
            ])
    }

    @Test(
        "A backend that lacks what it is to be told with gets no mail, and the client 451",
        arguments: ["identity: xclient", "identity: xforward", "auth: {user: relay, password-file: PASSWORD}"])
    func notAnnounced(_ destination: String) throws {
        let file = try RelayWorld.file("password", "s3cret\n")
        let settings = Self.settings(destination.replacing("PASSWORD", with: file))
        let trial = try EdgeTrial(ScriptedBackend.Script(), settings: settings)
        let dialogue = try trial.greeted()
        try dialogue.say("MAIL FROM:<sender@example.org>", gets: "250 ")
        try dialogue.say("RCPT TO:<user@flxw.de>", gets: "451 4.3.0")
        try dialogue.quit()
        #expect(trial.backend.record.read { $0.commands.filter { $0.hasPrefix("MAIL") || $0.hasPrefix("AUTH") } } == [])
        _ = try trial.relay.program.line { $0.contains(" backend-failed ") && $0.contains("is not announced") }
    }

    @Test("What a backend says to XCLIENT and to the client's greeting has its own reply")
    func refusals() throws {
        var refusingUs = Self.knowing
        refusingUs.others["XCLIENT"] = .say("550 5.7.0 not you")
        let trial = try EdgeTrial(refusingUs, settings: Self.settings("identity: xclient"))
        let dialogue = try trial.greeted()
        try dialogue.say("MAIL FROM:<sender@example.org>", gets: "250 ")
        try dialogue.say("RCPT TO:<user@flxw.de>", gets: "451 4.3.0")
        try dialogue.quit()
    }

    @Test("XFORWARD is in front of each MAIL; the Received field stays")
    func xforward() throws {
        let trial = try EdgeTrial(Self.knowing, settings: Self.settings("identity: xforward"))
        let dialogue = try trial.greeted()
        let port = try self.port(dialogue)
        try dialogue.deliver("Subject: 1\r\n\r\nx")
        try dialogue.deliver("Subject: 2\r\n\r\nx")
        try dialogue.quit()
        let commands = try #require(self.sessions(trial, 2).first)
        let names = commands.filter { $0.hasPrefix("XFORWARD NAME") }
        #expect(names == Array(repeating: "XFORWARD NAME=[UNAVAILABLE] ADDR=127.0.0.1 PORT=\(port)", count: 2))
        let identifiers = commands.filter { $0.hasPrefix("XFORWARD PROTO=ESMTP HELO=client.example.org IDENT=") }
        #expect(identifiers.count == 2 && Set(identifiers).count == 2)
        #expect(identifiers.allSatisfy { $0.hasSuffix(" SOURCE=REMOTE") })
        #expect(trial.messages(2).allSatisfy { $0.wire.starts(with: Array("Received: ".utf8)) })
    }

    @Test("A PROXY header is the first that a backend reads, in front of the probe's session, too")
    func proxyHeader() throws {
        let trial = try EdgeTrial(Self.knowing, settings: Self.settings("identity: proxy-v1"))
        let dialogue = try trial.greeted()
        let port = try self.port(dialogue)
        try dialogue.deliver("Subject: x\r\n\r\nx")
        try dialogue.quit()
        let session = try #require(self.sessions(trial, 1).first)
        #expect(session.prefix(2) == ["PROXY TCP4 127.0.0.1 127.0.0.1 \(port) 2526", "EHLO mail.flxw.de"])
        #expect(trial.messages(1).allSatisfy { $0.wire.starts(with: Array("Subject: x".utf8)) })
        let probes = trial.backend.record.read { $0.sessions.filter { !$0.joined().contains("MAIL") } }
        #expect(!probes.isEmpty && probes.allSatisfy { $0.first == "PROXY UNKNOWN" })
    }

    @Test("One user logs in for all clients; its password is in no line of the log")
    func login() throws {
        let file = try RelayWorld.file("password", "s3cret\n")
        let settings = Self.settings("auth: {user: relay, password-file: \(file)}")
        let trial = try EdgeTrial(Self.knowing, settings: settings)
        let dialogue = try trial.greeted()
        try dialogue.deliver("Subject: x\r\n\r\nx")
        #expect(self.sessions(trial, 1).first?.prefix(2) == ["EHLO mail.flxw.de", "AUTH PLAIN AHJlbGF5AHMzY3JldA=="])
        var refusing = Self.knowing
        refusing.others["AUTH"] = .say("535 5.7.8 no")
        trial.backend.follow(refusing)
        trial.backend.endConnections()
        try dialogue.say("MAIL FROM:<sender@example.org>", gets: "250 ")
        try dialogue.say("RCPT TO:<user@flxw.de>", gets: "451 4.7.0")
        try dialogue.quit()
        #expect(!trial.relay.program.text.contains("s3cret") && !trial.relay.program.text.contains("AHJlbGF5"))
    }

    @Test("Who the lookup says that the client is, is told with LOGIN, and logged in as with its password")
    func lookupLogin() throws {
        let network = try TestNetwork()
        let backend = try ScriptedBackend(network, Self.knowing)
        let lookup = try ScriptedLookup(network) { request in
            let user = request.value("Auth-SMTP-To")?.contains("two") == true ? "second" : "first user"
            return .fields([
                "Auth-Status: OK", "Auth-Server: 127.0.0.1", "Auth-Port: 2525", "Auth-User: \(user)", "Auth-Pass: pw",
            ])
        }
        let lines = { (session: [String]) in session.filter { $0.hasPrefix("XCLIENT") || $0.hasPrefix("AUTH") } }
        let xclient = try RelayUnderTest(
            in: network, "lookup: {url: \"http://127.0.0.1/mail/auth\", identity: xclient}")
        let dialogue = try xclient.greeted()
        _ = try dialogue.message(to: "one@a.example")
        _ = try dialogue.message(to: "one@a.example")
        _ = try dialogue.message(to: "two@a.example")
        try dialogue.quit()
        let told = backend.wait { $0.messages.count == 3 }.mailSessions.map(lines)
        #expect(told.map(\.count) == [1, 1])
        #expect(told.first?.first?.hasPrefix("XCLIENT ADDR=127.0.0.1 LOGIN=first+20user NAME=[UNAVAILABLE] ") == true)
        #expect(told.last?.first?.hasPrefix("XCLIENT ADDR=127.0.0.1 LOGIN=second NAME=[UNAVAILABLE] ") == true)
        let auth = try RelayUnderTest(
            in: network, port: 2527,
            "lookup: {url: \"http://127.0.0.1/mail/auth\", auth: login-of-client}")
        let other = try auth.greeted()
        _ = try other.message(to: "two@a.example")
        try other.quit()
        let logins = backend.wait { $0.messages.count == 4 }.mailSessions.map(lines).last
        #expect(logins == ["AUTH PLAIN AHNlY29uZABwdw=="])
        withExtendedLifetime(lookup) {}
    }
}
