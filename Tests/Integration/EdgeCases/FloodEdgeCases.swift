import Foundation
import Testing

/// Bad input without end, between the cases: each bounded in memory and in time.
@Suite("Edge cases: floods", .works, .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct FloodEdgeCases {
    /// Commands with their replies, again and again. (Without DATA: nothing may come behind it.)
    private static let cycle: [(command: String, reply: String)] = [
        ("NOOP", "250 2.0.0 OK"), ("RSET", "250 2.0.0 OK"),
        ("VRFY x", "252 2.0.0 Cannot VRFY user, but will accept message"),
        ("HELP", "214 2.0.0 See RFC 5321"),
        ("RCPT TO:<user@flxw.de>", "503 5.5.1 Bad sequence of commands"),
        ("MAIL FROM:<a@b.example>", "250 2.0.0 OK"), ("MAIL FROM:<c@d.example>", "503 5.5.1 Bad sequence of commands"),
    ]

    /// Sends so many commands, as fast as they go, and compares every octet that comes back.
    ///
    /// - Parameter pause: how long the client rests between two reads.
    private static func flood(_ relay: RelayUnderTest, commands count: Int, pause: Duration?) throws {
        let dialogue = try relay.greeted()
        let rounds = 1000
        let block = Array(String(repeating: Self.cycle.map { $0.command + "\r\n" }.joined(), count: rounds).utf8)
        let replies = Data(String(repeating: Self.cycle.map { $0.reply + "\r\n" }.joined(), count: rounds).utf8)
        let blocks = count / (Self.cycle.count * rounds) + 1
        let sent = Box<Result<Void, any Error>>()
        Thread.detachNewThread { [socket = dialogue.socket] in
            sent.set(Result { for _ in 0..<blocks { try socket.send(block, patience: .seconds(60)) } })
        }
        var left = blocks * replies.count
        var offset = 0
        while left > 0 {
            if let pause { Thread.sleep(forTimeInterval: Double(pause.components.attoseconds) / 1e18) }
            guard let octets = try dialogue.socket.receive(upTo: 1 << 18, until: .now + .seconds(60)), !octets.isEmpty
            else {
                throw dialogue.failure("\(left) octets of replies are missing")
            }
            try check(octets.count <= left, "\(octets.count - left) octets of replies too many")
            var compared = 0
            while compared < octets.count {
                let length = min(octets.count - compared, replies.count - offset)
                try check(
                    Data(octets[compared..<compared + length]) == replies[offset..<offset + length],
                    "out of order, \(left - compared) octets before the end")
                compared += length
                offset = (offset + length) % replies.count
            }
            left -= octets.count
        }
        try sent.wait().get()
        try dialogue.expectInStep()
        try dialogue.quit()
    }

    @Test(
        "17, 52: a million pipelined commands have a million replies, in order, however slowly they are read",
        arguments: [nil, Duration.milliseconds(2)])
    func commands(pause: Duration?) async throws {
        let trial = try RelayTrial()
        let idle = try trial.relay.memory("VmRSS")
        try trial.relay.resetPeakMemory()
        try await waiting { [relay = trial.relay] in
            try Self.flood(relay, commands: pause == nil ? 1_000_000 : 200_000, pause: pause)
        }
        let grown = try trial.relay.memory("VmHWM") - idle
        #expect(grown <= 4096, "\(grown) kB more")
        try trial.expectUnharmed()
    }

    @Test("17: garbage without end is answered line by line up to the limit of errors, and then no more")
    func garbage() async throws {
        let trial = try RelayTrial("limits: {errors: 1000}")
        let idle = try trial.relay.memory("VmRSS")
        try trial.relay.resetPeakMemory()
        try await waiting { [relay = trial.relay] in
            let dialogue = try relay.greeted()
            var state: UInt64 = 25
            // Printable or not, with the line ends wherever they fall.
            let block = (0..<1_000_000).map { _ -> UInt8 in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                let octet = UInt8(truncatingIfNeeded: state >> 33)
                return octet < 24 ? 0x0A : octet
            }
            let sent = Box<Void>()
            Thread.detachNewThread { [socket = dialogue.socket] in
                for _ in 0..<100 {
                    guard (try? socket.send(block, patience: .seconds(10))) != nil else { break }
                }
                sent.set(())
            }
            var replies = 0
            var last = 0
            while let reply = try? dialogue.reply() {
                replies += 1
                last = reply.code
                try check([500, 501, 502, 503, 421, 521].contains(reply.code), "\(reply)")
                // (Sooner or later some of it looks like the beginning of TLS, SSH or the like.)
                if reply.code == 421 || reply.code == 521 { break }
            }
            sent.wait()
            try check(last == 521 || (last == 421 && replies == 1000), "\(replies) replies, the last is \(last)")
        }
        let grown = try trial.relay.memory("VmHWM") - idle
        #expect(grown <= 4096, "\(grown) kB more")
        try trial.expectUnharmed()
    }

    @Test("7, 52: a client that pipelines and a backend that babbles, both at once and without end")
    func bothSides() async throws {
        let trial = try RelayTrial("timeouts: \(RelayUnderTest.hasty)")
        let idle = try trial.relay.memory("VmRSS")
        try trial.relay.resetPeakMemory()
        let babble = ScriptedBackend.Answer.babble("250-2.1.5 and more\r\n250 2.1.5 yes\r\n354 go on\r\nnonsense")
        for step in 0..<5 {
            trial.backend.endConnections()
            var script = ScriptedBackend.Script()
            switch step {
            case 0: script.greeting = babble
            case 1: script.ehlo = babble
            case 2: script.rcpt = babble
            case 3: script.data = babble
            default: script.dot = babble
            }
            trial.backend.follow(script)
            let dialogue = try trial.relay.greeted()
            let noops = String(repeating: "NOOP\r\n", count: 10_000)
            // Each command has one reply, and NOOP's is its own. (250 is an answer as good as any, where one is due.)
            for _ in 0..<3 {
                try dialogue.send(
                    bytes: Array("RSET\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<user@flxw.de>\r\n\(noops)VRFY x\r\n".utf8)
                )
                try dialogue.gets("250 2.0.0 OK")
                try dialogue.gets("250 2.0.0 OK")
                let reply = try dialogue.reply()
                #expect(reply.code == 250 || reply.code == 451, "\(step): \(reply)")
                let octets = try dialogue.receive(10_000 * 14)
                #expect(octets == Array(String(repeating: "250 2.0.0 OK\r\n", count: 10_000).utf8))
                try dialogue.gets("252 2.0.0")
            }
            if step > 2 {
                let reply = try dialogue.command("DATA")
                if step == 4 {
                    #expect(reply.code == 354)
                    try dialogue.say(octets: "Subject: x\r\n\r\ny\r\n.\r\n", gets: "")
                } else {
                    #expect(reply.code == 451, "\(reply)")
                }
            }
            try dialogue.expectInStep()
            try dialogue.quit()
        }
        let grown = try trial.relay.memory("VmHWM") - idle
        #expect(grown <= 4096, "\(grown) kB more")
        try trial.expectUnharmed()
    }
}
