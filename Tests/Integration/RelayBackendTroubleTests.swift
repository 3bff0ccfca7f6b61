import Testing

/// Backends that are down, slow, silent, rude or wrong, at each step of the dialogue.
@Suite(
    "Trouble with the backend", .waits, .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root")
)
struct RelayBackendTroubleTests {
    typealias Answer = ScriptedBackend.Answer

    /// The command whose reply tells the client.
    enum Step: Sendable { case rcpt, data, dot }

    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let at: Step
        /// The reply begins so; where the backend said it, it is the backend's own.
        let expected: String
        let script: ScriptedBackend.Script

        init(
            _ description: String, at step: Step, _ part: WritableKeyPath<ScriptedBackend.Script, Answer>,
            _ answer: Answer, expect expected: String
        ) {
            self.testDescription = description
            self.at = step
            self.expected = expected
            var script = ScriptedBackend.Script()
            script[keyPath: part] = answer
            self.script = script
        }
    }

    static let cases: [Case] = [
        // The greeting: nobody has been asked about anybody yet, so nothing here is final.
        .init("the greeting is 421", at: .rcpt, \.greeting, .say("421 4.3.2 busy"), expect: "451 4."),
        .init("the greeting is 554", at: .rcpt, \.greeting, .say("554 5.7.1 go away"), expect: "451 4."),
        .init("the greeting is nonsense", at: .rcpt, \.greeting, .say("HELLO"), expect: "451 4."),
        .init("it closes before the greeting", at: .rcpt, \.greeting, .close, expect: "451 4.4."),
        .init("it resets before the greeting", at: .rcpt, \.greeting, .reset, expect: "451 4.4."),
        .init("it never greets", at: .rcpt, \.greeting, .silence, expect: "451 4.4."),
        .init(
            "it greets late", at: .dot, \.greeting, .sayAfter(.seconds(1), "220 slow"), expect: "250 2.0.0 taken"),
        // EHLO.
        .init("it knows no EHLO, but HELO", at: .dot, \.ehlo, .say("502 5.5.1 what"), expect: "250 2.0.0 taken"),
        .init("EHLO gets 421", at: .rcpt, \.ehlo, .say("421 4.3.2 busy"), expect: "451 4."),
        .init("it closes after EHLO", at: .rcpt, \.ehlo, .close, expect: "451 4.4."),
        .init("it never answers EHLO", at: .rcpt, \.ehlo, .silence, expect: "451 4.4."),
        .init(
            "it does not pipeline", at: .dot, \.ehlo, .say("250 backend.example.org"), expect: "250 2.0.0 taken"),
        // MAIL: the refusal is the answer to RCPT.
        .init("MAIL gets 451", at: .rcpt, \.mail, .say("451 4.3.0 later"), expect: "451 4.3.0 later"),
        .init("MAIL gets 550", at: .rcpt, \.mail, .say("550 5.1.8 no such sender"), expect: "550 5.1.8 no such sender"),
        .init("MAIL gets a bare 550", at: .rcpt, \.mail, .say("550 no"), expect: "550 5.0.0 no"),
        .init("MAIL gets 421", at: .rcpt, \.mail, .say("421 4.3.2 busy"), expect: "451 4."),
        .init("it closes after MAIL", at: .rcpt, \.mail, .close, expect: "451 4.4."),
        .init("it never answers MAIL", at: .rcpt, \.mail, .silence, expect: "451 4.4."),
        .init("MAIL gets nonsense", at: .rcpt, \.mail, .say("hm"), expect: "451 4."),
        // RCPT.
        .init("RCPT gets 450", at: .rcpt, \.rcpt, .say("450 4.2.1 busy"), expect: "450 4.2.1 busy"),
        .init("RCPT gets 550", at: .rcpt, \.rcpt, .say("550 5.1.1 no such user"), expect: "550 5.1.1 no such user"),
        .init("RCPT gets a bare 550", at: .rcpt, \.rcpt, .say("550 no"), expect: "550 5.0.0 no"),
        .init("RCPT gets a bare 452", at: .rcpt, \.rcpt, .say("452 full"), expect: "452 4.0.0 full"),
        .init("RCPT gets 354", at: .rcpt, \.rcpt, .say("354 go on"), expect: "451 4."),
        .init("RCPT gets 421", at: .rcpt, \.rcpt, .say("421 4.3.2 busy"), expect: "451 4."),
        .init("RCPT gets 251", at: .dot, \.rcpt, .say("251 2.1.5 will forward"), expect: "250 2.0.0 taken"),
        .init("it closes after RCPT", at: .rcpt, \.rcpt, .close, expect: "451 4.4."),
        .init("it resets after RCPT", at: .rcpt, \.rcpt, .reset, expect: "451 4.4."),
        .init("it never answers RCPT", at: .rcpt, \.rcpt, .silence, expect: "451 4.4."),
        .init("RCPT gets nonsense", at: .rcpt, \.rcpt, .say("hm"), expect: "451 4."),
        // DATA.
        .init("DATA gets 451", at: .data, \.data, .say("451 4.3.0 later"), expect: "451 4.3.0 later"),
        .init("DATA gets 554", at: .data, \.data, .say("554 5.7.1 no"), expect: "554 5.7.1 no"),
        .init("DATA gets 250", at: .data, \.data, .say("250 2.0.0 what"), expect: "451 4."),
        .init("DATA gets 421", at: .data, \.data, .say("421 4.3.2 busy"), expect: "451 4."),
        .init("it closes after DATA", at: .data, \.data, .close, expect: "451 4.4."),
        .init("it never answers DATA", at: .data, \.data, .silence, expect: "451 4.4."),
        // The final dot.
        .init("the dot gets 451", at: .dot, \.dot, .say("451 4.3.0 later"), expect: "451 4.3.0 later"),
        .init("the dot gets 554", at: .dot, \.dot, .say("554 5.6.0 no"), expect: "554 5.6.0 no"),
        .init("the dot gets a bare 550", at: .dot, \.dot, .say("550 no"), expect: "550 5.0.0 no"),
        .init("the dot gets 354", at: .dot, \.dot, .say("354 what"), expect: "451 4."),
        .init("the dot gets 421", at: .dot, \.dot, .say("421 4.3.2 busy"), expect: "451 4."),
        .init(
            "the dot is answered late", at: .dot, \.dot, .sayAfter(.seconds(1), "250 2.0.0 at last"),
            expect: "250 2.0.0 at last"),
        .init("it closes after the dot", at: .dot, \.dot, .close, expect: "451 4.4.2"),
        .init("it resets after the dot", at: .dot, \.dot, .reset, expect: "451 4.4.2"),
        .init("it never answers the dot", at: .dot, \.dot, .silence, expect: "451 4.4.2"),
    ]

    @Test("Our field goes with the message's first octets, not by itself when the backend has said 354")
    func receivedField() throws {
        let network = try TestNetwork()
        let relay = try RelayUnderTest.routed(in: network)
        let result = try network.run(["python3", "-c", Self.segments, "\(relay.port)"])
        let expected = "354: nothing yet\noctets: the field and they\n250"
        #expect(result.text == expected, "\(result.text)\n\(relay.program.text)")
    }

    /// A client and its backend in one: what the latter has when the former has been told something.
    private static let segments = """
        import re, socket, sys
        listener = socket.create_server(("127.0.0.1", 2525))
        client = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20)
        def hear(connection, pattern):
            connection.settimeout(20)
            text = b""
            while not re.search(pattern, text): text += connection.recv(65536) or sys.exit("closed behind %r" % text)
            return text
        def say(connection, text): connection.sendall(text.replace("\\n", "\\r\\n").encode())
        hear(client, rb"220 .*\\n")
        say(client, "EHLO me\\n"); hear(client, rb"250 .*\\n")
        say(client, "MAIL FROM:<a@b.example>\\n"); hear(client, rb"250 .*\\n")
        say(client, "RCPT TO:<user@flxw.de>\\n")
        backend = listener.accept()[0]
        say(backend, "220 b\\n"); hear(backend, rb"EHLO .*\\n")
        say(backend, "250-b\\n250 PIPELINING\\n"); hear(backend, rb"RCPT .*\\n")
        say(backend, "250 ok\\n250 ok\\n"); hear(client, rb"250 .*\\n")
        say(client, "DATA\\n"); hear(backend, rb"DATA\\r\\n")
        say(backend, "354 go on\\n"); hear(client, rb"354 .*\\n")
        backend.setblocking(False)
        try: print("354: already", backend.recv(65536))
        except BlockingIOError: print("354: nothing yet")
        say(client, "Subject: x\\n")
        hear(backend, rb"^Received: (.*\\r\\n\\s)*.*\\r\\nSubject: x\\r\\n$"); print("octets: the field and they")
        say(client, ".\\n"); hear(backend, rb"^\\.\\r\\n$")
        say(backend, "250 ok\\n"); print(hear(client, rb"250 .*\\n")[:3].decode())
        """

    @Test("a name whose first address refuses is reached at the next one, by backends and by lookups")
    func severalAddresses() throws {
        let network = try TestNetwork()
        let hosts = try RelayWorld.file("hosts", "::1 dual.test\n127.0.0.1 dual.test\n")
        #expect(try network.run(["mount", "--bind", hosts, "/etc/hosts"]).status == 0)
        let backend = try ScriptedBackend(network)
        let lookup = try ScriptedLookup(network) { _ in ScriptedLookup.accepting }
        let relay = try RelayUnderTest(
            in: network,
            """
            routes:
              - recipients: [flxw.de]
                backends: ["dual.test:2525"]
            lookup:
              url: http://dual.test/mail/auth
            timeouts: \(RelayUnderTest.hasty)
            """)
        for recipient in ["user@flxw.de", "user@example.com"] {
            let dialogue = try relay.greeted()
            #expect(try dialogue.message(to: recipient).code == 250, "\(dialogue.failure(recipient))")
            try dialogue.quit()
        }
        withExtendedLifetime((backend, lookup)) {}
    }

    @Test("tells the client the truth, and the session goes on", arguments: cases)
    func told(_ trouble: Case) throws {
        let trial = try RelayTrial("timeouts: \(RelayUnderTest.hasty)")
        // (a connection kept from the first message has its script already: end it)
        trial.backend.endConnections()
        trial.backend.follow(trouble.script)
        let dialogue = try trial.relay.greeted()
        #expect(try dialogue.command("MAIL FROM:<sender@example.org>").text == "250 2.0.0 OK")
        var reply = try dialogue.command("RCPT TO:<user@flxw.de>")
        if trouble.at != .rcpt {
            try #require(reply.code / 100 == 2, "\(dialogue.failure("RCPT was refused"))")
            reply = try dialogue.command("DATA")
        }
        if trouble.at == .dot {
            try #require(reply.code == 354, "\(dialogue.failure("DATA was refused"))")
            reply = try dialogue.content("Subject: trouble\r\n\r\ntext")
        }
        #expect(reply.text.hasPrefix(trouble.expected), "\(dialogue.failure("not “\(trouble.expected)…”"))")
        // Once the dot has gone out the message is never sent again.
        #expect(trial.backend.record.read { $0.messages.count } == (trouble.at == .dot ? 2 : 1))
        #expect(try dialogue.command("RSET").text == "250 2.0.0 OK")
        try dialogue.quit()
        try trial.expectUnharmed()
    }

    @Test("a backend that is down is 451 4.4.1, and has its mail when it is back")
    func down() throws {
        var trial = try RelayTrial("timeouts: \(RelayUnderTest.hasty)")
        trial.backend.stop()
        let dialogue = try trial.relay.greeted()
        #expect(try dialogue.command("MAIL FROM:<sender@example.org>").code == 250)
        let reply = try dialogue.command("RCPT TO:<user@flxw.de>")
        #expect(reply.is(451, "4.4.1"), "\(reply)")
        // The same session finds it again.
        try trial.replaceBackend()
        #expect(try dialogue.command("RCPT TO:<user@flxw.de>").code == 250)
        #expect(try dialogue.command("DATA").code == 354)
        #expect(try dialogue.content("Subject: back\r\n\r\ntext").code == 250)
        try dialogue.quit()
        try trial.expectUnharmed()
    }

    @Test("a backend lost inside a message is 451 4.4.2, and nothing is delivered", arguments: [100_000, 2_000_000])
    func lostInContent(after bytes: Int) throws {
        let trial = try RelayTrial("timeouts: \(RelayUnderTest.hasty)")
        trial.backend.endConnections()
        var script = ScriptedBackend.Script()
        script.inContent = (bytes, .close)
        trial.backend.follow(script)
        let dialogue = try trial.relay.greeted()
        let line = String(repeating: "x", count: 98) + "\r\n"
        let reply = try dialogue.message(to: "user@flxw.de", String(repeating: line, count: 30_000) + "end")
        #expect(reply.is(451, "4.4.2"), "\(reply)")
        #expect(trial.backend.record.read { $0.messages.count } == 1)
        try dialogue.quit()
        try trial.expectUnharmed()
    }

    @Test("one recipient's refusal is that recipient's alone")
    func someRecipients() throws {
        let trial = try RelayTrial()
        trial.backend.endConnections()
        var script = ScriptedBackend.Script()
        script.recipients = ["two@": .say("550 5.1.1 no two"), "three@": .say("450 4.2.1 three later")]
        trial.backend.follow(script)
        let dialogue = try trial.relay.greeted()
        #expect(try dialogue.command("MAIL FROM:<sender@example.org>").code == 250)
        #expect(try dialogue.command("RCPT TO:<two@flxw.de>").text == "550 5.1.1 no two")
        #expect(try dialogue.command("RCPT TO:<one@flxw.de>").code == 250)
        #expect(try dialogue.command("RCPT TO:<three@flxw.de>").text == "450 4.2.1 three later")
        #expect(try dialogue.command("RCPT TO:<four@flxw.de>").code == 250)
        #expect(try dialogue.command("DATA").code == 354)
        #expect(try dialogue.content("Subject: some\r\n\r\ntext").code == 250)
        let message = trial.backend.wait { $0.messages.count == 2 }.messages.last
        #expect(message?.forwardPaths == ["RCPT TO:<one@flxw.de>", "RCPT TO:<four@flxw.de>"])
        try dialogue.quit()
        try trial.expectUnharmed()
    }

    @Test("with every recipient refused DATA does not reach the backend")
    func noRecipients() throws {
        let trial = try RelayTrial()
        trial.backend.endConnections()
        var script = ScriptedBackend.Script()
        script.rcpt = .say("550 5.1.1 no")
        trial.backend.follow(script)
        let dialogue = try trial.relay.greeted()
        #expect(try dialogue.command("MAIL FROM:<sender@example.org>").code == 250)
        #expect(try dialogue.command("RCPT TO:<one@flxw.de>").code == 550)
        let reply = try dialogue.command("DATA")
        #expect(reply.is(554, "5.5.1") || reply.is(503, "5.5.1"), "\(reply)")
        #expect(trial.backend.record.read { $0.commands.filter { $0 == "DATA" }.count } == 1)
        try dialogue.quit()
        try trial.expectUnharmed()
    }

    @Test("several lines of a reply stay several lines")
    func manyLines() throws {
        let trial = try RelayTrial()
        trial.backend.endConnections()
        var script = ScriptedBackend.Script()
        script.rcpt = .say("550-5.1.1 no such user;\r\n550 5.1.1 see https://flxw.de/")
        trial.backend.follow(script)
        let dialogue = try trial.relay.greeted()
        #expect(try dialogue.command("MAIL FROM:<sender@example.org>").code == 250)
        let reply = try dialogue.command("RCPT TO:<one@flxw.de>")
        #expect(reply.lines == ["550-5.1.1 no such user;", "550 5.1.1 see https://flxw.de/"])
        try dialogue.quit()
        try trial.expectUnharmed()
    }

    @Test("a reply without end is not read without end", arguments: [false, true])
    func endlessReply(_ lines: Bool) throws {
        let trial = try RelayTrial("timeouts: \(RelayUnderTest.hasty)")
        trial.backend.endConnections()
        var script = ScriptedBackend.Script()
        script.rcpt = .say(
            lines
                ? String(repeating: "250-2.1.5 and more\r\n", count: 100_000) + "250 2.1.5 end"
                : "250 2.1.5 " + String(repeating: "x", count: 2_000_000))
        trial.backend.follow(script)
        let dialogue = try trial.relay.greeted()
        #expect(try dialogue.command("MAIL FROM:<sender@example.org>").code == 250)
        let reply = try dialogue.command("RCPT TO:<one@flxw.de>")
        #expect(reply.is(451, "4."), "\(reply.lines.count) lines: \(reply.text.prefix(100))")
        try dialogue.quit()
        try trial.expectUnharmed()
    }
}
