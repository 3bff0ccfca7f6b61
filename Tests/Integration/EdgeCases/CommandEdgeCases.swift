import Foundation
import Testing

/// Section A of docs/edge-cases.md, the commands and replies: lines of any length and octets of any kind.
@Suite("Edge cases: lines", .works, .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct CommandEdgeCases {
    @Test("6: a command line over the limit is thrown away, answered once, and the session is in step")
    func longCommands() throws {
        let trial = try EdgeTrial()
        let dialogue = try trial.greeted()
        // 2,048 octets with CRLF are the most (RFC 5321 section 4.5.3.1.4 and what the extensions add to it).
        try dialogue.say("NOOP " + String(repeating: "x", count: 2041), gets: "250 2.0.0 OK")
        for length in [2042, 2043, 4096, 65_536, 1_000_000] {
            try dialogue.say("NOOP " + String(repeating: "x", count: length), gets: "500 5.5.2 Line too long")
            try dialogue.expectInStep()
        }
        // Whatever its octets look like, they are no commands.
        let hidden = String(repeating: "MAIL FROM:<evil@x.example>\r", count: 1000)
        try dialogue.say("NOOP " + hidden, gets: "500 5.5.2")
        try dialogue.say("RCPT TO:<user@flxw.de>", gets: "503 5.5.1")
        // And what comes behind it in the same segment is.
        try dialogue.send(bytes: Array(("NOOP " + String(repeating: "y", count: 3000) + "\r\nRSET\r\nNOOP\r\n").utf8))
        for reply in ["500 5.5.2", "250 2.0.0", "250 2.0.0"] { try dialogue.gets(reply) }
        try dialogue.deliver("Subject: x\r\n\r\ny")
        try dialogue.quit()
        #expect(trial.messages(1).count == 1)
    }

    @Test("6: each over-long line counts as one error")
    func longCommandsCount() throws {
        let trial = try EdgeTrial(.init(), "limits: {errors: 3}")
        let dialogue = try trial.greeted()
        let line = "NOOP " + String(repeating: "x", count: 100_000)
        try dialogue.say(line, gets: "500 5.5.2")
        try dialogue.say(line, gets: "500 5.5.2")
        try dialogue.say(line, gets: "421 4.7.0")
        try dialogue.expectClosed()
    }

    @Test("6, 8: a line that never ends takes neither memory nor the session: 100 MB of a command, 100 MB of a message")
    func endlessLines() throws {
        let trial = try RelayTrial("limits: {message-size: 50MB}")
        let block = [UInt8](repeating: UInt8(ascii: "x"), count: 1_000_000)
        let idle = try trial.relay.memory("VmRSS")
        try trial.relay.resetPeakMemory()
        let dialogue = try trial.relay.greeted()
        try dialogue.send(bytes: Array("NOOP ".utf8))
        for _ in 0..<100 { try dialogue.socket.send(block) }
        try dialogue.say("", gets: "500 5.5.2 Line too long")
        try dialogue.expectInStep()
        try dialogue.beginData()
        try dialogue.send(bytes: Array("Subject: x\r\n\r\n".utf8))
        for _ in 0..<100 { try dialogue.socket.send(block) }
        try dialogue.say(octets: "\r\n.\r\n", gets: "554 5.6.0 Line too long")
        try dialogue.expectInStep()
        try dialogue.quit()
        let grown = try trial.relay.memory("VmHWM") - idle
        #expect(grown <= 4096, "\(grown) kB more")
        #expect(trial.backend.record.read { $0.messages.count } == 1)
        try trial.expectUnharmed()
    }

    /// A reply of a backend's to RCPT, and what the client gets.
    struct Reply: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let sent: String
        let expected: String
        /// How many lines the client gets.
        var lines = 1
    }

    static let replies = [
        Reply(testDescription: "one line", sent: "550 5.1.1 no", expected: "550 5.1.1 no"),
        Reply(testDescription: "LF alone behind it", sent: "550 5.1.1 no\n250 2.0.0 more", expected: "5"),
        Reply(testDescription: "a code alone", sent: "550", expected: "550 5.0.0"),
        Reply(testDescription: "a code and a space", sent: "550 ", expected: "550 5.0.0"),
        Reply(testDescription: "two codes", sent: "550-5.1.1 no\r\n250 2.1.5 yes", expected: "451 4."),
        Reply(testDescription: "two codes of a class", sent: "550-5.1.1 no\r\n551 5.1.1 no", expected: "451 4."),
        Reply(
            testDescription: "five lines",
            sent: (1...4).map { "550-5.1.1 line \($0)\r\n" }.joined() + "550 5.1.1 end", expected: "550 5.1.1 end",
            lines: 5),
        Reply(
            testDescription: "a thousand lines",
            sent: String(repeating: "550-5.1.1 line\r\n", count: 1000) + "550 5.1.1 end", expected: "451 4."),
        Reply(
            testDescription: "1,500 octets in a line",
            sent: "550 5.1.1 " + String(repeating: "x", count: 1500), expected: "550 5.1.1 xxx", lines: 3),
        Reply(
            testDescription: "100,000 octets in a line",
            sent: "550 5.1.1 " + String(repeating: "x", count: 100_000), expected: "451 4."),
        Reply(testDescription: "a NUL", sent: "550 5.1.1 a\0b", expected: "550 5.1.1 a?b"),
        Reply(testDescription: "a code of two digits", sent: "55 no", expected: "451 4."),
        Reply(testDescription: "a code of four digits", sent: "5500 no", expected: "451 4."),
        Reply(testDescription: "code 150", sent: "150 what", expected: "451 4."),
        Reply(testDescription: "code 650", sent: "650 what", expected: "451 4."),
        Reply(testDescription: "an empty line", sent: "", expected: "451 4."),
        Reply(testDescription: "a tab behind the code", sent: "550\t5.1.1 no", expected: "451 4."),
        Reply(testDescription: "two replies at once", sent: "550 5.1.1 no\r\n250 2.1.5 yes", expected: "5"),
        Reply(testDescription: "a line without end, and no more", sent: "550-5.1.1 wait", expected: "451 4."),
    ]

    @Test("7: a backend's reply of any shape is told or is 451, and the session stays in step")
    func backendReplies() async throws {
        let trial = try RelayTrial("timeouts: \(RelayUnderTest.hasty)")
        try await waiting {
            for reply in Self.replies {
                trial.backend.endConnections()
                var script = ScriptedBackend.Script()
                script.recipients = ["bad@": .say(reply.sent)]
                trial.backend.follow(script)
                let dialogue = try trial.relay.greeted()
                try dialogue.say("MAIL FROM:<sender@example.org>", gets: "250 ")
                let answer = try dialogue.command("RCPT TO:<bad@flxw.de>")
                try check(answer.text.hasPrefix(reply.expected), "\(reply.testDescription): \(answer)")
                try check(answer.lines.count == reply.lines, "\(reply.testDescription): \(answer)")
                // RFC 5321 section 4.5.3.1.5: 512 octets, CRLF included.
                try check(answer.lines.allSatisfy { $0.utf8.count <= 510 }, "\(reply.testDescription)")
                // What came behind the reply is never the reply to the next command.
                let next = try dialogue.command("RCPT TO:<user@flxw.de>")
                try check(next.code == 250 || next.code == 451, "\(reply.testDescription): \(next)")
                try dialogue.expectInStep()
                try dialogue.quit()
            }
        }
        try trial.expectUnharmed()
    }

    @Test("9: octets over 127 and control characters in commands are refused, and cut nothing short")
    func octets() throws {
        let trial = try EdgeTrial()
        for line in [
            "NOOP a\0b", "NOOP \u{1}", "NOOP \u{7F}", "EHLO b\u{FC}cher.example", "NOOP \u{FC}",
            "MAIL FROM:<a\0@b.example>", "MAIL FROM:<a@b.example>\0", "MAIL\0FROM:<a@b.example>", "RSET\0",
            "\0RSET",
        ] {
            let dialogue = try trial.greeted()
            try dialogue.send(bytes: latin1(line) + [0x0D, 0x0A])
            try dialogue.gets("500 5.5.2")
            try dialogue.say("RCPT TO:<user@flxw.de>", gets: "503 5.5.1")
            try dialogue.quit()
        }
        let dialogue = try trial.greeted()
        try dialogue.say("MAIL FROM:<a@b.example>", gets: "250")
        try dialogue.say(octets: "RCPT TO:<user@flxw.de\0.evil.example>\r\n", gets: "500 5.5.2")
        try dialogue.say("DATA", gets: "503 5.5.1")
        try dialogue.quit()
        #expect(trial.commands == [])
    }

    @Test("9: an address that is not ASCII needs SMTPUTF8, which this backend has not got")
    func eightBitAddresses() throws {
        let trial = try EdgeTrial()
        let dialogue = try trial.greeted()
        try dialogue.say("MAIL FROM:<s\u{E4}nder@example.org>", gets: "5")
        try dialogue.say("MAIL FROM:<sender@example.org> SMTPUTF8", gets: "555 5.5.4")
        try dialogue.say("MAIL FROM:<sender@example.org>", gets: "250")
        try dialogue.say("RCPT TO:<\u{FC}ser@flxw.de>", gets: "5")
        try dialogue.say("RCPT TO:<user@flxw.de>", gets: "250")
        try dialogue.quit()
        #expect(trial.commands == ["MAIL FROM:<sender@example.org>", "RCPT TO:<user@flxw.de>"])
    }

    /// What is tolerated of MAIL and RCPT, what goes on then, and what is refused.
    static let tolerated: [(line: String, reply: String, passed: String?)] = [
        ("rcpt to:<user@flxw.de>", "250", "RCPT TO:<user@flxw.de>"),
        ("Rcpt To:<user@flxw.de>", "250", "RCPT TO:<user@flxw.de>"),
        ("RCPT TO: <user@flxw.de>", "250", "RCPT TO:<user@flxw.de>"),
        ("RCPT TO:   <user@flxw.de>", "250", "RCPT TO:<user@flxw.de>"),
        ("RCPT TO:\t<user@flxw.de>", "250", "RCPT TO:<user@flxw.de>"),
        ("RCPT   TO:<user@flxw.de>", "250", "RCPT TO:<user@flxw.de>"),
        ("RCPT\tTO:<user@flxw.de>", "250", "RCPT TO:<user@flxw.de>"),
        ("RCPT TO:<user@flxw.de>   ", "250", "RCPT TO:<user@flxw.de>"),
        ("RCPT TO:<user@flxw.de> \t", "250", "RCPT TO:<user@flxw.de>"),
        ("RCPT TO:user@flxw.de", "250", "RCPT TO:<user@flxw.de>"),
        ("RCPT TO: user@flxw.de", "250", "RCPT TO:<user@flxw.de>"),
        (" RCPT TO:<user@flxw.de>", "500 5.5.1", nil),
        ("RCPTTO:<user@flxw.de>", "500 5.5.1", nil),
        ("RCPT TO <user@flxw.de>", "501 5.5.4", nil),
        ("RCPT TO :<user@flxw.de>", "501 5.5.4", nil),
        ("RCPT <user@flxw.de>", "501 5.5.4", nil),
        ("RCPT FROM:<user@flxw.de>", "501 5.5.4", nil),
        ("RCPT TO:<user@flxw.de", "501 5.1.3", nil),
        ("RCPT TO:user@flxw.de>", "501 5.1.3", nil),
        ("RCPT TO:<<user@flxw.de>>", "501 5.1.3", nil),
        ("RCPT TO:<user@flxw.de>x", "501 5.1.3", nil),
        ("RCPT TO:<user@flxw.de> <other@flxw.de>", "501 5.5.4", nil),
        ("RCPT TO:< user@flxw.de >", "501 5.1.3", nil),
        ("RCPT TO:\"User\" <user@flxw.de>", "501 5.1.3", nil),
    ]

    @Test("10: spaces, tabs, lower case and missing brackets are tolerated where the field needs it, and nowhere else")
    func tolerance() throws {
        let trial = try EdgeTrial(.init(), "limits: {errors: 1000}")
        let dialogue = try trial.greeted()
        for (line, reply, passed) in Self.tolerated {
            try dialogue.say("RSET", gets: "250")
            try dialogue.say("mail from: <sender@example.org>  ", gets: "250")
            let before = trial.commands.count
            try dialogue.say(line, gets: reply)
            let sent = trial.commands.dropFirst(before).filter { $0.hasPrefix("RCPT") }
            #expect(sent == (passed.map { [$0] } ?? []), "\(line)")
        }
        for line in ["noop", "NoOp  ", "RSET ", "NOOP anything at all", "HELP MAIL", "rset\t", "vrfy user"] {
            try dialogue.say(line, gets: "2")
        }
        try dialogue.begin()
        try dialogue.say("data  ", gets: "354")
        try dialogue.say(octets: "Subject: x\r\n\r\ny\r\n.\r\n", gets: "250")
        try dialogue.say("quit ", gets: "221 2.0.0")
        try dialogue.expectClosed()
    }

    static let foreign: [(name: String, octets: String)] = [
        ("GET", "GET / HTTP/1.1\r\nHost: mail.flxw.de\r\n\r\n"),
        ("POST", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\nHELO x\r\nMAIL FROM:<evil@x.example>\r\n"),
        ("PUT", "PUT /x HTTP/1.0\r\n\r\nMAIL FROM:<evil@x.example>\r\n"),
        ("CONNECT", "CONNECT mail.flxw.de:25 HTTP/1.1\r\n\r\n"),
        ("OPTIONS", "OPTIONS * HTTP/1.1\r\n\r\n"),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("a ClientHello", "\u{16}\u{3}\u{1}\u{0}\u{5}\u{1}\u{0}\u{0}\u{1}\u{0}\r\n"),
    ]

    @Test("11: another protocol is told so once, whatever it goes on with", arguments: [false, true])
    func foreignProtocols(afterEHLO: Bool) throws {
        let trial = try EdgeTrial()
        for (name, octets) in Self.foreign {
            let dialogue =
                afterEHLO ? try trial.greeted() : try SMTPDialogue(trial.network, port: trial.relay.port)
            try dialogue.send(bytes: latin1(octets))
            let reply = try dialogue.reply()
            #expect(reply.code == 521 || reply.code == 554, "\(name): \(reply)")
            #expect(try dialogue.isClosed(), "\(name)")
        }
        #expect(trial.commands == [])
    }
}
