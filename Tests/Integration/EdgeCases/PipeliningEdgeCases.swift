import Foundation
import Testing

/// Section F of docs/edge-cases.md: commands in groups, here and behind.
@Suite(
    "Edge cases: pipelining", .works, .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct PipeliningEdgeCases {
    private static let smuggled = "MAIL FROM:<evil@x.example>\r\nRCPT TO:<victim@flxw.de>\r\n"

    @Test("51: who goes on behind EHLO or DATA without waiting is told 554, and no octet of it counts")
    func strict() throws {
        let trial = try RelayTrial()
        let early: [(octets: String, replies: [String])] = [
            ("EHLO x\r\n" + Self.smuggled, []), ("HELO x\r\nNOOP\r\n", []), ("NOOP\r\nEHLO x\r\nN", ["250 2.0.0 OK"]),
            ("EHLO x\r\n\r\n", []),
        ]
        for (octets, replies) in early {
            let dialogue = try SMTPDialogue(trial.network, port: trial.relay.port)
            try dialogue.send(bytes: Array(octets.utf8))
            for reply in replies { try dialogue.gets(reply) }
            try dialogue.gets("554 5.5.0")
            try dialogue.expectClosed()
        }
        for behind in ["Subject: early\r\n\r\nx\r\n.\r\n", "Q", "QUIT\r\n", ".\r\n" + Self.smuggled] {
            let dialogue = try trial.relay.greeted()
            try dialogue.send(
                bytes: Array("MAIL FROM:<a@b.example>\r\nRCPT TO:<user@flxw.de>\r\nDATA\r\n\(behind)".utf8))
            for reply in ["250 2.0.0", "250 2.1.5", "554 5.5.0"] { try dialogue.gets(reply) }
            try dialogue.expectClosed()
        }
        let record = trial.backend.wait { $0.open == 0 }
        #expect(record.messages.count == 1)
        #expect(!record.commands.contains { $0.contains("evil") })
        let seen = trial.relay.program.text.split(separator: "\n").filter { $0.contains(" early-input ") }
        #expect(seen.count == early.count + 4)
        try trial.expectUnharmed()
    }

    @Test("51: input that comes while DATA waits for the backend is early, too")
    func whileWaiting() throws {
        var script = ScriptedBackend.Script()
        script.data = .sayAfter(.seconds(1), "354 go on")
        let trial = try EdgeTrial(script)
        let dialogue = try trial.begun()
        try dialogue.send("DATA")
        _ = trial.backend.wait { $0.commands.last == "DATA" }
        try dialogue.send(bytes: Array("Subject: early\r\n\r\nx\r\n.\r\n".utf8))
        try dialogue.gets("554 5.5.0")
        try dialogue.expectClosed()
        let record = trial.backend.wait { $0.open == 0 }
        #expect(record.messages.isEmpty)
    }

    @Test("51: a listener may tolerate it; then the message is what comes behind DATA")
    func tolerant() throws {
        let trial = try EdgeTrial(.init(), listener: "pipelining: tolerant")
        let dialogue = try SMTPDialogue(trial.network, port: trial.relay.port)
        try dialogue.send(
            bytes: Array(
                """
                EHLO x\r
                MAIL FROM:<a@b.example>\r
                RCPT TO:<user@flxw.de>\r
                DATA\r
                Subject: all at once\r
                \r
                x\r
                .\r
                NOOP\r
                QUIT\r\n
                """.utf8))
        for reply in ["250 ", "250 2.0.0", "250 2.1.5", "354", "250 2.0.0 taken", "250 2.0.0 OK", "221 2.0.0"] {
            try dialogue.gets(reply)
        }
        try dialogue.expectClosed()
        #expect(
            trial.messages(1).map { String(decoding: $0.octets, as: UTF8.self) } == ["Subject: all at once\r\n\r\nx"])
    }

    @Test("52: the replies to a batch come in order and in one write")
    func oneWrite() throws {
        let trial = try EdgeTrial()
        let dialogue = try trial.greeted()
        let batches: [[(command: String, reply: String)]] = [
            (0..<30).map { [("NOOP", "250 2.0.0 OK"), ("VRFY x", "252 2.0.0"), ("HELP", "214 2.")][$0 % 3] },
            [
                ("MAIL FROM:<a@b.example>", "250 2.0.0 OK"), ("RCPT TO:<one@flxw.de>", "250 2.1.5"),
                ("RCPT TO:<>", "501 5.1.3"), ("RCPT TO:<two@flxw.de>", "250 2.1.5"), ("RSET", "250 2.0.0 OK"),
            ],
        ]
        for batch in batches {
            // (A machine that is busy may hold the backend up for so long that replies leave before: then once more.)
            var writes = 0
            for _ in 0..<10 where writes != 1 {
                try dialogue.send(bytes: Array(batch.map { $0.command + "\r\n" }.joined().utf8))
                writes = try self.receive(batch.map(\.reply), dialogue)
            }
            #expect(writes == 1)
        }
        try dialogue.quit()
    }

    /// Receives these replies, a line each, and counts the pieces that they came in.
    private func receive(_ replies: [String], _ dialogue: SMTPDialogue) throws -> Int {
        var octets: [UInt8] = []
        var pieces = 0
        while octets.count(where: { $0 == 0x0A }) < replies.count {
            guard let more = try dialogue.socket.receive(until: .now + .seconds(60)), !more.isEmpty else {
                throw dialogue.failure("replies are missing")
            }
            octets += more
            pieces += 1
        }
        let lines = String(decoding: octets, as: UTF8.self).split(separator: "\r\n")
        #expect(lines.count == replies.count, "\(lines)")
        for (line, reply) in zip(lines, replies) { #expect(line.hasPrefix(reply)) }
        return pieces
    }

    @Test("52: a reply that others wait behind does not wait for a slow recipient for ever")
    func heldReplies() async throws {
        var script = ScriptedBackend.Script()
        script.recipients = ["slow@": .sayAfter(.seconds(8), "250 2.1.5 at last")]
        let trial = try EdgeTrial(script)
        try await waiting {
            let dialogue = try trial.greeted()
            let asked = ContinuousClock.now
            try dialogue.send("MAIL FROM:<a@b.example>\r\nRCPT TO:<one@flxw.de>\r\nRCPT TO:<slow@flxw.de>\r\nNOOP")
            try dialogue.gets("250 2.0.0 OK")
            try dialogue.gets("250 2.1.5 OK")
            try check(ContinuousClock.now - asked < .seconds(7), "the replies were held")
            try dialogue.gets("250 2.1.5 at last")
            try dialogue.gets("250 2.0.0 OK")
            try dialogue.quit()
        }
    }

    @Test("53: a backend with PIPELINING gets MAIL and RCPT in one write, one without gets one command at a time")
    func backends() throws {
        for isPipelining in [true, false] {
            var script = ScriptedBackend.Script()
            if !isPipelining { script.ehlo = .say("250-backend.example.org\r\n250 8BITMIME") }
            // (What comes while the answer is being delayed was not asked for yet.)
            script.mail = .sayAfter(.milliseconds(200), "250 2.1.0 OK")
            script.rcpt = .sayAfter(.milliseconds(100), "250 2.1.5 OK")
            script.rset = .sayAfter(.milliseconds(100), "250 2.0.0 OK")
            let trial = try EdgeTrial(script)
            let dialogue = try trial.greeted()
            // The second transaction has a RSET in front: the first was given up.
            for rounds in 0..<2 {
                try dialogue.send("MAIL FROM:<a@b.example>\r\nRCPT TO:<one@flxw.de>\r\nRCPT TO:<two@flxw.de>\r\nNOOP")
                for reply in ["250 2.0.0", "250 2.1.5", "250 2.1.5", "250 2.0.0"] { try dialogue.gets(reply) }
                if rounds == 0 { try dialogue.say("RSET", gets: "250") }
            }
            try dialogue.say("DATA", gets: "354")
            try dialogue.say(octets: "Subject: x\r\n\r\ny\r\n.\r\n", gets: "250 2.0.0 taken")
            try dialogue.quit()
            let record = trial.backend.wait { $0.messages.count == 1 }
            #expect(isPipelining ? record.pipelined >= 2 : record.pipelined == 0, "\(record.pipelined)")
            let expected = ["MAIL FROM:<a@b.example>", "RCPT TO:<one@flxw.de>", "RCPT TO:<two@flxw.de>"]
            #expect(record.mailCommands == expected + ["RSET"] + expected + ["DATA"])
        }
    }

    @Test("53: recipients that came together go on together, and each has its own reply in its place")
    func recipients() throws {
        for isPipelining in [true, false] {
            var script = ScriptedBackend.Script()
            if !isPipelining { script.ehlo = .say("250-backend.example.org\r\n250 8BITMIME") }
            script.recipients = ["bad": .say("550 5.1.1 no such user"), "full": .say("452 4.2.2 full")]
            // (What comes while this answer is being delayed was not asked for yet, or is the whole batch.)
            script.mail = .sayAfter(.milliseconds(300), "250 2.1.0 OK")
            let trial = try EdgeTrial(script)
            let dialogue = try trial.greeted()
            let names = (0..<40).map {
                $0.isMultiple(of: 7) ? "bad\($0)" : $0.isMultiple(of: 5) ? "full\($0)" : "r\($0)"
            }
            let commands = names.map { "RCPT TO:<\($0)@flxw.de>" }
            let batch = "MAIL FROM:<a@b.example>\r\n" + commands.joined(separator: "\r\n") + "\r\nDATA\r\n"
            try dialogue.send(bytes: Array(batch.utf8))
            try dialogue.gets("250 2.0.0")
            for name in names {
                try dialogue.gets(
                    name.hasPrefix("bad") ? "550 5.1.1" : name.hasPrefix("full") ? "452 4.2.2" : "250 2.1.5")
            }
            try dialogue.gets("354")
            try dialogue.say(octets: "Subject: x\r\n\r\ny\r\n.\r\n", gets: "250 2.0.0 taken")
            try dialogue.quit()
            let record = trial.backend.wait { $0.messages.count == 1 }
            #expect(record.mailCommands == ["MAIL FROM:<a@b.example>"] + commands + ["DATA"])
            // Behind MAIL, and behind each recipient but the last, there was more already: or never.
            #expect(isPipelining ? record.pipelined >= 20 : record.pipelined == 0, "\(record.pipelined)")
        }
    }

    @Test(
        "53: a backend that leaves early has answered nothing of what is left: each of it is 451",
        arguments: [true, false])
    func early(isPipelining: Bool) throws {
        let trial = try RelayTrial("timeouts: \(RelayUnderTest.hasty)")
        for answer in [ScriptedBackend.Answer.close, .reset, .say("421 4.3.2 bye")] {
            trial.backend.endConnections()
            var script = ScriptedBackend.Script()
            if !isPipelining { script.ehlo = .say("250-backend.example.org\r\n250 8BITMIME") }
            script.recipients = ["two@": answer]
            trial.backend.follow(script)
            let dialogue = try trial.relay.greeted()
            let recipients = ["one", "two", "three", "four"].map { "RCPT TO:<\($0)@flxw.de>\r\n" }.joined()
            try dialogue.send(bytes: Array("MAIL FROM:<a@b.example>\r\n\(recipients)DATA\r\n".utf8))
            try dialogue.gets("250 2.0.0")
            let first = try dialogue.reply()
            if first.code == 250 {
                // It was accepted and is lost with the connection: so is whoever comes behind, and the message.
                for _ in 0..<4 { try dialogue.gets("451 4.") }
            } else {
                // A reset may take replies with it that had been sent, and those to a batch are sent together.
                guard case .reset = answer, isPipelining, first.is(451, "4.") else {
                    throw dialogue.failure("the first was answered")
                }
                for _ in 0..<3 { try dialogue.gets("451 4.") }
                try dialogue.gets("554 5.5.1")
            }
            try dialogue.expectInStep()
            try dialogue.say("RSET", gets: "250")
            try dialogue.quit()
        }
        #expect(trial.backend.record.read { $0.messages.count } == 1)
        try trial.expectUnharmed()
    }

    /// What begins something else than SMTP in clear, where it is offered.
    static let notOffered = [
        "STARTTLS", "starttls", "AUTH PLAIN", "AUTH PLAIN AGEAYg==", "AUTH LOGIN", "XCLIENT ADDR=192.0.2.1",
    ]

    @Test("54: nothing behind a STARTTLS, an AUTH or an XCLIENT that is not offered is anything but commands")
    func behindNotOffered() throws {
        let trial = try EdgeTrial(.init(), "limits: {errors: 100}", listener: "pipelining: tolerant")
        let dialogue = try trial.greeted()
        for line in Self.notOffered {
            try dialogue.send(bytes: Array((line + "\r\nMAIL FROM:<a@b.example>\r\nRSET\r\n").utf8))
            for reply in ["502 5.5.1", "250 2.0.0 OK", "250 2.0.0 OK"] { try dialogue.gets(reply) }
        }
        let keywords = try dialogue.command("EHLO x").keywords
        #expect(!keywords.contains { $0.hasPrefix("STARTTLS") || $0.hasPrefix("AUTH") || $0.hasPrefix("XCLIENT") })
        // A ClientHello is no command, whatever stands before it.
        try dialogue.say("STARTTLS", gets: "502 5.5.1")
        try dialogue.send(bytes: latin1("\u{16}\u{3}\u{1}\u{0}\u{5}\u{1}\u{0}\u{0}\u{1}\u{0}\r\n"))
        try dialogue.gets("5")
        try dialogue.expectClosed()
        #expect(trial.commands == [])
    }

    @Test("54: who does not wait for the answer to STARTTLS or AUTH is told 554, offered or not")
    func notWaiting() throws {
        let trial = try EdgeTrial()
        for line in Self.notOffered where !line.hasPrefix("X") {
            let dialogue = try trial.greeted()
            try dialogue.say(line, gets: "502 5.5.1")
            try dialogue.say("MAIL FROM:<a@b.example>", gets: "250")
            try dialogue.send(bytes: Array((line + "\r\nRCPT TO:<victim@flxw.de>\r\n").utf8))
            try dialogue.gets("554 5.5.0")
            try dialogue.expectClosed()
        }
        #expect(trial.commands == [])
    }

    @Test("54: what a backend says without being asked is the answer to nothing")
    func injectedReplies() throws {
        let trial = try RelayTrial("timeouts: \(RelayUnderTest.hasty)")
        let more = "\r\n250 2.1.5 injected\r\n250 2.1.5 injected\r\n354 injected\r\n250 2.0.0 injected"
        for step in 0..<4 {
            trial.backend.endConnections()
            var script = ScriptedBackend.Script()
            script.rcpt = .say("550 5.1.1 no")
            switch step {
            case 0: script.greeting = .say("220 backend.example.org" + more)
            case 1: script.ehlo = .say("250-backend.example.org\r\n250 PIPELINING" + more)
            case 2: script.mail = .say("250 2.1.0 OK" + more)
            default: script.rcpt = .say("550 5.1.1 no" + more)
            }
            trial.backend.follow(script)
            let dialogue = try trial.relay.greeted()
            try dialogue.say("MAIL FROM:<a@b.example>", gets: "250")
            // Where MAIL and RCPT went out together, the first 250 behind MAIL's may be RCPT's own: but no other.
            let first = try dialogue.command("RCPT TO:<user@flxw.de>")
            #expect(step == 2 || first.code == 451 || (step == 3 && first.code == 550), "\(step): \(first)")
            let second = try dialogue.command("RCPT TO:<other@flxw.de>")
            #expect(second.code == 451 || second.code == 550, "\(step): \(second)")
            #expect(try dialogue.command("DATA").code >= 400)
            try dialogue.expectInStep()
            try dialogue.quit()
        }
        #expect(trial.backend.record.read { $0.messages.count } == 1)
        try trial.expectUnharmed()
    }
}
