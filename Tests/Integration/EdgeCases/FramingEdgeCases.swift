import Foundation
import Testing

/// Section A of docs/edge-cases.md, the messages: what ends a line and what ends a message.
@Suite("Edge cases: framing", .works, .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct FramingEdgeCases {
    /// What bare line ends of a message become.
    struct LineEnds: Sendable, CustomTestStringConvertible {
        var testDescription: String { self.policy }
        let policy: String
        let reply: String
        /// What the backend gets of ``sent``; nil: nothing that it may deliver.
        let passed: String?

        static let sent = "Subject: x\n\r\none\ntwo\rthree\r\rfour\n\r\nfive"
        static let all = [
            LineEnds(policy: "", reply: "250 2.0.0 taken", passed: normalized),
            LineEnds(policy: "bare-line-ends: normalize", reply: "250 2.0.0 taken", passed: normalized),
            LineEnds(policy: "bare-line-ends: pass", reply: "250 2.0.0 taken", passed: sent),
            LineEnds(policy: "bare-line-ends: reject", reply: "554 5.6.0 Bare CR or LF in message", passed: nil),
        ]
        static let normalized = "Subject: x\r\n\r\none\r\ntwo three  four\r\n\r\nfive"
    }

    @Test("1: bare CR and LF of a message are normalised, refused or passed", arguments: LineEnds.all)
    func bareLineEnds(_ lineEnds: LineEnds) throws {
        let trial = try EdgeTrial(.init(), lineEnds.policy.isEmpty ? "" : "message: {\(lineEnds.policy)}")
        let dialogue = try trial.greeted()
        try dialogue.deliver(LineEnds.sent, gets: lineEnds.reply)
        try dialogue.expectInStep()
        try dialogue.quit()
        guard let passed = lineEnds.passed else {
            let record = trial.backend.wait { $0.truncated == 1 }
            #expect(record.truncated == 1 && record.messages.isEmpty)
            return
        }
        #expect(trial.messages(1).map(\.octets) == [Array(passed.utf8)])
        // Who mends a message says so: its signature may be broken.
        _ = try trial.relay.program.line {
            $0.contains(" delivered ") && $0.contains(" bare-lf=3 ") && $0.contains(" bare-cr=3 ")
        }
    }

    @Test("1: a command that ends in LF alone is none, and CR inside a command is refused")
    func bareLineEndsInCommands() throws {
        let trial = try EdgeTrial()
        let dialogue = try trial.greeted()
        try dialogue.say(octets: "MAIL FROM:<a@b.example>\n", gets: "500 5.5.2")
        try dialogue.say("RCPT TO:<user@flxw.de>", gets: "503 5.5.1")
        try dialogue.say(octets: "NOOP\rMAIL FROM:<a@b.example>\r\n", gets: "500 5.5.2")
        try dialogue.say(octets: "NOOP\r\r\n", gets: "500 5.5.2")
        try dialogue.say("RCPT TO:<user@flxw.de>", gets: "503 5.5.1")
        try dialogue.begin()
        try dialogue.say(octets: "DATA\n", gets: "500 5.5.2")
        try dialogue.say("DATA", gets: "354 ")
        try dialogue.say(octets: "Subject: x\r\n\r\ny\r\n.\r\n", gets: "250 ")
        try dialogue.quit()
        let record = trial.backend.wait { $0.messages.count == 1 }
        #expect(record.looseCommands == 0)
    }

    /// What some server took for the end of a message at some time: CVE-2023-51764, -51765 and -51766, CVE-2024-27305,
    /// and the variants that testers of them try.
    static let falseEnds = [
        "\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\n", "\r\n.\r", "\r.\r\n", "\n.\r", "\n\r.\r\n", "\r\r.\r\n",
        "\r\n\0.\r\n", "\r\n.\0\r\n", "\0\r\n.\0\r\n", "\n\0.\n", "\r\r\n.\r\r\n", "\r\n.\r\r\n",
        "\r\n .\r\n", "\r\n. \r\n", "\r\n.\t\r\n", "\n\n.\n\n", "\r\n\u{B}.\r\n", "\n.\n\r\n",
    ]

    /// A place in a message, with what stands before it and behind it.
    static let places: [(before: String, behind: String)] = [
        // At the very start: what ends a line is not there, the dot follows upon the 354.
        ("", "\r\nSubject: start\r\n\r\ntext\r\n"),
        ("Subject: header", "X-More: yes\r\n\r\ntext\r\n"),
        ("Subject: middle\r\n\r\ntext", "more text\r\n"),
        ("Subject: end\r\n\r\ntext", ""),
    ]

    static let smuggled = "MAIL FROM:<evil@x.example>\r\nRCPT TO:<victim@flxw.de>\r\nDATA\r\nSubject: evil\r\n\r\nx\r\n"

    /// How servers less strict than ours have read lines.
    private static let readers: [(name: String, lines: @Sendable ([UInt8]) -> [[UInt8]])] = [
        ("LF ends a line", { split($0) { $0 == 0x0A } }),
        ("LF ends a line, and CR is nothing", { split($0.filter { $0 != 0x0D }) { $0 == 0x0A } }),
        ("CR ends a line", { split($0) { $0 == 0x0D } }),
        ("either ends a line", { split($0) { $0 == 0x0A || $0 == 0x0D } }),
        ("CRLF ends a line, and NUL is nothing", { split($0.filter { $0 != 0 }) { $0 == 0x0A || $0 == 0x0D } }),
        ("a line is as long as C says", { split($0) { $0 == 0x0A }.map { Array($0.prefix { $0 != 0 }) } }),
        ("NUL ends a line", { split($0) { $0 == 0 || $0 == 0x0A || $0 == 0x0D } }),
    ]

    private static func split(_ octets: [UInt8], at isEnd: (UInt8) -> Bool) -> [[UInt8]] {
        octets.split(omittingEmptySubsequences: false, whereSeparator: isEnd).map(Array.init)
    }

    private static func dotFirst(_ end: String) -> String {
        String(String.UnicodeScalarView(end.unicodeScalars.drop { $0 == "\r" || $0 == "\n" }))
    }

    /// Whether a reader who reads so finds the end of the message in these octets.
    private static func endsEarly(_ octets: [UInt8], _ lines: ([UInt8]) -> [[UInt8]]) -> Bool {
        lines(octets).contains { $0 == [0x2E] || $0 == [0x2E, 0x0D] || $0 == [0x0D, 0x2E] }
    }

    @Test("2, 3: what is not CRLF . CRLF ends a message neither here nor at any backend", arguments: 0..<4)
    func smuggling(place: Int) throws {
        let trial = try EdgeTrial()
        let dialogue = try trial.greeted()
        let (before, behind) = Self.places[place]
        var count = 0
        for end in Self.falseEnds {
            // (The start of a message is the start of a line: a dot comes first there, and with CRLF it is the end.)
            let sequence = place == 0 ? Self.dotFirst(end) : end
            if sequence == ".\r\n" { continue }
            count += 1
            try dialogue.beginData()
            try dialogue.send(bytes: Array((before + sequence + Self.smuggled + behind + "\r\n.\r\n").utf8))
            // One message, one reply.
            try dialogue.gets("250 2.0.0 taken")
            try dialogue.expectInStep()
            let messages = trial.messages(count)
            let octets = try #require(messages.count == count ? messages.last?.wire : nil)
            #expect(String(decoding: octets, as: UTF8.self).contains("MAIL FROM:<evil@x.example>"))
            #expect(messages.last?.looseEnds == [])
            for reader in Self.readers where Self.endsEarly(octets, reader.lines) {
                Issue.record("\(end.debugDescription) is an end where \(reader.name)")
            }
        }
        try dialogue.quit()
        #expect(!trial.commands.contains { $0.contains("evil") || $0.contains("victim") })
    }

    @Test("2: in chunks nothing ends a message but the last chunk, and no backend finds an end in them")
    func smugglingInChunks() throws {
        let trial = try EdgeTrial()
        let dialogue = try trial.greeted()
        for (index, end) in (Self.falseEnds + ["\r\n.\r\n"]).enumerated() {
            let content = "Subject: chunk\r\n\r\ntext" + end + Self.smuggled
            try dialogue.begin()
            try dialogue.say(octets: "BDAT \(content.utf8.count) LAST\r\n" + content, gets: "250 2.0.0 taken")
            try dialogue.expectInStep()
            let messages = trial.messages(index + 1)
            let octets = try #require(messages.count == index + 1 ? messages.last?.wire : nil)
            for reader in Self.readers where Self.endsEarly(octets, reader.lines) {
                Issue.record("\(end.debugDescription) is an end where \(reader.name)")
            }
        }
        try dialogue.quit()
        #expect(!trial.commands.contains { $0.contains("evil") || $0.contains("victim") })
    }

    @Test("4: dots are stuffed once: what the author wrote is what the backend reads")
    func dotStuffing() throws {
        let trial = try EdgeTrial()
        let dialogue = try trial.greeted()
        // As they are on the wire; behind DATA both wires are the same.
        let lines = ["Subject: dots", "", "..", "...", "..x", ".. x", "x.", " .", "..", "....", "", "..", "y"]
        try dialogue.deliver(lines.joined(separator: "\r\n"))
        // A dot that nobody stuffed: the backend takes it away as we would (RFC 5321 section 4.5.2).
        try dialogue.deliver("Subject: dots\r\n\r\n.x\r\ny")
        // In chunks nothing is stuffed, and behind DATA it has to be.
        let content = "Subject: dots\r\n\r\n.\r\n..\r\n.x\r\ny\r\n"
        try dialogue.begin()
        try dialogue.say(octets: "BDAT \(content.utf8.count) LAST\r\n" + content, gets: "250 ")
        try dialogue.quit()
        let messages = trial.messages(3).map { String(decoding: $0.octets, as: UTF8.self) }
        try #require(messages.count == 3)
        #expect(messages[0] == lines.joined(separator: "\r\n"))
        #expect(messages[1] == "Subject: dots\r\n\r\n.x\r\ny")
        #expect(messages[2] == "Subject: dots\r\n\r\n..\r\n...\r\n..x\r\ny")
    }

    @Test("4: an empty message is a message, and one that is a dot is one")
    func empty() throws {
        let trial = try EdgeTrial()
        let dialogue = try trial.greeted()
        try dialogue.beginData()
        try dialogue.say(".", gets: "250 2.0.0 taken")
        try dialogue.beginData()
        try dialogue.say(octets: "\r\n.\r\n", gets: "250 2.0.0 taken")
        try dialogue.beginData()
        try dialogue.say(octets: "..\r\n.\r\n", gets: "250 2.0.0 taken")
        try dialogue.begin()
        try dialogue.say("BDAT 0 LAST", gets: "250 2.0.0 taken")
        try dialogue.quit()
        let messages = trial.messages(4)
        // (The scripted backend takes the CRLF before the final dot for the dot's, and none for a message of none.)
        #expect(messages.map { String(decoding: $0.octets, as: UTF8.self) } == ["", "", "..", ""])
    }

    /// The end of a message with what comes before and behind, to be cut anywhere.
    static let cuts: [(behind: String, replies: [String])] = [
        ("", []), ("NOOP\r\n", ["250 2.0.0 OK"]), ("MAIL FROM:<>\r\nRSET\r\n", ["250 2.0.0 OK", "250 2.0.0 OK"]),
    ]

    @Test("5: the end is found however it is cut, and what comes behind it in one segment is commands")
    func cutEnds() throws {
        let trial = try EdgeTrial()
        let dialogue = try trial.greeted()
        var count = 0
        for (behind, replies) in Self.cuts {
            let end = Array(("\r\n.\r\n" + behind).utf8)
            for cut in 0...min(end.count, 7) {
                try dialogue.beginData()
                try dialogue.send(bytes: Array("Subject: cut\r\n\r\n..text".utf8) + end[..<cut])
                // (So that the two come to the relay apart. If they do not, the test tries less, and does not fail.)
                Thread.sleep(forTimeInterval: 0.005)
                try dialogue.send(bytes: Array(end[cut...]))
                try dialogue.gets("250 2.0.0 taken")
                for reply in replies { try dialogue.gets(reply) }
                count += 1
            }
        }
        try dialogue.expectInStep()
        try dialogue.quit()
        let messages = trial.messages(count).map { String(decoding: $0.octets, as: UTF8.self) }
        #expect(messages.count == count)
        #expect(messages.allSatisfy { $0 == "Subject: cut\r\n\r\n..text" })
    }

    @Test("8: a line of a message passes up to the limit; one octet more refuses the message")
    func longLines() throws {
        let trial = try EdgeTrial()
        let dialogue = try trial.greeted()
        let line = String(repeating: "x", count: 65_534)
        try dialogue.deliver("Subject: long\r\n\r\n" + line + "\r\nend")
        try dialogue.deliver("Subject: long\r\n\r\n" + line + "x\r\nend", gets: "554 5.6.0 Line too long")
        // Stuffing dots are no part of the line.
        try dialogue.deliver("Subject: long\r\n\r\n.." + line.dropFirst() + "\r\nend")
        // In chunks, too, and the session goes on behind the refusal.
        let content = "Subject: long\r\n\r\n" + line + "x\r\nend\r\n"
        try dialogue.begin()
        try dialogue.say(octets: "BDAT \(content.utf8.count) LAST\r\n" + content, gets: "554 5.6.0 Line too long")
        try dialogue.deliver("Subject: last\r\n\r\nshort")
        try dialogue.quit()
        let messages = trial.messages(3)
        #expect(messages.map(\.octets.count) == [65_556, 65_557, 22])
        #expect(trial.backend.wait { $0.truncated == 2 }.truncated == 2)
    }

    @Test("8: the limit of a line is the group's to set, and 0 is none")
    func lineLimits() throws {
        for (limit, longest) in [(1000, 998), (0, 200_000)] {
            let trial = try EdgeTrial(.init(), "message: {longest-line: \(limit)}")
            let dialogue = try trial.greeted()
            try dialogue.deliver("Subject: long\r\n\r\n" + String(repeating: "x", count: longest) + "\r\nend")
            if limit > 0 {
                try dialogue.deliver(
                    "Subject: long\r\n\r\n" + String(repeating: "x", count: longest + 1) + "\r\nend", gets: "554 5.6.0")
            }
            try dialogue.quit()
            #expect(trial.messages(1).first?.octets.count == longest + 22)
        }
    }

    @Test("9: every octet but CR and LF passes, NUL included, and none cuts the message short")
    func octets() throws {
        let trial = try EdgeTrial()
        let dialogue = try trial.greeted()
        let all = (0...255).map { UInt8($0) }.filter { $0 != 0x0D && $0 != 0x0A }
        let content = Array("Subject: octets\r\n\r\n".utf8) + all + [0x0D, 0x0A, 0, 0x0D, 0x0A] + all
        try dialogue.beginData()
        try dialogue.send(bytes: content + Array("\r\n.\r\n".utf8))
        try dialogue.gets("250 2.0.0 taken")
        try dialogue.quit()
        #expect(trial.messages(1).first?.octets == content)
    }

    @Test("9: a group may refuse NUL")
    func nul() throws {
        let trial = try EdgeTrial(.init(), "message: {nul: reject}")
        let dialogue = try trial.greeted()
        try dialogue.deliver("Subject: nul\r\n\r\na\0b", gets: "554 5.6.0 NUL in message")
        try dialogue.deliver("Subject: none\r\n\r\nab")
        try dialogue.quit()
        #expect(trial.messages(1).map { String(decoding: $0.octets, as: UTF8.self) } == ["Subject: none\r\n\r\nab"])
    }
}
