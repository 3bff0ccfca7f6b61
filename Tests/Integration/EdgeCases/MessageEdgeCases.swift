import Foundation
import Testing

/// Section E of docs/edge-cases.md: messages and who has them, when somebody refuses, leaves or is slow.
@Suite("Edge cases: messages", .works, .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct MessageEdgeCases {
    @Test("40: 354 is the backend's, and so is its refusal of DATA")
    func readiness() throws {
        for refusal in ["451 4.3.1 not now", "554 5.7.1 never", "552 5.3.4 too big", "503 no"] {
            var script = ScriptedBackend.Script()
            script.data = .say(refusal)
            let trial = try EdgeTrial(script)
            let dialogue = try trial.begun()
            let expected = refusal == "503 no" ? "503 5.0.0 no" : refusal
            try dialogue.say("DATA", gets: expected)
            // No message came, so what comes next is a command, and the transaction is open.
            try dialogue.expectInStep()
            try dialogue.say("DATA", gets: expected)
            try dialogue.say(octets: "BDAT 6\r\nQUIT\r\n", gets: expected)
            try dialogue.say(octets: "BDAT 6 LAST\r\nQUIT\r\n", gets: expected)
            try dialogue.expectInStep()
            try dialogue.quit()
            #expect(trial.messages(0).isEmpty)
        }
    }

    @Test("40: 354 does not come before the backend's, and nor does the answer to the first chunk")
    func noEarlyReadiness() throws {
        var script = ScriptedBackend.Script()
        script.data = .sayAfter(.seconds(1), "354 at last")
        let trial = try EdgeTrial(script)
        let dialogue = try trial.begun()
        var asked = ContinuousClock.now
        try dialogue.say("DATA", gets: "354")
        #expect(ContinuousClock.now - asked >= .milliseconds(950))
        try dialogue.say(octets: "Subject: x\r\n\r\ny\r\n.\r\n", gets: "250")
        try dialogue.begin()
        asked = .now
        try dialogue.say(octets: "BDAT 5\r\nsmall", gets: "250 2.0.0")
        #expect(ContinuousClock.now - asked >= .milliseconds(950))
        try dialogue.say("BDAT 0 LAST", gets: "250 2.0.0 taken")
        try dialogue.quit()
        #expect(trial.messages(2).count == 2)
    }

    @Test("41: a message refused at its end never ends at the backend", arguments: [false, true])
    func heldBack(chunked: Bool) throws {
        let trial = try RelayTrial("limits: {message-size: 64KiB}")
        let refused: [(content: String, reply: String)] = [
            (
                "Subject: big\r\n\r\n" + String(repeating: String(repeating: "x", count: 98) + "\r\n", count: 700),
                "552 5.3.4"
            ),
            (String(repeating: "Received: from a by b; x\r\n", count: 101) + "Subject: loop\r\n\r\nx\r\n", "554 5.4.6"),
            (String(repeating: "received :x\r\n", count: 150) + "\r\nx\r\n", "554 5.4.6"),
        ]
        let dialogue = try trial.relay.greeted()
        for (content, reply) in refused {
            if chunked {
                try dialogue.begin()
                try dialogue.say(octets: "BDAT \(content.utf8.count) LAST\r\n" + content, gets: reply)
            } else {
                try dialogue.beginData()
                try dialogue.say(octets: content + ".\r\n", gets: reply)
            }
            try dialogue.expectInStep()
        }
        // In the body Received is a word like any other.
        try dialogue.deliver("Subject: x\r\n\r\n" + String(repeating: "Received: from a by b\r\n", count: 200))
        try dialogue.quit()
        let record = trial.backend.wait { $0.truncated == 3 }
        #expect(record.truncated == 3 && record.messages.count == 2)
        try trial.expectUnharmed()
    }

    /// A message of so many octets (RFC 1870 section 5), its last CRLF included; in lines of `line` octets.
    private static func message(octets: Int, line: Int = 64, leadingDots: Bool = false) -> String {
        var lines = ["Subject: size", ""]
        var left = octets - 17
        while left > 0 {
            let length = left < line + 3 ? left : line
            let text = String(repeating: "y", count: length - 2)
            lines.append(leadingDots ? ".." + text.dropFirst() : text)
            left -= length
        }
        return lines.joined(separator: "\r\n")
    }

    @Test("42: SIZE is refused where it is declared, and counted where it is not: line ends yes, stuffing no")
    func size() throws {
        let trial = try EdgeTrial(.init(), "limits: {message-size: 64KiB}")
        let dialogue = try trial.greeted()
        #expect(try dialogue.command("EHLO x").keywords.contains("SIZE 65536"))
        for size in ["65537", "99999999999", "18446744073709551616", "99999999999999999999"] {
            try dialogue.say("MAIL FROM:<a@b.example> SIZE=\(size)", gets: "552 5.3.4")
        }
        // No transaction was begun by these.
        try dialogue.say("RCPT TO:<user@flxw.de>", gets: "503 5.5.1")
        try dialogue.say("MAIL FROM:<a@b.example> SIZE=65536", gets: "250")
        try dialogue.say("RSET", gets: "250")

        try dialogue.deliver(Self.message(octets: 65_536))
        try dialogue.deliver(Self.message(octets: 65_537), gets: "552 5.3.4")
        try dialogue.deliver(Self.message(octets: 65_536, leadingDots: true))
        try dialogue.deliver(Self.message(octets: 65_537, leadingDots: true), gets: "552 5.3.4")
        // Declared small, and big: refused at its end.
        try dialogue.say("MAIL FROM:<a@b.example> SIZE=100", gets: "250")
        try dialogue.say("RCPT TO:<user@flxw.de>", gets: "250")
        try dialogue.say("DATA", gets: "354")
        try dialogue.say(octets: Self.message(octets: 130_000) + "\r\n.\r\n", gets: "552 5.3.4")
        try dialogue.expectInStep()
        // Far beyond the limit nobody reads on.
        try dialogue.beginData()
        try dialogue.say(octets: Self.message(octets: 1_500_000), gets: "552 5.3.4")
        try dialogue.expectClosed()
        let record = trial.backend.wait { $0.truncated == 4 }
        #expect(record.truncated == 4 && record.messages.count == 2)
        #expect(record.messages.first?.octets.count == 65_534)
    }

    @Test("42: what the backend is told of the size is what it gets, the relay's own field included")
    func declaredOn() throws {
        var script = ScriptedBackend.Script()
        script.ehlo = everyExtension
        for received in ["on", "off"] {
            let trial = try EdgeTrial(script, "message: {received: \(received)}")
            let dialogue = try trial.greeted()
            let content = Self.message(octets: 5000)
            try dialogue.say("MAIL FROM:<a@b.example> SIZE=5000", gets: "250")
            try dialogue.say("RCPT TO:<user@flxw.de>", gets: "250")
            try dialogue.say("DATA", gets: "354")
            try dialogue.say(octets: content + "\r\n.\r\n", gets: "250")
            try dialogue.quit()
            let message = try #require(trial.messages(1).first)
            let declared = message.reversePath.split(separator: " ").first { $0.hasPrefix("SIZE=") }
            let size = try #require(declared.flatMap { Int($0.dropFirst(5)) })
            #expect(size >= message.wire.count + 2, "\(message.reversePath), \(message.wire.count + 2) octets")
            #expect(received == "on" || size == 5000, "\(message.reversePath)")
            #expect((received == "on") == (message.wire.count > 4998))
        }
    }

    @Test("42: a group's smaller limit is for its recipients: 552 at RCPT, or at the end")
    func groupSize() throws {
        let trial = try EdgeTrial(
            settings: """
                groups:
                  small: {backends: ["127.0.0.1:2525"], message: {size: 70000}}
                  large: {backends: ["127.0.0.1:2527"]}
                routes:
                  - {recipients: small.example, group: small}
                  - {recipients: large.example, group: large}
                """)
        let large = try ScriptedBackend(trial.network, port: 2527)
        let dialogue = try trial.greeted()
        try dialogue.say("MAIL FROM:<a@b.example> SIZE=100000", gets: "250")
        try dialogue.say("RCPT TO:<user@small.example>", gets: "552 5.3.4")
        try dialogue.say("RCPT TO:<user@large.example>", gets: "250")
        try dialogue.say("DATA", gets: "354")
        try dialogue.say(octets: Self.message(octets: 100_000) + "\r\n.\r\n", gets: "250")
        try dialogue.beginData("user@small.example")
        try dialogue.say(octets: Self.message(octets: 100_000) + "\r\n.\r\n", gets: "552 5.3.4")
        try dialogue.beginData("user@small.example")
        try dialogue.say(octets: Self.message(octets: 70_000) + "\r\n.\r\n", gets: "250")
        try dialogue.quit()
        #expect(trial.messages(1).count == 1)
        #expect(large.wait { $0.messages.count == 1 }.messages.count == 1)
    }

    @Test("45: 8BITMIME at a backend that has it not: the message goes as it is, without BODY")
    func eightBit() throws {
        var script = ScriptedBackend.Script()
        script.ehlo = .say("250-backend.example.org\r\n250 PIPELINING")
        let trial = try EdgeTrial(script)
        let dialogue = try trial.greeted()
        for body in ["8BITMIME", "7BIT", "8bitmime"] {
            try dialogue.say("MAIL FROM:<a@b.example> BODY=\(body)", gets: "250")
            try dialogue.say("RCPT TO:<user@flxw.de>", gets: "250")
            try dialogue.say("DATA", gets: "354")
            try dialogue.say(octets: "Subject: gr\u{FC}n\r\n\r\n\u{1F4E8}\r\n.\r\n", gets: "250")
        }
        try dialogue.quit()
        let messages = trial.messages(3)
        #expect(messages.map(\.reversePath) == Array(repeating: "MAIL FROM:<a@b.example>", count: 3))
        #expect(messages.allSatisfy { $0.octets == Array("Subject: gr\u{FC}n\r\n\r\n\u{1F4E8}".utf8) })
    }

    @Test("45: or it is refused at RCPT, where the group says so")
    func eightBitRefused() throws {
        var script = ScriptedBackend.Script()
        script.ehlo = .say("250-backend.example.org\r\n250 PIPELINING")
        let trial = try EdgeTrial(script, "message: {eight-bit: refuse}")
        let dialogue = try trial.greeted()
        try dialogue.say("MAIL FROM:<a@b.example> BODY=8BITMIME", gets: "250")
        try dialogue.say("RCPT TO:<user@flxw.de>", gets: "554 5.6.3")
        try dialogue.say("RSET", gets: "250")
        try dialogue.say("MAIL FROM:<a@b.example> BODY=7BIT", gets: "250")
        try dialogue.say("RCPT TO:<user@flxw.de>", gets: "250")
        try dialogue.quit()
        #expect(trial.commands.filter { $0.hasPrefix("MAIL") } == ["MAIL FROM:<a@b.example>"])
    }
}
