import NIOCore
import NIOEmbedded
import SMTPCore
import SMTPNIO
import Testing

@Suite struct BackendHandlerEdgeCases {
    /// What a server could say in place of a reply, and what comes of it; each is tried as the greeting, as the reply to
    /// EHLO and as the replies to an envelope.
    static let replies: [(String, String)] = [
        (String(repeating: "2", count: 9000), "A: failed lineTooLong"),
        ("250 " + String(repeating: "x", count: 9000) + "\r\n", "A: failed lineTooLong"),
        (String(repeating: "250-x\r\n", count: 129), "A: failed tooManyLines"),
        (String(repeating: "250-x\r\n", count: 100_000), "A: failed tooManyLines"),
        ("250-x\r\n251 x\r\n", "A: failed codesDiffer"),
        ("250-x\r\n250\tx\r\n", "A: failed notAReply"),
        ("HTTP/1.1 400 Bad Request\r\n", "A: failed notAReply"),
        ("\r\n", "A: failed notAReply"),
        ("\u{16}\u{3}\u{1}\r\n", "A: failed notAReply"),
        ("25\r\n", "A: failed notAReply"),
        ("999 x\r\n", "A: failed notAReply"),
        ("-250 x\r\n", "A: failed notAReply"),
        ("354 go\r\n", "A: failed"),
        ("421 bye\r\n", "A: failed serviceClosing 421 bye"),
    ]

    @Test(
        "7: endless, over-long, mismatched and nonsensical replies end the session, wherever they come",
        arguments: replies)
    func hostile(text: String, outcome: String) throws {
        for place in 0...2 {
            for size in [text.utf8.count, 1, 7] {
                let player = try ClientPlayer()
                if place > 0 { try player.serverSays("220 backend\r\n".utf8) }
                if place > 1 {
                    try player.serverSays("250-backend\r\n250 PIPELINING\r\n".utf8)
                    player.ask(["begin", "one"])
                }
                _ = player.takeLog()
                let octets = Array(text.utf8)
                for start in stride(from: 0, to: octets.count, by: size) {
                    try player.serverSays(octets[start..<min(start + size, octets.count)])
                    if !player.channel.isActive { break }
                }
                let log = player.takeLog()
                #expect(log.count == 1 && log[0].hasPrefix(outcome), "\(place) \(size) \(log)")
                #expect(!player.channel.isActive)
            }
        }
    }

    @Test("7: the longest reply that is allowed is read")
    func longest() throws {
        let player = try ClientPlayer()
        let line = String(repeating: "x", count: 2044)
        try player.serverSays((String(repeating: "220-\(line)\r\n", count: 127) + "220 \(line)\r\n").utf8)
        #expect(player.takeLog() == ["C: EHLO relay.example"])
    }

    @Test("21, 53: 421 in the middle of a batch ends it: no later reply is taken for an answer", arguments: 0...3)
    func closing(answers: Int) throws {
        let player = try ClientPlayer()
        try player.serverSays("220 backend\r\n".utf8)
        try player.serverSays("250-backend\r\n250 PIPELINING\r\n".utf8)
        player.ask(["begin", "one", "two", "three"])
        _ = player.takeLog()
        let before = String(repeating: "250 OK\r\n", count: answers)
        try player.serverSays((before + "421 bye\r\n" + String(repeating: "250 OK\r\n", count: 4 - answers)).utf8)
        let expected = Array(repeating: "A: recipient 250 OK", count: max(answers - 1, 0))
        #expect(player.takeLog() == expected + ["A: failed serviceClosing 421 bye"])
        #expect(!player.channel.isActive)
    }

    @Test("53: a backend that closes leaves what is outstanding without an answer of its own", arguments: 0...3)
    func lost(answers: Int) throws {
        let player = try ClientPlayer()
        try player.serverSays("220 backend\r\n".utf8)
        try player.serverSays("250-backend\r\n250 PIPELINING\r\n".utf8)
        player.ask(["begin", "one", "two", "three"])
        _ = player.takeLog()
        try player.serverSays(String(repeating: "250 OK\r\n", count: answers).utf8)
        player.serverCloses()
        let expected = Array(repeating: "A: recipient 250 OK", count: max(answers - 1, 0))
        #expect(player.takeLog() == expected + ["A: failed closed"])
    }

    @Test("53: half of a reply that was never asked for is not taken for the half of one that was")
    func halfUnasked() throws {
        for half in ["2", "250-surplus", "250-surplus\r\n"] {
            let player = try ClientPlayer()
            try player.serverSays("220 backend\r\n".utf8)
            try player.serverSays(("250 backend\r\n" + half).utf8)
            _ = player.takeLog()
            player.ask(["begin", "one"])
            #expect(player.takeLog() == ["A: failed answeredUnasked"], "\(half)")
            #expect(!player.channel.isActive)
        }
    }

    @Test(
        "54: what comes behind the backend's 220 to STARTTLS is injected, and ends the session",
        arguments: ["2", "250 injected\r\n", "250-injected\r\n", "\r\n", "250-a\r\n250 PIPELINING\r\n250 OK\r\n"])
    func injection(injected: String) throws {
        let begun = {
            let player = try ClientPlayer()
            try player.serverSays("220 backend\r\n".utf8)
            try player.serverSays("250-backend\r\n250 STARTTLS\r\n".utf8)
            player.ask(["starttls"])
            _ = player.takeLog()
            return player
        }
        let together = try begun()
        try together.serverSays(("220 go\r\n" + injected).utf8)
        #expect(together.takeLog() == ["A: failed injection"])
        #expect(!together.channel.isActive)
        // In a segment of its own it would be the TLS engine's; what reaches us all the same is no reply of ours.
        let apart = try begun()
        try apart.serverSays("220 go\r\n".utf8)
        #expect(apart.takeLog() == ["A: TLS"])
        try apart.serverSays(injected.utf8)
        apart.ask(["established"])
        let log = apart.takeLog()
        #expect(log.count == 1 && log[0].hasPrefix("A: failed"), "\(log)")
        #expect(!apart.channel.isActive)
    }
}
