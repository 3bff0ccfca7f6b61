import Testing

/// Clients that break the rules, by mistake or on purpose: the right reply, and a relay that lives.
@Suite(
    "Trouble with the client", .waits, .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct RelayClientTroubleTests {
    /// Bytes of a client in trouble and the beginning of the reply to the last of them.
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        /// Lines that are answered with 2xx first.
        var before: [String] = []
        let bytes: String
        /// The last reply begins with one of these.
        let expected: [String]
    }

    static let mail = "MAIL FROM:<sender@example.org>"

    static let cases: [Case] = [
        // Out of order (RFC 5321 section 4.1.4).
        .init(
            testDescription: "RCPT before MAIL", bytes: "RCPT TO:<user@flxw.de>\r\n",
            expected: ["503 5.5.1 Bad sequence of commands"]),
        .init(testDescription: "DATA before MAIL", bytes: "DATA\r\n", expected: ["503 5.5.1"]),
        .init(
            testDescription: "DATA before RCPT", before: [mail], bytes: "DATA\r\n",
            expected: ["503 5.5.1", "554 5.5.1"]),
        .init(
            testDescription: "a second MAIL", before: [mail], bytes: mail + "\r\n",
            expected: ["503 5.5.1 Bad sequence of commands"]),
        // Arguments.
        .init(testDescription: "MAIL alone", bytes: "MAIL\r\n", expected: ["501 5.5.4 Invalid argument"]),
        .init(
            testDescription: "RCPT alone", before: [mail], bytes: "RCPT\r\n", expected: ["501 5.5.4 Invalid argument"]),
        .init(testDescription: "EHLO alone", bytes: "EHLO\r\n", expected: ["501 5.5.4 Invalid argument"]),
        .init(testDescription: "HELO alone", bytes: "HELO\r\n", expected: ["501 5.5.4 Invalid argument"]),
        .init(testDescription: "a parameter nobody offered", bytes: mail + " FOO=bar\r\n", expected: ["555 5.5.4"]),
        .init(
            testDescription: "a sender that is no address", bytes: "MAIL FROM:<a b>\r\n",
            expected: ["501 5.", "553 5."]),
        .init(
            testDescription: "a recipient that is no address", before: [mail], bytes: "RCPT TO:<@>\r\n",
            expected: ["501 5.", "553 5."]),
        .init(
            testDescription: "a recipient no route matches", before: [mail],
            bytes: "RCPT TO:<user@elsewhere.example>\r\n",
            expected: ["550 5.7.1"]),
        .init(
            testDescription: "a message over the limit", bytes: mail + " SIZE=99999999999\r\n", expected: ["552 5.3.4"]),
        // Verbs.
        .init(testDescription: "an unknown verb", bytes: "FROBNICATE\r\n", expected: ["500 5.5.1 Invalid command"]),
        .init(testDescription: "an empty line", bytes: "\r\n", expected: ["500 5.5."]),
        .init(testDescription: "EXPN", bytes: "EXPN staff\r\n", expected: ["502 5.5.1"]),
        .init(testDescription: "ETRN", bytes: "ETRN example.org\r\n", expected: ["502 5.5.1"]),
        .init(
            testDescription: "STARTTLS that was not offered", bytes: "STARTTLS\r\n",
            expected: ["500 5.5.1", "502 5.5.1"]),
        .init(testDescription: "AUTH that was not offered", bytes: "AUTH PLAIN AGEAYg==\r\n", expected: ["50"]),
        .init(testDescription: "VRFY, which tells nothing", bytes: "VRFY user\r\n", expected: ["252 2."]),
        // Octets.
        .init(
            testDescription: "a line of 20,000 octets", bytes: "NOOP " + String(repeating: "x", count: 20_000) + "\r\n",
            expected: ["500 5.5.2", "500 5.5.6"]),
        .init(
            testDescription: "a line of a megabyte", bytes: "NOOP " + String(repeating: "x", count: 1_000_000) + "\r\n",
            expected: ["500 5.5.2", "500 5.5.6"]),
        .init(testDescription: "NUL in a command", bytes: "NOOP a\0b\r\n", expected: ["500 5.5.2", "501 5.5.2"]),
        .init(
            testDescription: "NUL in an address", before: [mail], bytes: "RCPT TO:<user\0@flxw.de>\r\n",
            expected: ["500 5.5.2", "501 5."]),
        .init(
            testDescription: "eight bits without SMTPUTF8", bytes: "MAIL FROM:<s\u{e9}nder@example.org>\r\n",
            expected: ["500 5.", "501 5.", "550 5.6.7", "553 5."]),
        .init(testDescription: "CR alone inside a command", bytes: "NOOP\rNOOP\r\n", expected: ["500 5.5.2"]),
        .init(testDescription: "LF alone at the end of a command", bytes: "NOOP\nNOOP\r\n", expected: ["500 5.5.2"]),
    ]

    @Test("is answered rightly, and the session goes on", arguments: cases)
    func answered(_ trouble: Case) throws {
        let trial = try RelayTrial()
        let dialogue = try trial.relay.greeted()
        for line in trouble.before { #expect(try dialogue.command(line).code == 250) }
        try dialogue.send(bytes: Array(trouble.bytes.utf8))
        let reply = try dialogue.reply()
        #expect(trouble.expected.contains { reply.text.hasPrefix($0) }, "\(dialogue.failure("not the reply expected"))")
        #expect(reply.lines.count == 1)
        // In step: EXPN is answered by nothing else but 502 (a NOOP behind a bare LF may have had its own 250).
        try dialogue.send("EXPN step")
        var next = try dialogue.reply()
        if trouble.bytes.contains("\nNOOP"), next.text == "250 2.0.0 OK" { next = try dialogue.reply() }
        #expect(next.code == 502, "\(dialogue.failure("out of step"))")
        #expect(try dialogue.command("RSET").text == "250 2.0.0 OK")
        #expect(try dialogue.message(to: "user@flxw.de").code == 250)
        try dialogue.quit()
        try trial.expectUnharmed()
    }

    @Test("errors without end get 421 in the end")
    func tooManyErrors() throws {
        let trial = try RelayTrial()
        let dialogue = try trial.relay.greeted()
        var last = try dialogue.command("FROBNICATE")
        for _ in 0..<100 where last.code == 500 { last = try dialogue.command("FROBNICATE") }
        #expect(last.is(421, "4.7.0"))
        #expect(try dialogue.isClosed())
        try trial.expectUnharmed()
    }

    @Test(
        "who speaks HTTP gets one refusal", arguments: ["GET / HTTP/1.1", "POST /x HTTP/1.1", "CONNECT a:25 HTTP/1.1"])
    func notSMTP(_ line: String) throws {
        let trial = try RelayTrial()
        let dialogue = try SMTPDialogue(trial.network, port: trial.relay.port)
        let reply = try dialogue.command(line)
        #expect(reply.code == 521 || reply.code == 554)
        #expect(try dialogue.isClosed())
        try trial.expectUnharmed()
    }

    @Test("replies to a pipelined group come in its order")
    func pipelined() throws {
        let trial = try RelayTrial()
        let dialogue = try trial.relay.greeted()
        let group = [
            Self.mail, "RCPT TO:<one@flxw.de>", "RCPT TO:<two@elsewhere.example>", "RCPT TO:<three@flxw.de>", "DATA",
        ]
        try dialogue.send(group.joined(separator: "\r\n"))
        let codes = try group.map { _ in try dialogue.reply().code }
        #expect(codes == [250, 250, 550, 250, 354])
        #expect(try dialogue.content("Subject: group\r\n\r\ntext").code == 250)
        let message = trial.backend.wait { $0.messages.count == 2 }.messages.last
        #expect(message?.forwardPaths == ["RCPT TO:<one@flxw.de>", "RCPT TO:<three@flxw.de>"])
        try dialogue.quit()
        try trial.expectUnharmed()
    }

    @Test("a message sent byte by byte is the same message")
    func byteByByte() throws {
        let trial = try RelayTrial()
        let dialogue = try trial.relay.greeted()
        #expect(try dialogue.command(Self.mail).code == 250)
        #expect(try dialogue.command("RCPT TO:<user@flxw.de>").code == 250)
        #expect(try dialogue.command("DATA").code == 354)
        for byte in "Subject: bytes\r\n\r\n..\r\n...two\r\n\r\nlast\r\n.\r\n".utf8 { try dialogue.socket.send([byte]) }
        #expect(try dialogue.reply().code == 250)
        let message = trial.backend.wait { $0.messages.count == 2 }.messages.last
        #expect(message?.content == "Subject: bytes\r\n\r\n..\r\n...two\r\n\r\nlast")
        try dialogue.quit()
        try trial.expectUnharmed()
    }

    @Test("an empty message is a message")
    func empty() throws {
        let trial = try RelayTrial()
        let dialogue = try trial.relay.greeted()
        for line in [Self.mail, "RCPT TO:<user@flxw.de>", "DATA"] { #expect(try dialogue.command(line).code < 400) }
        #expect(try dialogue.command(".").code == 250)
        #expect(trial.backend.wait { $0.messages.count == 2 }.messages.last?.content == "")
        try dialogue.quit()
        try trial.expectUnharmed()
    }

    /// Where a client leaves.
    enum Leaving: String, CaseIterable, Sendable {
        case afterConnecting, afterEHLO, insideACommand, afterMAIL, afterRCPT, after354, insideALine, insideTheMessage
        case beforeTheLastLF
    }

    @Test("a client that leaves in the middle delivers nothing", arguments: Leaving.allCases, [false, true])
    func leaves(_ leaving: Leaving, reset: Bool) throws {
        let trial = try RelayTrial()
        try leave(trial, leaving, reset: reset)
        try trial.expectUnharmed()
        let record = trial.backend.wait { $0.open <= 1 }
        #expect(record.messages.count == 2, "the one before and the one after")
    }

    /// In a function of its own: the connection ends with it.
    private func leave(_ trial: RelayTrial, _ leaving: Leaving, reset: Bool) throws {
        let dialogue = try SMTPDialogue(trial.network, port: trial.relay.port)
        if reset { dialogue.socket.resetOnClose() }
        guard leaving != .afterConnecting else { return }
        #expect(try dialogue.command("EHLO client.example.org").code == 250)
        guard leaving != .afterEHLO else { return }
        if leaving == .insideACommand { return try dialogue.send(bytes: Array("MAIL FROM:<sen".utf8)) }
        #expect(try dialogue.command(Self.mail).code == 250)
        guard leaving != .afterMAIL else { return }
        #expect(try dialogue.command("RCPT TO:<user@flxw.de>").code == 250)
        guard leaving != .afterRCPT else { return }
        #expect(try dialogue.command("DATA").code == 354)
        let line = String(repeating: "x", count: 70) + "\r\n"
        switch leaving {
        case .insideALine: try dialogue.send(bytes: Array("Subject: x\r\n\r\nhalf a li".utf8))
        case .insideTheMessage: try dialogue.send(bytes: Array(String(repeating: line, count: 5000).utf8))
        case .beforeTheLastLF: try dialogue.send(bytes: Array("Subject: x\r\n\r\ntext\r\n.\r".utf8))
        default: break
        }
    }

    @Test("clients that leave while their backend is silent hold no descriptor for it")
    func leavesSilentBackend() throws {
        let network = try TestNetwork()
        // A neighbour whose address is known, and who is not there: nobody refuses a connection to it.
        for command in [
            "ip link add silent type veth peer name other", "ip address add 192.0.2.1/24 dev silent",
            "ip link set silent up", "ip link set other up",
            "ip neighbour add 192.0.2.9 lladdr 02:00:00:00:00:09 dev silent",
        ] {
            #expect(try network.run(command.split(separator: " ").map(String.init)).status == 0, "\(command)")
        }
        let relay = try RelayUnderTest(
            in: network,
            """
            routes:
              - recipients: [flxw.de]
                backends: ["192.0.2.9:25"]
            timeouts: {connect: 2m}
            """)
        for _ in 0..<20 {
            let dialogue = try relay.greeted()
            #expect(try dialogue.command(Self.mail).code == 250)
            try dialogue.send("RCPT TO:<user@flxw.de>")
            dialogue.socket.resetOnClose()
        }
        // (One for the relay's own probe of the backend.)
        let excess = relay.excess { relay.descriptorsWhenReady + 1 }
        #expect(excess == 0, "\(relay.descriptorKinds)")
    }

    @Test("a client that leaves behind its message counts as connected until the backend has answered")
    func leavesBehindMessage() throws {
        let trial = try RelayTrial("limits: {connections: 2}")
        trial.backend.endConnections()
        var script = ScriptedBackend.Script()
        script.dot = .silence
        trial.backend.follow(script)
        for _ in 0..<2 {
            let dialogue = try trial.relay.greeted()
            for line in [Self.mail, "RCPT TO:<user@flxw.de>", "DATA"] {
                #expect(try dialogue.command(line).code < 400)
            }
            let before = trial.backend.record.read { $0.messages.count }
            try dialogue.send(bytes: Array("Subject: x\r\n\r\ntext\r\n.\r\n".utf8))
            _ = trial.backend.wait { $0.messages.count > before }
            dialogue.socket.resetOnClose()
        }
        // (The clients' own connections are over by then, or a moment later.)
        for _ in 0..<20 {
            #expect(throws: (any Error).self) { try SMTPDialogue(trial.network, port: trial.relay.port) }
        }
        trial.backend.endConnections()
        let deadline = ContinuousClock.now + .seconds(20)
        while ContinuousClock.now < deadline, (try? trial.relay.greeted()) == nil {}
        try trial.expectUnharmed()
    }

    /// An end of data that is none.
    struct FalseEnd: Sendable, CustomTestStringConvertible {
        let bytes: String
        var testDescription: String { bytes.unicodeScalars.map { $0.escaped(asASCII: true) }.joined() }
    }

    /// CVE-2023-51764, -51765, -51766; CVE-2024-27305.
    static let falseEnds = [
        "\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\n", "\r\n.\r", "\r.\r\n", "\n.\r", "\r\n\0.\r\n", "\r\n.\0\r\n",
    ].map(FalseEnd.init)

    @Test("nothing but CRLF . CRLF ends a message, here and behind", arguments: falseEnds)
    func smuggling(_ end: FalseEnd) throws {
        let trial = try RelayTrial()
        let dialogue = try trial.relay.greeted()
        for line in [Self.mail, "RCPT TO:<user@flxw.de>", "DATA"] { #expect(try dialogue.command(line).code < 400) }
        let inner = "MAIL FROM:<evil@flxw.de>\r\nRCPT TO:<victim@flxw.de>\r\nDATA\r\nSubject: smuggled\r\n\r\nevil"
        let reply = try dialogue.content("Subject: outer\r\n\r\ntext" + end.bytes + inner)
        // One message, one reply: taken whole, or refused whole.
        #expect(reply.code == 250 || reply.code == 550 || reply.code == 554)
        #expect(try dialogue.command("EXPN step").code == 502, "\(dialogue.failure("out of step"))")
        try dialogue.quit()
        let record = trial.backend.record.read { $0 }
        #expect(!record.commands.contains { $0.contains("evil") || $0.contains("victim") })
        if reply.code == 250 {
            try #require(record.messages.count == 2)
            let wire = record.messages[1].wire
            #expect(String(decoding: wire, as: UTF8.self).contains("MAIL FROM:<evil@flxw.de>"))
            #expect(record.messages[1].looseEnds == [])
        }
        try trial.expectUnharmed()
    }
}
