import Foundation
import Testing

/// Section J of docs/edge-cases.md: what the relay says of its own accord, and what becomes of a backend's replies.
@Suite("Edge cases: replies", .waits, .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct ReplyEdgeCases {
    @Test("68: the relay's own replies: who is nobody's, who is refused, who cannot be reached, who has to wait")
    func ownReplies() throws {
        let trial = try EdgeTrial(
            settings: """
                routes:
                  - {recipients: nobody@flxw.de, reject: "550 5.1.1 No such user"}
                  - {recipients: later@flxw.de, reject: "450 4.2.1 Later"}
                  - {recipients: flxw.de, backends: ["127.0.0.1:2525"]}
                  - {recipients: down.example, backends: ["127.0.0.1:2529"]}
                timeouts: \(RelayUnderTest.hasty)
                limits: {connections: 2}
                """)
        let dialogue = try trial.greeted()
        try dialogue.say("MAIL FROM:<a@b.example>", gets: "250 2.0.0 OK")
        try dialogue.say("RCPT TO:<user@elsewhere.example>", gets: "550 5.7.1 Relaying denied")
        try dialogue.say("RCPT TO:<nobody@flxw.de>", gets: "550 5.1.1 No such user")
        try dialogue.say("RCPT TO:<later@flxw.de>", gets: "450 4.2.1 Later")
        try dialogue.say("RCPT TO:<user@down.example>", gets: "451 4.4.1")
        try dialogue.say("RCPT TO:<user@flxw.de>", gets: "250")
        // Over the limit of clients: told so, and to come again (RFC 5321 section 3.8).
        let second = try trial.greeted()
        let third = try SMTPDialogue(connecting: trial.network, port: trial.relay.port)
        try third.gets("421 4.3.2")
        try third.expectClosed()
        try second.quit()
        try dialogue.say("DATA", gets: "354")
        try dialogue.say(octets: "Subject: x\r\n\r\ny\r\n.\r\n", gets: "250 2.0.0 taken")
        try dialogue.quit()
        #expect(trial.commands == ["MAIL FROM:<a@b.example>", "RCPT TO:<user@flxw.de>", "DATA"])
    }

    @Test("68: a lookup that gives no verdict is 451 4.3.0, a backend that gives none 451 4.4.2")
    func noVerdict() async throws {
        let trial = try RelayTrial(asking: true, "timeouts: {connect: 1s, recipient: 2s, data: 2s, final-dot: 2s}")
        trial.lookup?.give(.close)
        let dialogue = try trial.relay.greeted()
        try dialogue.say("MAIL FROM:<a@b.example>", gets: "250")
        try dialogue.say("RCPT TO:<user@flxw.de>", gets: "451 4.3.0")
        trial.lookup?.give(ScriptedLookup.accepting)
        trial.backend.endConnections()
        var script = ScriptedBackend.Script()
        script.rcpt = .silence
        trial.backend.follow(script)
        try dialogue.say("RCPT TO:<user@flxw.de>", gets: "451 4.4.2")
        try dialogue.quit()
        try trial.expectUnharmed()
    }

    /// What a backend says to RCPT, and what the client hears.
    static let relayed: [(said: String, heard: [String])] = [
        ("250 2.1.5 fine", ["250 2.1.5 fine"]), ("250 fine", ["250 2.0.0 fine"]), ("250", ["250 2.0.0 "]),
        ("450 later", ["450 4.0.0 later"]), ("550 no", ["550 5.0.0 no"]), ("551 gone", ["551 5.0.0 gone"]),
        // A code of another class says nothing (RFC 2034 section 4).
        ("550 2.1.5 odd", ["550 5.0.0 odd"]), ("250 5.1.1 odd", ["250 2.0.0 odd"]),
        ("550 5.1 odd", ["550 5.0.0 5.1 odd"]),
        ("550 5.1.1", ["550 5.1.1 "]), ("550 5.999.999 far", ["550 5.999.999 far"]),
        ("550 5.1.1000 too far", ["550 5.0.0 5.1.1000 too far"]),
        ("550-5.1.1 one\r\n550-5.1.1 two\r\n550 5.1.1 three", ["550-5.1.1 one", "550-5.1.1 two", "550 5.1.1 three"]),
        ("550-one\r\n550 two", ["550-5.0.0 one", "550 5.0.0 two"]),
        ("251 2.1.5 will forward", ["251 2.1.5 will forward"]), ("252 2.1.5 cannot tell", ["252 2.1.5 cannot tell"]),
        ("551 5.1.6 try elsewhere", ["551 5.1.6 try elsewhere"]), ("421 4.3.2 busy", ["451 4.3.2 busy"]),
        ("521 5.3.2 no mail", ["521 5.3.2 no mail"]), ("556 5.1.10 null", ["556 5.1.10 null"]),
    ]

    @Test("69, 70: a backend's reply goes on, each line of it, with a code of its class")
    func relayed() throws {
        let trial = try RelayTrial()
        for greeting in ["EHLO x", "HELO x"] {
            for (said, heard) in Self.relayed {
                trial.backend.endConnections()
                var script = ScriptedBackend.Script()
                script.rcpt = .say(said)
                trial.backend.follow(script)
                let dialogue = try SMTPDialogue(trial.network, port: trial.relay.port)
                try dialogue.say(greeting, gets: "250")
                try dialogue.say("MAIL FROM:<a@b.example>", gets: "250")
                let reply = try dialogue.command("RCPT TO:<user@flxw.de>")
                #expect(reply.lines == heard, "\(said)")
                // Who was accepted by whatever code is a recipient.
                if said.hasPrefix("2") {
                    try dialogue.say("DATA", gets: "354")
                    try dialogue.say(octets: "Subject: x\r\n\r\ny\r\n.\r\n", gets: "250")
                } else {
                    try dialogue.say("DATA", gets: said.hasPrefix("421") ? "" : "554 5.5.1")
                }
                try dialogue.quit()
            }
        }
        try trial.expectUnharmed()
    }

    @Test("70: a code that the command cannot have is 451, and that connection is used no more")
    func impossible() throws {
        let trial = try RelayTrial("timeouts: \(RelayUnderTest.hasty)")
        enum Step: CaseIterable { case mail, rcpt, data, dot }
        let cases: [(Step, String)] = [
            (.mail, "354 go on"), (.mail, "334 go on"), (.rcpt, "354 go on"), (.rcpt, "334 go on"),
            (.data, "250 2.0.0 OK"),
            (.data, "220 hello"), (.dot, "354 go on"), (.dot, "334 what"), (.rcpt, "199 what"), (.rcpt, "600 what"),
        ]
        for (step, said) in cases {
            trial.backend.endConnections()
            let before = trial.backend.record.read { $0.sessions.count }
            var script = ScriptedBackend.Script()
            switch step {
            case .mail: script.mail = .say(said)
            case .rcpt: script.rcpt = .say(said)
            case .data: script.data = .say(said)
            case .dot: script.dot = .say(said)
            }
            trial.backend.follow(script)
            let dialogue = try trial.relay.greeted()
            try dialogue.say("MAIL FROM:<a@b.example>", gets: "250")
            var reply = try dialogue.command("RCPT TO:<user@flxw.de>")
            if step == .data || step == .dot { reply = try dialogue.command("DATA") }
            if step == .dot { reply = try dialogue.say(octets: "Subject: x\r\n\r\ny\r\n.\r\n", gets: "4") }
            #expect(reply.is(451, "4."), "\(step): \(said): \(reply)")
            // The next transaction has another connection: the one before is not what it was taken for.
            trial.backend.follow(ScriptedBackend.Script())
            try dialogue.say("RSET", gets: "250")
            try dialogue.deliver("Subject: next\r\n\r\ny")
            try dialogue.quit()
            let sessions = trial.backend.wait { $0.open == 0 }.sessions.dropFirst(before)
            #expect(sessions.count { $0.contains { $0.hasPrefix("MAIL") } } == 2, "\(step): \(said): \(sessions)")
            #expect(!sessions.joined().contains { $0.hasPrefix("Subject") }, "a message was read as commands")
        }
        try trial.expectUnharmed()
    }

    @Test("71: where there is no mail, the route says so: 556 5.1.10")
    func nullMX() throws {
        let trial = try EdgeTrial(
            settings: """
                routes:
                  - {recipients: [nomail.example, "*.nomail.example"], reject: null-mx}
                  - {recipients: "*", backends: ["127.0.0.1:2525"]}
                """)
        let dialogue = try trial.greeted()
        try dialogue.say("MAIL FROM:<a@b.example>", gets: "250")
        try dialogue.say("RCPT TO:<user@nomail.example>", gets: "556 5.1.10")
        try dialogue.say("RCPT TO:<user@sub.nomail.example>", gets: "556 5.1.10")
        try dialogue.say("DATA", gets: "554 5.5.1")
        // It fixes nothing, and the session goes on.
        try dialogue.say("RCPT TO:<user@flxw.de>", gets: "250")
        try dialogue.say("RCPT TO:<user@nomail.example>", gets: "556 5.1.10")
        try dialogue.say("DATA", gets: "354")
        try dialogue.say(octets: "Subject: x\r\n\r\ny\r\n.\r\n", gets: "250")
        try dialogue.quit()
        #expect(trial.messages(1).first?.forwardPaths == ["RCPT TO:<user@flxw.de>"])
    }

    @Test("72: a reply's text has no control characters, is ASCII unless SMTPUTF8 was asked for, and forges no line")
    func texts() throws {
        let trial = try RelayTrial()
        for (said, heard) in [
            ("550 5.1.1 a\u{7}b\u{1B}[2Jc\td", "550 5.1.1 a?b?[2Jc?d"), ("550 5.1.1 gr\u{FC}n", "550 5.1.1 gr"),
            ("550 5.1.1 a\rb", "550 5.1.1 a?b"), ("550 5.1.1 a\0b", "550 5.1.1 a?b"),
        ] {
            trial.backend.endConnections()
            var script = ScriptedBackend.Script()
            script.rcpt = .say(said)
            trial.backend.follow(script)
            let dialogue = try trial.relay.greeted()
            try dialogue.say("MAIL FROM:<a@b.example>", gets: "250")
            let reply = try dialogue.command("RCPT TO:<user@flxw.de>")
            #expect(reply.text.hasPrefix(heard), "\(reply)")
            #expect(reply.text.utf8.allSatisfy { (0x20...0x7E).contains($0) }, "\(reply)")
            #expect(reply.lines.count == 1)
            try dialogue.quit()
        }
        try trial.expectUnharmed()
    }

    @Test("72: a reply's text is UTF-8 where SMTPUTF8 was asked for, and only there")
    func internationalizedTexts() throws {
        var script = ScriptedBackend.Script()
        script.ehlo = everyExtension
        script.rcpt = .say("550 5.1.1 gr\u{FC}n")
        let trial = try EdgeTrial(script)
        try trial.learnt()
        let dialogue = try trial.greeted()
        try dialogue.say("MAIL FROM:<a@b.example> SMTPUTF8", gets: "250")
        try dialogue.say("RCPT TO:<user@flxw.de>", gets: "550 5.1.1 gr\u{FC}n")
        try dialogue.say("RSET", gets: "250")
        try dialogue.say("MAIL FROM:<a@b.example>", gets: "250")
        let reply = try dialogue.say("RCPT TO:<user@flxw.de>", gets: "550 5.1.1 gr")
        #expect(reply.text.utf8.allSatisfy { $0 < 0x80 }, "\(reply)")
        try dialogue.quit()
    }

    @Test("72: a reply names no backend, unless relay.yaml lets it pass", arguments: [true, false])
    func names(isMasked: Bool) throws {
        let trial = try RelayTrial(isMasked ? "" : "message: {replies: pass}")
        trial.backend.endConnections()
        var script = ScriptedBackend.Script()
        let said = "550 5.1.1 backend.example.org: no user@flxw.de here (127.0.0.1:2525, Backend.Example.Org)"
        script.rcpt = .say(said)
        script.dot = .say("250 2.0.0 backend.example.org has it as 4711")
        script.recipients = ["good@": .say("250 2.1.5 OK")]
        trial.backend.follow(script)
        let dialogue = try trial.relay.greeted()
        try dialogue.say("MAIL FROM:<a@b.example>", gets: "250")
        let reply = try dialogue.command("RCPT TO:<user@flxw.de>")
        try dialogue.say("RCPT TO:<good@flxw.de>", gets: "250 2.1.5 OK")
        try dialogue.say("DATA", gets: "354")
        let taken = try dialogue.say(octets: "Subject: x\r\n\r\ny\r\n.\r\n", gets: "250 2.0.0 ")
        try dialogue.quit()
        if isMasked {
            for secret in ["backend.example", "127.0.0.1", "2525"] {
                #expect(!reply.text.lowercased().contains(secret), "\(reply)")
                #expect(!taken.text.lowercased().contains(secret), "\(taken)")
            }
            #expect(
                reply.text.contains("no user@flxw.de here") && taken.text.contains("has it as 4711"),
                "\(reply); \(taken)")
        } else {
            #expect(reply.text == said && taken.text == "250 2.0.0 backend.example.org has it as 4711")
        }
        try trial.expectUnharmed()
    }
}
