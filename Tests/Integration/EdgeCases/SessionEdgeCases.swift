import Foundation
import Testing

/// Section B of docs/edge-cases.md: which command may come when, and what it is answered.
@Suite(
    "Edge cases: the session", .works, .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct SessionEdgeCases {
    @Test("15: MAIL wants HELO or EHLO before it; HELO takes away what EHLO offered; EHLO ends a transaction")
    func hello() throws {
        let trial = try EdgeTrial()
        let dialogue = try SMTPDialogue(trial.network, port: trial.relay.port)
        try dialogue.say("MAIL FROM:<sender@example.org>", gets: "503 5.5.1")
        #expect(try dialogue.command("HELO client.example.org").lines == ["250 mail.flxw.de"])
        try dialogue.say("MAIL FROM:<sender@example.org> SIZE=1000", gets: "555 5.5.4")
        try dialogue.say("MAIL FROM:<sender@example.org> BODY=8BITMIME", gets: "555 5.5.4")
        try dialogue.begin()
        try dialogue.say(octets: "BDAT 4 LAST\r\nQUIT", gets: "503 5.5.1")
        try dialogue.expectInStep()

        let extended = try dialogue.command("EHLO client.example.org")
        #expect(extended.keywords.first == "mail.flxw.de")
        #expect(Set(extended.keywords).isSuperset(of: ["PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "CHUNKING"]))
        #expect(extended.keywords.contains { $0.hasPrefix("SIZE ") })
        // It was RSET as well (RFC 5321 section 4.1.4).
        try dialogue.say("RCPT TO:<user@flxw.de>", gets: "503 5.5.1")
        try dialogue.say("MAIL FROM:<second@example.org> SIZE=1000 BODY=8BITMIME", gets: "250 2.0.0")
        try dialogue.say("HELO again.example.org", gets: "250")
        try dialogue.say("DATA", gets: "503 5.5.1")
        try dialogue.deliver("Subject: x\r\n\r\ny")
        try dialogue.quit()
        let message = try #require(trial.messages(1).first)
        #expect(message.reversePath.hasPrefix("MAIL FROM:<sender@example.org>"))
        #expect(message.forwardPaths == ["RCPT TO:<user@flxw.de>"])
    }

    @Test("15: a name in EHLO is taken as it is, and none is 501")
    func names() throws {
        let trial = try EdgeTrial(.init(), "limits: {errors: 100}")
        let dialogue = try SMTPDialogue(trial.network, port: trial.relay.port)
        for line in ["EHLO", "HELO", "EHLO  ", "EHLO two words", "EHLO " + String(repeating: "x", count: 256)] {
            try dialogue.say(line, gets: "501 5.5.4")
        }
        try dialogue.say("MAIL FROM:<sender@example.org>", gets: "503 5.5.1")
        for name in ["localhost", "[192.0.2.1]", "[IPv6:2001:db8::1]", "under_score", "-", "x.", "WIN-1", "*"] {
            try dialogue.say("EHLO " + name, gets: "250 ")
            try dialogue.say("HELO " + name, gets: "250 mail.flxw.de")
            try dialogue.say("MAIL FROM:<sender@example.org>", gets: "250 2.0.0")
        }
        try dialogue.quit()
    }

    @Test("15: a listener may do without HELO and EHLO")
    func withoutHello() throws {
        let trial = try EdgeTrial(.init(), listener: "hello: optional")
        let dialogue = try SMTPDialogue(trial.network, port: trial.relay.port)
        try dialogue.deliver("Subject: x\r\n\r\ny")
        try dialogue.quit()
        #expect(trial.messages(1).count == 1)
    }

    @Test("16: RSET comes at any time and any number of times; the transaction is gone, here and behind")
    func reset() throws {
        let trial = try EdgeTrial()
        let dialogue = try SMTPDialogue(trial.network, port: trial.relay.port)
        let reset = { _ = try dialogue.say("RSET", gets: "250 2.0.0 OK") }
        try reset()
        try dialogue.say("EHLO client.example.org", gets: "250 ")
        try reset()
        try reset()
        try dialogue.say("MAIL FROM:<first@example.org>", gets: "250")
        try reset()
        try dialogue.say("RCPT TO:<first@flxw.de>", gets: "503 5.5.1")
        try dialogue.say("MAIL FROM:<second@example.org>", gets: "250")
        try dialogue.say("RCPT TO:<second@flxw.de>", gets: "250")
        try reset()
        try reset()
        try dialogue.say("DATA", gets: "503 5.5.1")
        // EHLO still counts.
        try dialogue.say("MAIL FROM:<third@example.org> SIZE=100", gets: "250")
        try dialogue.say("RCPT TO:<third@flxw.de>", gets: "250")
        // Between chunks, too.
        try dialogue.say(octets: "BDAT 5\r\nsmall", gets: "250 2.0.0")
        try reset()
        try dialogue.say(octets: "BDAT 5 LAST\r\nsmall", gets: "503 5.5.1")
        try dialogue.say("MAIL FROM:<fourth@example.org>", gets: "250")
        try dialogue.say("RCPT TO:<fourth@flxw.de>", gets: "250")
        try dialogue.say("DATA", gets: "354")
        try dialogue.say(octets: "Subject: x\r\n\r\ny\r\n.\r\n", gets: "250")
        try reset()
        try dialogue.quit()
        let record = trial.backend.wait { $0.messages.count == 1 }
        #expect(record.messages.map(\.reversePath) == ["MAIL FROM:<fourth@example.org>"])
        #expect(record.messages.first?.forwardPaths == ["RCPT TO:<fourth@flxw.de>"])
        // No backend heard of a second MAIL before RSET, on the same connection.
        for session in record.mailSessions {
            var isOpen = false
            for command in session {
                if command.hasPrefix("MAIL") {
                    #expect(!isOpen, "\(session)")
                    isOpen = true
                } else if command == "RSET" || command == "DATA" {
                    isOpen = false
                }
            }
        }
    }

    /// What each verb outside of a transaction's way is answered, at any time.
    static let verbs: [(line: String, reply: String)] = [
        ("NOOP", "250 2.0.0 OK"), ("NOOP with words", "250 2.0.0 OK"), ("noop", "250 2.0.0 OK"), ("HELP", "214 2."),
        ("HELP MAIL", "214 2."), ("VRFY user", "252 2.0.0"), ("VRFY nobody@elsewhere.example", "252 2.0.0"),
        ("EXPN staff", "502 5.5.1"), ("ETRN example.org", "502 5.5.1"), ("TURN", "502 5.5.1"),
        ("SEND FROM:<a@b.example>", "502 5.5.1"), ("SOML FROM:<a@b.example>", "502 5.5.1"),
        ("SAML FROM:<a@b.example>", "502 5.5.1"), ("AUTH PLAIN AGEAYg==", "502 5.5.1"), ("STARTTLS", "502 5.5.1"),
        ("XCLIENT ADDR=192.0.2.1", "502 5.5.1"), ("XFORWARD NAME=x", "502 5.5.1"), ("FROBNICATE", "500 5.5.1"),
        ("MAILFROM:<a@b.example>", "500 5.5.1"), ("250 OK", "500 5.5.1"), ("", "500 5.5."), (".", "500 5.5.1"),
    ]

    @Test("17: NOOP, HELP, VRFY and EXPN at any time; verbs that are not served are 502, unknown ones 500")
    func verbs() throws {
        let trial = try EdgeTrial(.init(), "limits: {errors: 1000}")
        let dialogue = try SMTPDialogue(trial.network, port: trial.relay.port)
        let all = { for (line, reply) in Self.verbs { try dialogue.say(line, gets: reply) } }
        try all()
        try dialogue.say("EHLO client.example.org", gets: "250 ")
        try all()
        try dialogue.say("MAIL FROM:<sender@example.org>", gets: "250")
        try all()
        try dialogue.say("RCPT TO:<user@flxw.de>", gets: "250")
        try all()
        // The transaction is as it was.
        try dialogue.say("DATA", gets: "354")
        try dialogue.say(octets: "Subject: x\r\n\r\ny\r\n.\r\n", gets: "250 2.0.0 taken")
        try dialogue.quit()
        #expect(trial.messages(1).map(\.forwardPaths) == [["RCPT TO:<user@flxw.de>"]])
        #expect(trial.commands == ["MAIL FROM:<sender@example.org>", "RCPT TO:<user@flxw.de>", "DATA"])
    }

    @Test("18: QUIT is 221 and the end, wherever it comes, and nothing behind it counts")
    func quit() throws {
        let trial = try EdgeTrial()
        let early = try SMTPDialogue(trial.network, port: trial.relay.port)
        try early.quit()
        for commands in [[], ["MAIL FROM:<a@b.example>"], ["MAIL FROM:<a@b.example>", "RCPT TO:<user@flxw.de>"]] {
            let dialogue = try trial.greeted()
            for command in commands { try dialogue.say(command, gets: "250") }
            try dialogue.send(bytes: Array("QUIT\r\nNOOP\r\nMAIL FROM:<evil@x.example>\r\nDATA\r\n".utf8))
            try dialogue.gets("221 2.0.0 Bye")
            try dialogue.expectClosed()
        }
        let chunks = try trial.begun()
        try chunks.say(octets: "BDAT 3\r\nabc", gets: "250 2.0.0")
        try chunks.quit()
        // Its message is no message: the connection to the backend ends without the dot.
        let record = trial.backend.wait { $0.open == 0 && $0.truncated == 1 }
        #expect(record.messages.isEmpty && record.truncated == 1)
        #expect(!record.commands.contains { $0.contains("evil") })
    }

    @Test("18: who leaves behind the 250 without QUIT has sent its message", arguments: [false, true])
    func leavesWithoutQuit(reset: Bool) throws {
        let trial = try RelayTrial()
        try Self.send(trial, reset: reset)
        #expect(trial.backend.wait { $0.messages.count == 2 }.messages.count == 2)
        try trial.expectUnharmed()
    }

    /// In a function of its own: the connection ends with it.
    private static func send(_ trial: RelayTrial, reset: Bool) throws {
        let dialogue = try trial.relay.greeted()
        if reset { dialogue.socket.resetOnClose() }
        try dialogue.deliver("Subject: x\r\n\r\ny")
    }

    @Test("19: commands out of order are 503 and change nothing")
    func order() throws {
        var script = ScriptedBackend.Script()
        script.recipients = ["nobody@": .say("550 5.1.1 no such user")]
        let trial = try EdgeTrial(script)
        let dialogue = try trial.greeted()
        try dialogue.say("RCPT TO:<user@flxw.de>", gets: "503 5.5.1 Bad sequence of commands")
        try dialogue.say("DATA", gets: "503 5.5.1")
        try dialogue.say("MAIL FROM:<first@example.org>", gets: "250")
        try dialogue.say("DATA", gets: "503 5.5.1")
        try dialogue.say("MAIL FROM:<second@example.org>", gets: "503 5.5.1")
        // With every recipient refused there is nobody to send to (RFC 5321 section 3.3).
        try dialogue.say("RCPT TO:<nobody@flxw.de>", gets: "550 5.1.1 no such user")
        try dialogue.say("DATA", gets: "554 5.5.1 No valid recipients")
        try dialogue.say("MAIL FROM:<third@example.org>", gets: "503 5.5.1")
        try dialogue.say("RCPT TO:<user@flxw.de>", gets: "250")
        try dialogue.say("MAIL FROM:<fourth@example.org>", gets: "503 5.5.1")
        try dialogue.say("DATA", gets: "354")
        try dialogue.say(octets: "Subject: x\r\n\r\ny\r\n.\r\n", gets: "250")
        try dialogue.say("RCPT TO:<user@flxw.de>", gets: "503 5.5.1")
        try dialogue.say("DATA", gets: "503 5.5.1")
        try dialogue.quit()
        #expect(trial.messages(1).map(\.reversePath) == ["MAIL FROM:<first@example.org>"])
    }

    static let twoGroups = """
        groups:
          one: {backends: ["127.0.0.1:2525"]}
          two: {backends: ["127.0.0.1:2527"]}
        routes:
          - {recipients: one.example, group: one}
          - {recipients: two.example, group: two}
        """

    @Test("20: each transaction of a session is routed anew")
    func routedAnew() throws {
        let trial = try EdgeTrial(settings: Self.twoGroups)
        let second = try ScriptedBackend(trial.network, port: 2527)
        let dialogue = try trial.greeted()
        let domains = ["one", "two", "two", "one", "two", "one", "one"]
        for (number, domain) in domains.enumerated() {
            try dialogue.beginData("user\(number)@\(domain).example")
            try dialogue.say(octets: "Subject: \(number)\r\n\r\nx\r\n.\r\n", gets: "250 2.0.0 taken")
        }
        try dialogue.quit()
        let first = trial.messages(4)
        #expect(first.flatMap(\.forwardPaths) == [0, 3, 5, 6].map { "RCPT TO:<user\($0)@one.example>" })
        let others = second.wait { $0.messages.count == 3 }.messages
        #expect(others.flatMap(\.forwardPaths) == [1, 2, 4].map { "RCPT TO:<user\($0)@two.example>" })
        #expect(
            others.map { String(decoding: $0.octets.prefix(10), as: UTF8.self) } == [1, 2, 4].map { "Subject: \($0)" })
    }

    @Test("20: over the limit of transactions a session is told to come again")
    func transactions() throws {
        let trial = try EdgeTrial(.init(), "limits: {transactions: 2}")
        let dialogue = try trial.greeted()
        try dialogue.deliver("Subject: 1\r\n\r\nx")
        try dialogue.say("MAIL FROM:<sender@example.org>", gets: "250")
        try dialogue.say("RSET", gets: "250")
        try dialogue.say("MAIL FROM:<sender@example.org>", gets: "421 4.7.0")
        try dialogue.expectClosed()
        try trial.greeted().deliver("Subject: 2\r\n\r\nx")
        #expect(trial.messages(2).count == 2)
    }
}
