import Foundation
import Testing

/// Section E of docs/edge-cases.md, BDAT (RFC 3030): in and out of order, and what becomes of chunks at a backend.
@Suite("Edge cases: chunks", .works, .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct ChunkEdgeCases {
    private static let evil = "MAIL FROM:<evil@x.example>\r\nRCPT TO:<victim@flxw.de>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n"

    @Test("43: a message in chunks of any size, pipelined or not, cut by packets wherever they like")
    func sizes() throws {
        let trial = try EdgeTrial()
        let dialogue = try trial.greeted()
        let content = Array("Subject: chunks\r\n\r\none\r\n.\r\n..two\r\n\r\n".utf8)
        let expected = Array("Subject: chunks\r\n\r\none\r\n..\r\n...two\r\n".utf8)
        for size in 1...content.count {
            try dialogue.begin()
            var octets: [UInt8] = []
            var chunks = 0
            for start in stride(from: 0, to: content.count, by: size) {
                let chunk = content[start..<min(start + size, content.count)]
                octets += Array("BDAT \(chunk.count)\r\n".utf8) + chunk
                chunks += 1
            }
            octets += Array("BDAT 0 LAST\r\n".utf8)
            if size % 3 == 0 {
                for octet in octets { try dialogue.socket.send([octet]) }
            } else {
                try dialogue.send(bytes: octets)
            }
            for _ in 0..<chunks { try dialogue.gets("250 2.0.0 Chunk received") }
            try dialogue.gets("250 2.0.0 taken")
        }
        try dialogue.quit()
        let messages = trial.messages(content.count)
        #expect(messages.count == content.count)
        #expect(messages.allSatisfy { $0.octets == expected })
    }

    @Test("43: the octets of a chunk nobody wants are swallowed before it is refused: none is a command")
    func swallowed() throws {
        let trial = try EdgeTrial(.init(), "limits: {message-size: 64KiB}")
        let dialogue = try SMTPDialogue(trial.network, port: trial.relay.port)
        let chunk = { (more: String) in "BDAT \(Self.evil.utf8.count)\(more)\r\n\(Self.evil)" }
        try dialogue.say(octets: chunk(""), gets: "503 5.5.1")
        try dialogue.say(octets: chunk(" LAST"), gets: "503 5.5.1")
        try dialogue.say("EHLO x", gets: "250")
        try dialogue.say(octets: chunk(" LAST"), gets: "503 5.5.1")
        try dialogue.say("MAIL FROM:<a@b.example>", gets: "250")
        try dialogue.say(octets: chunk(" LAST"), gets: "503 5.5.1")
        try dialogue.say("RCPT TO:<user@flxw.de>", gets: "250")
        // Over the limit: taken away as well, and the message is refused.
        let large = String(repeating: Self.evil, count: 1000)
        let part = String(decoding: large.utf8.prefix(60_000), as: UTF8.self)
        try dialogue.say(octets: "BDAT \(large.utf8.count) LAST\r\n" + large, gets: "552 5.3.4")
        try dialogue.expectInStep()
        try dialogue.begin()
        try dialogue.say(octets: "BDAT 60000\r\n" + part, gets: "250 2.0.0")
        try dialogue.say(octets: "BDAT 60000\r\n" + part, gets: "552 5.3.4")
        try dialogue.say(octets: chunk(""), gets: "552 5.3.4")
        try dialogue.say(octets: chunk(" LAST"), gets: "552 5.3.4")
        try dialogue.expectInStep()
        try dialogue.deliver("Subject: x\r\n\r\ny")
        try dialogue.quit()
        #expect(trial.messages(1).count == 1)
        #expect(!trial.commands.contains { $0.contains("evil") || $0.contains("victim") })
    }

    @Test("43: between chunks only RSET, QUIT and what changes nothing have their way")
    func order() throws {
        let trial = try EdgeTrial()
        let dialogue = try trial.begun()
        try dialogue.say("BDAT 0", gets: "250 2.0.0")
        for line in ["DATA", "MAIL FROM:<b@c.example>", "RCPT TO:<other@flxw.de>"] {
            try dialogue.say(line, gets: "503 5.5.1")
        }
        try dialogue.say("NOOP", gets: "250 2.0.0 OK")
        try dialogue.expectInStep()
        try dialogue.say(octets: "BDAT 17\r\nSubject: x\r\n\r\ny\r\n", gets: "250 2.0.0")
        try dialogue.say("DATA", gets: "503 5.5.1")
        try dialogue.say("BDAT 0", gets: "250 2.0.0")
        try dialogue.say("bdat 0 last", gets: "250 2.0.0 taken")
        try dialogue.say("BDAT 0 LAST", gets: "503 5.5.1")
        // RSET, EHLO and QUIT end the message; what comes behind them is no part of it.
        for line in ["RSET", "EHLO x"] {
            try dialogue.begin()
            try dialogue.say(octets: "BDAT 17\r\nSubject: x\r\n\r\ny\r\n", gets: "250 2.0.0")
            try dialogue.say(line, gets: "250")
            try dialogue.say(octets: "BDAT 6 LAST\r\nQUIT\r\n", gets: "503 5.5.1")
        }
        try dialogue.quit()
        let record = trial.backend.wait { $0.truncated == 2 }
        #expect(record.messages.count == 1 && record.truncated == 2)
        #expect(record.messages.first?.forwardPaths == ["RCPT TO:<user@flxw.de>"])
    }

    @Test(
        "43: a size that cannot be read, or no one can send, ends the session: nothing could be in step",
        arguments: [
            ("9223372036854775808", "501 5.5.4"), ("9223372036854775807", "552 5.3.4"), ("-1", "501 5.5.4"),
            ("9223372036854775807 LAST", "552 5.3.4"), ("18446744073709551616", "501 5.5.4"),
            ("99999999999999999999999999", "501 5.5.4"), ("", "501 5.5.4"), ("x", "501 5.5.4"), ("+1", "501 5.5.4"),
            ("1.5", "501 5.5.4"), ("0x10", "501 5.5.4"), ("1 FIRST", "501 5.5.4"), ("1 LAST x", "501 5.5.4"),
            ("1\u{0}", "501 5.5.4"), ("LAST", "501 5.5.4"),
        ])
    func unreadableSizes(size: String, reply: String) throws {
        let trial = try EdgeTrial()
        let idle = try trial.relay.memory("VmRSS")
        for isBegun in [false, true] {
            let dialogue = isBegun ? try trial.begun() : try trial.greeted()
            try dialogue.send(bytes: Array("BDAT\(size.isEmpty ? "" : " ")\(size)\r\n\(Self.evil)".utf8))
            try dialogue.gets(reply)
            try dialogue.expectClosed()
        }
        #expect(try trial.relay.memory("VmHWM") - idle <= 4096)
        #expect(trial.messages(0).isEmpty)
        #expect(!trial.commands.contains { $0.contains("evil") || $0 == "DATA" })
    }

    @Test("43: without a limit of size 2^63-1 octets may be announced, and cost nothing")
    func largest() throws {
        let trial = try RelayTrial("limits: {\(RelayUnderTest.anySize)}")
        let dialogue = try trial.relay.greeted()
        try dialogue.begin()
        try dialogue.send("BDAT 9223372036854775807")
        try dialogue.send(bytes: [UInt8](repeating: UInt8(ascii: "x"), count: 10_000))
        _ = trial.backend.wait { $0.commands.last == "DATA" }
        dialogue.socket.interrupt()
        #expect(trial.backend.wait { $0.truncated == 1 }.truncated == 1)
        try trial.expectUnharmed()
    }

    @Test("44: chunks go to a backend as DATA: line ends mended, dots stuffed, a last CRLF where none was")
    func asData() throws {
        let trial = try EdgeTrial()
        let dialogue = try trial.greeted()
        let cases: [(chunks: [String], wire: String)] = [
            (["Subject: x\r\n\r\ntext"], "Subject: x\r\n\r\ntext"),
            (["Subject: x\r\n\r\ntext\r\n"], "Subject: x\r\n\r\ntext"),
            (["Subject: x\r", "\n\r", "\ntext\r", "\n"], "Subject: x\r\n\r\ntext"),
            (["Subject: x\r\n\r\ntext\r"], "Subject: x\r\n\r\ntext"),
            (["Subject: x\r\n\r\na\nb\rc\n"], "Subject: x\r\n\r\na\r\nb c"),
            (["Subject: x\r\n\r\n", ".", "\r\n", ".\r\n", "."], "Subject: x\r\n\r\n..\r\n..\r\n.."),
            (["Subject: x\r\n\r\na\n", ".\n", "b"], "Subject: x\r\n\r\na\r\n..\r\nb"),
            (["Subject: x\r\n\r\n.\r\nDATA\r\n.\r\nQUIT\r\n"], "Subject: x\r\n\r\n..\r\nDATA\r\n..\r\nQUIT"),
            (["", "Subject: x", "", "\r\n\r\n", ""], "Subject: x\r\n"),
            (["\r\n"], ""), ([""], ""),
        ]
        for (chunks, _) in cases {
            try dialogue.begin()
            for (index, chunk) in chunks.enumerated() {
                let isLast = index + 1 == chunks.count
                try dialogue.say(
                    octets: "BDAT \(chunk.utf8.count)\(isLast ? " LAST" : "")\r\n\(chunk)",
                    gets: isLast ? "250 2.0.0 taken" : "250 2.0.0 Chunk received")
            }
        }
        try dialogue.quit()
        let messages = trial.messages(cases.count).map { String(decoding: $0.octets, as: UTF8.self) }
        #expect(messages == cases.map(\.wire))
        #expect(!trial.commands.contains { $0.hasPrefix("BDAT") })
    }

    @Test("44: BODY=BINARYMIME is refused, whatever the backend has")
    func binaryMIME() throws {
        var script = ScriptedBackend.Script()
        script.ehlo = .say("250-backend.example.org\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250 8BITMIME")
        let trial = try EdgeTrial(script)
        let dialogue = try trial.greeted()
        #expect(try !dialogue.command("EHLO x").keywords.contains("BINARYMIME"))
        try dialogue.say("MAIL FROM:<a@b.example> BODY=BINARYMIME", gets: "555 5.5.4")
        try dialogue.say("RCPT TO:<user@flxw.de>", gets: "503 5.5.1")
        try dialogue.quit()
    }
}
