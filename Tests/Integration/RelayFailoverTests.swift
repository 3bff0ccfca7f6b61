import Foundation
import Testing

/// Backends of a group that go, at every step up to the final dot: the client notices nothing, and one of the others has
/// the message, once.
@Suite("Failover", .works, .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct RelayFailoverTests {
    typealias Answer = ScriptedBackend.Answer

    /// How the client sends.
    enum Manner: CaseIterable, Sendable { case oneByOne, pipelined, chunks }

    struct Fault: Sendable, CustomTestStringConvertible {
        let testDescription: String
        /// What the log says of it; nil where it may be too early for that.
        let phase: String?
        let script: ScriptedBackend.Script

        init(_ description: String, _ phase: String?, _ change: (inout ScriptedBackend.Script) -> Void) {
            self.testDescription = description
            self.phase = phase
            var script = ScriptedBackend.Script()
            change(&script)
            self.script = script
        }
    }

    static let faults: [Fault] = [
        Fault("closes before it greets", "recipient") { $0.greeting = .close },
        Fault("resets before it greets", nil) { $0.greeting = .reset },
        Fault("greets with 421", "recipient") { $0.greeting = .say("421 4.3.2 busy") },
        Fault("greets with 554", "recipient") { $0.greeting = .say("554 5.3.2 no") },
        Fault("greets with nonsense", "recipient") { $0.greeting = .say("HELLO") },
        Fault("closes behind EHLO", "recipient") { $0.ehlo = .close },
        Fault("says 421 to EHLO", "recipient") { $0.ehlo = .say("421 4.3.2 busy") },
        Fault("closes behind MAIL", "recipient") { $0.mail = .close },
        Fault("says 421 to MAIL", "recipient") { $0.mail = .say("421 4.3.2 busy") },
        Fault("answers MAIL with nonsense", "recipient") { $0.mail = .say("hm") },
        Fault("closes behind the first RCPT", "recipient") { $0.rcpt = .close },
        Fault("resets behind the second RCPT", "recipient") { $0.recipients = ["two@": .reset] },
        Fault("says 421 to the last RCPT", "recipient") { $0.recipients = ["three@": .say("421 4.3.2 busy")] },
        Fault("closes behind DATA", "data") { $0.data = .close },
        Fault("says 421 to DATA", "data") { $0.data = .say("421 4.3.2 busy") },
        Fault("says 250 to DATA", "data") { $0.data = .say("250 2.0.0 what") },
        Fault("closes in the message", "message") { $0.inContent = (200, .close) },
        Fault("resets in the message", "message") { $0.inContent = (5_000, .reset) },
        Fault("says 421 in the message", "message") { $0.inContent = (5_000, .say("421 4.3.2 busy")) },
    ]

    private static let settings = """
        groups:
          app: {backends: ["127.0.0.1:2525", "127.0.0.1:2527"], balance: first}
        routes:
          - {recipients: "*", group: app}
        """

    private static let lines = (0..<300).map { "line \($0): \(String(repeating: "x", count: 60))\r\n" }
    private static let content = "Subject: over\r\n\r\n.a dot\r\n" + lines.joined()

    /// One message to three recipients; its replies, and what kind each has to be of.
    ///
    /// - Parameters:
    ///   - pause: what to wait for before DATA.
    ///   - hold: what to wait for before the message's end: behind that a backend that goes may have the message.
    private static func send(
        _ dialogue: SMTPDialogue, _ manner: Manner, pause: () throws -> Void = {}, hold: () throws -> Void = {}
    ) throws {
        let names = ["one", "two", "three"]
        if manner == .oneByOne {
            try dialogue.say("MAIL FROM:<a@b.example>", gets: "250 2.0.0")
            for name in names { try dialogue.say("RCPT TO:<\(name)@flxw.de>", gets: "250 2.1.5 OK") }
        } else {
            let recipients = names.map { "RCPT TO:<\($0)@flxw.de>\r\n" }.joined()
            try dialogue.send(bytes: Array("MAIL FROM:<a@b.example>\r\n\(recipients)".utf8))
            try dialogue.gets("250 2.0.0")
            for _ in names { try dialogue.gets("250 2.1.5 OK") }
        }
        try pause()
        guard manner != .chunks else {
            // (Cut in the middle of a line.)
            let octets = Array(Self.content.utf8)
            for (number, range) in [0..<7_001, 7_001..<octets.count].enumerated() {
                let isLast = number == 1
                if isLast { try hold() }
                try dialogue.send(bytes: Array("BDAT \(range.count)\(isLast ? " LAST" : "")\r\n".utf8) + octets[range])
                try dialogue.gets(isLast ? "250 2.0.0 taken" : "250 2.0.0")
            }
            return
        }
        try dialogue.say("DATA", gets: "354 ")
        let stuffed = Self.content.replacingOccurrences(of: "\r\n.", with: "\r\n..")
        // (Not all at once: what is left of it comes while the message is sent again.)
        let octets = Array(stuffed.utf8)
        try dialogue.send(bytes: Array(octets[..<10_000]))
        try dialogue.send(bytes: Array(octets[10_000...]))
        try hold()
        try dialogue.say(".", gets: "250 2.0.0 taken")
    }

    /// The one message has come whole, with its recipients, and nothing else has.
    private static func expectOne(_ taker: ScriptedBackend, nothingAt other: ScriptedBackend) {
        let record = taker.wait { $0.messages.count == 1 }
        #expect(record.messages.count == 1)
        #expect(other.record.read { $0.messages.count } == 0)
        let message = record.messages.first
        #expect(message?.forwardPaths.count == 3)
        #expect(message?.content == String(Self.content.dropLast(1)).replacingOccurrences(of: "\r\n.", with: "\r\n.."))
        #expect(record.looseCommands == 0)
        #expect(
            message.map { String(decoding: $0.wire, as: UTF8.self).components(separatedBy: "Received:").count } == 2)
    }

    @Test("A backend that goes before the dot", arguments: faults, Manner.allCases)
    func before(fault: Fault, manner: Manner) throws {
        let network = try TestNetwork()
        let first = try ScriptedBackend(network, fault.script)
        let second = try ScriptedBackend(network, port: 2527)
        let relay = try RelayUnderTest(in: network, Self.settings)
        let dialogue = try relay.greeted()
        try Self.send(
            dialogue, manner,
            hold: { if fault.phase == "message" { _ = try relay.program.line { $0.contains(" failover ") } } })
        Self.expectOne(second, nothingAt: first)
        if let phase = fault.phase {
            let line = try relay.program.line { $0.contains(" failover ") }
            #expect(line.contains(" from=127.0.0.1:2525 to=127.0.0.1:2527 phase=\(phase)"), "\(line)")
        }
        let end = try relay.program.line { $0.contains(" delivered ") }
        #expect(end.contains(" recipients=3 ") && end.contains(" backend=127.0.0.1:2527 "), "\(end)")
        try dialogue.quit()
    }

    @Test("A backend that goes while the client says nothing", arguments: Manner.allCases)
    func between(manner: Manner) throws {
        let network = try TestNetwork()
        let first = try ScriptedBackend(network)
        let second = try ScriptedBackend(network, port: 2527)
        let relay = try RelayUnderTest(in: network, Self.settings)
        let dialogue = try relay.greeted()
        try Self.send(
            dialogue, manner,
            pause: {
                first.stop()
                _ = try relay.program.line { $0.contains(" backend-failed ") }
            })
        Self.expectOne(second, nothingAt: first)
        try dialogue.quit()
    }

    @Test("A message of which more was sent than the window has is lost with its backend: 451, and no message")
    func overWindow() throws {
        for manner in [Manner.pipelined, .chunks] {
            for (window, size) in [("64KiB", 200_000), ("4KiB", 20_000), ("0", 1_000)] {
                let network = try TestNetwork()
                var script = ScriptedBackend.Script()
                script.inContent = (size - 500, .close)
                let first = try ScriptedBackend(network, script)
                let second = try ScriptedBackend(network, port: 2527)
                let relay = try RelayUnderTest(in: network, Self.settings + "\nlimits: {replay-window: \(window)}")
                let dialogue = try relay.greeted()
                try dialogue.begin()
                let content = String(repeating: String(repeating: "x", count: 98) + "\r\n", count: size / 100)
                if manner == .chunks {
                    // Who is told behind a chunk need not send the others.
                    try dialogue.send(bytes: Array("BDAT \(content.utf8.count)\r\n\(content)".utf8))
                    _ = first.wait { $0.truncated == 1 }
                    _ = try dialogue.reply()
                    try dialogue.send(bytes: Array("BDAT 2\r\nx\n".utf8))
                    try dialogue.gets("451 4.4.2")
                    try dialogue.say(octets: "BDAT 2 LAST\r\nx\n", gets: "451 4.4.2")
                } else {
                    try dialogue.say("DATA", gets: "354 ")
                    try dialogue.send(bytes: Array(content.utf8))
                    _ = first.wait { $0.truncated == 1 }
                    try dialogue.say(".", gets: "451 4.4.2")
                }
                try dialogue.expectInStep()
                #expect(first.record.read { $0.messages.count } + second.record.read { $0.messages.count } == 0)
                try dialogue.quit()
            }
        }
    }

    @Test("Two backends at which a message ends are enough: the third never sees it")
    func poison() throws {
        let network = try TestNetwork()
        var script = ScriptedBackend.Script()
        script.inContent = (1_000, .close)
        let backends = try [2525, 2527, 2529].map { try ScriptedBackend(network, port: UInt16($0), script) }
        let relay = try RelayUnderTest(
            in: network,
            """
            groups:
              app: {backends: ["127.0.0.1:2525", "127.0.0.1:2527", "127.0.0.1:2529"], balance: first}
            routes:
              - {recipients: "*", group: app}
            """)
        let dialogue = try relay.greeted()
        try dialogue.beginData()
        try dialogue.send(bytes: Array(String(repeating: "poison\r\n", count: 1000).utf8))
        _ = backends[1].wait { $0.truncated == 1 }
        try dialogue.say(".", gets: "451 4.4.2")
        try dialogue.expectInStep()
        #expect(backends.map { $0.record.read { $0.truncated } } == [1, 1, 0])
        try dialogue.quit()
    }

    @Test("Another backend that does not take whom the first one took: 451 to DATA, and no message")
    func verdictChanged() throws {
        let network = try TestNetwork()
        var script = ScriptedBackend.Script()
        script.data = .close
        let first = try ScriptedBackend(network, script)
        script = ScriptedBackend.Script()
        script.recipients = ["two@": .say("550 5.1.1 no such user")]
        let second = try ScriptedBackend(network, port: 2527, script)
        let relay = try RelayUnderTest(in: network, Self.settings)
        let dialogue = try relay.greeted()
        try dialogue.say("MAIL FROM:<a@b.example>", gets: "250 2.0.0")
        for name in ["one", "two"] { try dialogue.say("RCPT TO:<\(name)@flxw.de>", gets: "250 2.1.5 OK") }
        try dialogue.say("DATA", gets: "451 4.3.0")
        try dialogue.say("RCPT TO:<three@flxw.de>", gets: "451 4.3.0")
        try dialogue.say("RSET", gets: "250")
        #expect(first.record.read { $0.messages.count } + second.record.read { $0.messages.count } == 0)
        // The next transaction begins with the first again, and one that it can be had for goes through.
        first.follow(ScriptedBackend.Script())
        try dialogue.deliver("Subject: next\r\n\r\nx")
        try dialogue.quit()
    }

    @Test("A connection that the backend ended meanwhile is made anew, at the same backend, and nobody is told")
    func stale() throws {
        let trial = try EdgeTrial()
        let dialogue = try trial.greeted()
        try dialogue.deliver("Subject: one\r\n\r\nx")
        // It says 421 to what comes next on the old connection, and is as always on a new one.
        for (number, answer) in [Answer.close, .say("421 4.3.2 idle for too long"), .say("451 4.7.0 too many")]
            .enumerated()
        {
            var script = ScriptedBackend.Script()
            script.others = [:]
            trial.backend.follow(script)
            trial.backend.answerOnce("MAIL", answer)
            try dialogue.deliver("Subject: \(number)\r\n\r\nx")
            #expect(trial.messages(number + 2).count == number + 2)
        }
        #expect(!trial.relay.program.text.contains(" failover "))
        try dialogue.quit()
    }

    @Test("What is kept of messages has a bound for each and for all")
    func memory() async throws {
        let none = try await Self.grown("replay-window: 0")
        let bounded = try await Self.grown("replay-total: 1MiB")
        let most = try await Self.grown("connections: 1000")
        // (What sessions need beside it is not the same every time.)
        #expect(bounded - none <= 5 * 1024, "\(bounded) kB instead of \(none)")
        // Twice the window for each, however small the pieces that it came in.
        #expect(most - none <= 100 * 2 * 64 + 3 * 1024, "\(most) kB instead of \(none)")
        print("    100 messages of 60,000 octets, before the dot: \(none) kB, \(bounded) kB, \(most) kB")
    }

    /// By how many kB a relay with these limits grows while 100 clients are in the middle of a message of 60,000 octets.
    private static func grown(_ limits: String) async throws -> Int {
        let network = try TestNetwork()
        let backends = try [2525, 2527].map { try ScriptedBackend(network, port: UInt16($0)) }
        let relay = try RelayUnderTest(in: network, Self.settings + "\nlimits: {\(limits)}")
        return try await waiting {
            let clients = try (0..<100).map { _ in try relay.greeted() }
            for client in clients { try client.beginData() }
            let before = try relay.memory("VmRSS")
            let piece = Array((String(repeating: "x", count: 1498) + "\r\n").utf8)
            for _ in 0..<40 {
                for client in clients { try client.socket.send(piece) }
            }
            // (One that says nothing else has been read to its end when another, which came later, has an answer.)
            let last = try relay.greeted()
            try last.deliver("Subject: last\r\n\r\nx")
            let grown = try relay.memory("VmRSS") - before
            for client in clients { try client.say(".", gets: "250 2.0.0 taken") }
            for client in clients + [last] { try client.quit() }
            try check(backends[0].wait { $0.messages.count == 101 }.messages.count == 101, "messages are missing")
            return grown
        }
    }

    @Test("Backends that are killed at random under load: nothing is lost, nothing comes twice, nobody sees an error")
    func load() throws {
        let network = try TestNetwork()
        let relay = try RelayUnderTest(
            in: network,
            """
            groups:
              app:
                backends: ["127.0.0.1:2525", "127.0.0.1:2527", "127.0.0.1:2529"]
                # (Each is back a moment after it was killed, which no relay can know.)
                health: {failures: 0}
            routes:
              - {recipients: "*", group: app}
            """)
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Mail/failover.py").path
        let seed = UInt32.random(in: 0...UInt32.max)
        let program = try network.start([
            "/usr/bin/python3", "-B", file, "\(seed)", "\(RelayWorld.isQuick ? 1000 : 5000)", "\(relay.port)",
        ])
        let status = try program.exitStatus(within: .seconds(300))
        let text = program.text
        #expect(status == 0 && text.hasSuffix("held"), "\(text)\n\(relay.program.text.suffix(4000))")
        print("    " + text.split(separator: "\n").dropLast().joined(separator: "\n    "))
    }
}
