import Testing

/// What the relay asks, and what it makes of the answers.
@Suite("Lookups", .waits, .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct RelayLookupTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let answer: ScriptedLookup.Answer
        let expected: String
        /// nginx closes after a denial without Auth-Wait, and so do we.
        var closes = false

        init(_ description: String, _ answer: ScriptedLookup.Answer, expect expected: String, closes: Bool = false) {
            (testDescription, self.answer, self.expected, self.closes) = (description, answer, expected, closes)
        }
    }

    static let cases: [Case] = [
        .init(
            "a denial", .fields(["Auth-Status: no such user"]), expect: "535 5.7.0 no such user", closes: true),
        .init(
            "a denial with a wait", .fields(["Auth-Status: no such user", "Auth-Wait: 1"]),
            expect: "535 5.7.0 no such user"),
        .init(
            "a denial with a code", .fields(["Auth-Status: gone", "Auth-Error-Code: 550 5.1.1", "Auth-Wait: 1"]),
            expect: "550 5.1.1 gone"),
        .init(
            "a denial with a code of 2xx",
            .fields(["Auth-Status: gone", "Auth-Error-Code: 250 2.0.0", "Auth-Wait: 1"]),
            expect: "535 5.7.0 gone"),
        .init("no answer", .silence, expect: "451 4.3.0"),
        .init("a closed connection", .close, expect: "451 4.3.0"),
        .init("nonsense", .raw("nonsense\r\n\r\n"), expect: "451 4.3.0"),
        .init("nothing but an empty line", .raw("\r\n\r\n"), expect: "451 4.3.0"),
        .init("half a header", .raw("HTTP/1.1 200 OK\r\nAuth-Stat"), expect: "451 4.3.0"),
        .init("allowed, but nowhere", .fields(["Auth-Status: OK"]), expect: "451 4.3."),
        .init("500", .raw("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"), expect: "451 4.3."),
        .init(
            "a header of a megabyte",
            .raw("HTTP/1.1 200 OK\r\nX-Long: " + String(repeating: "x", count: 1_000_000) + "\r\n\r\n"),
            expect: "451 4.3.0"),
        .init(
            "port 0", .fields(["Auth-Status: OK", "Auth-Server: 127.0.0.1", "Auth-Port: 0"]), expect: "451 4.3."),
        .init(
            "port 99999", .fields(["Auth-Status: OK", "Auth-Server: 127.0.0.1", "Auth-Port: 99999"]),
            expect: "451 4.3."),
        .init(
            "a server that is no address", .fields(["Auth-Status: OK", "Auth-Server: ~~~", "Auth-Port: 2525"]),
            expect: "451 4.3."),
    ]

    @Test("each answer has its reply", arguments: cases)
    func answered(_ trouble: Case) throws {
        let trial = try RelayTrial(asking: true)
        trial.lookup?.give(trouble.answer)
        let dialogue = try trial.relay.greeted()
        #expect(try dialogue.command("MAIL FROM:<sender@example.org>").code == 250)
        let reply = try dialogue.command("RCPT TO:<other@flxw.de>")
        #expect(reply.text.hasPrefix(trouble.expected), "\(dialogue.failure("not “\(trouble.expected)…”"))")
        if trouble.closes {
            #expect(try dialogue.isClosed())
        } else {
            #expect(try dialogue.command("NOOP").text == "250 2.0.0 OK")
            try dialogue.quit()
        }
        try trial.expectUnharmed()
    }

    @Test("a lookup server that is down is 451 4.3.0")
    func down() throws {
        var trial = try RelayTrial(asking: true)
        trial.lookup?.stop()
        let dialogue = try trial.relay.greeted()
        #expect(try dialogue.command("MAIL FROM:<sender@example.org>").code == 250)
        let reply = try dialogue.command("RCPT TO:<other@flxw.de>")
        #expect(reply.is(451, "4.3.0"), "\(reply)")
        try trial.replaceLookup()
        try dialogue.quit()
        try trial.expectUnharmed()
    }

    @Test("a server that the lookup names and that is down is 451 4.4.1")
    func serverDown() throws {
        let trial = try RelayTrial(asking: true, "timeouts: \(RelayUnderTest.hasty)")
        trial.lookup?.give(.fields(["Auth-Status: OK", "Auth-Server: 127.0.0.1", "Auth-Port: 2599"]))
        let dialogue = try trial.relay.greeted()
        #expect(try dialogue.command("MAIL FROM:<sender@example.org>").code == 250)
        let reply = try dialogue.command("RCPT TO:<other@flxw.de>")
        #expect(reply.is(451, "4.4.1"), "\(reply)")
        try dialogue.quit()
        try trial.expectUnharmed()
    }

    @Test("the relay asks what nginx asks, field by field")
    func sameQuestion() throws {
        let lines = [
            "EHLO client.example.org", "MAIL FROM:<sender@example.org> SIZE=100", "RCPT TO:<user@flxw.de>",
        ]
        func ask(_ network: TestNetwork, _ port: UInt16) throws -> ScriptedLookup.Request {
            let lookup = try ScriptedLookup(network) { _ in ScriptedLookup.accepting }
            let backend = try ScriptedBackend(network)
            let dialogue = try SMTPDialogue(network, port: port)
            for line in lines { #expect(try dialogue.command(line).code == 250) }
            withExtendedLifetime(backend) {}
            return try #require(lookup.requests.read { $0.first })
        }
        let nginxNetwork = try TestNetwork()
        let nginx = try Peers.nginxMail(in: nginxNetwork)
        let theirs = try ask(nginxNetwork, 25)
        #expect(theirs.line == "GET /mail/auth HTTP/1.0")

        let network = try TestNetwork()
        let relay = try RelayUnderTest.asking(in: network)
        let ours = try ask(network, relay.port)
        #expect(ours.line == "GET /mail/auth HTTP/1.1" || ours.line == "GET /mail/auth HTTP/1.0")
        for name in [
            "Auth-Method", "Auth-User", "Auth-Pass", "Auth-Protocol", "Auth-Login-Attempt", "Client-IP",
            "Client-Host", "Auth-SMTP-Helo", "Auth-SMTP-From", "Auth-SMTP-To", "Host",
        ] {
            #expect(ours.value(name) == theirs.value(name), "\(name)")
        }
        let fields = { (request: ScriptedLookup.Request) in
            request.fields.filter { $0.hasPrefix("Auth-") || $0.hasPrefix("Client-") }
        }
        #expect(fields(ours) == fields(theirs))
        withExtendedLifetime(nginx) {}
    }

    @Test("an answer that comes too late for its recipient is not the next one's")
    func lateAnswer() throws {
        let network = try TestNetwork()
        let backend = try ScriptedBackend(network)
        let other = try ScriptedBackend(network, port: 2526)
        let mayAnswer = Watched(false)
        let lookup = try ScriptedLookup(network) { request in
            let recipient = request.value("Auth-SMTP-To") ?? ""
            if recipient.contains("first") { return ScriptedLookup.accepting }
            guard recipient.contains("second") else { return .silence }
            _ = mayAnswer.wait(.seconds(20)) { $0 ? true : nil }
            return .fields(["Auth-Status: OK", "Auth-Server: 127.0.0.1", "Auth-Port: 2526"])
        }
        let relay = try RelayUnderTest.asking(in: network, port: 2524, timeout: "3s")
        let dialogue = try relay.greeted()
        #expect(try dialogue.command("MAIL FROM:<sender@example.org>").code == 250)
        #expect(try dialogue.command("RCPT TO:<first@flxw.de>").code == 250)
        try dialogue.send("RCPT TO:<second@flxw.de>")
        _ = lookup.requests.wait(.seconds(20)) { $0.count == 2 ? true : nil }
        // The second recipient's fate is sealed with the backend of the first, while its lookup is still asked.
        backend.endConnections()
        #expect(try dialogue.reply().is(451, "4.4.2"))
        #expect(try dialogue.command("RSET").code == 250)
        #expect(try dialogue.command("MAIL FROM:<sender@example.org>").code == 250)
        try dialogue.send("RCPT TO:<third@flxw.de>")
        _ = lookup.requests.wait(.seconds(20)) { $0.count == 3 ? true : nil }
        mayAnswer.change { $0 = true }
        #expect(try dialogue.reply().is(451, "4.3.0"))
        #expect(other.record.read { $0.connections } == 0)
    }

    @Test("a lookup that names the relay itself is 451 4.3.0, and asked once")
    func loop() throws {
        let trial = try RelayTrial(asking: true)
        trial.lookup?.give(
            .fields(["Auth-Status: OK", "Auth-Server: 127.0.0.1", "Auth-Port: \(trial.relay.port)"]))
        let asked = trial.lookup?.requests.read { $0.count } ?? 0
        let dialogue = try trial.relay.greeted()
        #expect(try dialogue.command("MAIL FROM:<sender@example.org>").code == 250)
        let reply = try dialogue.command("RCPT TO:<other@flxw.de>")
        #expect(reply.is(451, "4.3.0"), "\(reply)")
        #expect(trial.lookup?.requests.read { $0.count } == asked + 1)
        try dialogue.quit()
        try trial.expectUnharmed()
    }

    @Test("Auth-Login-Attempt counts refusals, not recipients")
    func attempts() throws {
        let network = try TestNetwork()
        let backend = try ScriptedBackend(network)
        let lookup = try ScriptedLookup(network) { request in
            request.value("Auth-SMTP-To")?.contains("bad") == true
                ? .fields(["Auth-Status: no", "Auth-Wait: 1"]) : ScriptedLookup.accepting
        }
        let relay = try RelayUnderTest.asking(in: network)
        let dialogue = try relay.greeted()
        #expect(try dialogue.command("MAIL FROM:<sender@example.org>").code == 250)
        for (name, code) in [("one", 250), ("two", 250), ("bad", 535), ("three", 250)] {
            #expect(try dialogue.command("RCPT TO:<\(name)@flxw.de>").code == code, "\(name)")
        }
        #expect(lookup.requests.read { $0.map { $0.value("Auth-Login-Attempt") ?? "" } } == ["1", "1", "1", "2"])
        withExtendedLifetime(backend) {}
    }
}
