import Foundation
import Testing

/// Section E of docs/edge-cases.md, those who leave in the middle and those who are slow.
@Suite(
    "Edge cases: lost and slow peers", .waits,
    .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct LostPeerEdgeCases {
    /// Where in its message a client leaves.
    enum Leaving: String, CaseIterable, Sendable { case afterDATA, inLine, atDot, inChunk, betweenChunks, atLastChunk }

    @Test("46: a client that leaves in its message delivers nothing", arguments: Leaving.allCases, [false, true])
    func clientLeaves(_ leaving: Leaving, reset: Bool) throws {
        let trial = try RelayTrial()
        try Self.leave(trial, leaving, reset: reset)
        let record = trial.backend.wait { $0.truncated == 1 }
        #expect(record.truncated == 1 && record.messages.count == 1)
        _ = try trial.relay.program.line { $0.contains(" client-lost ") && $0.contains("from=<sender@example.org>") }
        try trial.expectUnharmed()
    }

    /// In a function of its own: the connection ends with it.
    private static func leave(_ trial: RelayTrial, _ leaving: Leaving, reset: Bool) throws {
        let dialogue = try trial.relay.greeted()
        if reset { dialogue.socket.resetOnClose() }
        switch leaving {
        case .afterDATA, .inLine, .atDot:
            try dialogue.beginData()
            let content = "Subject: x\r\n\r\n" + String(repeating: "a line of text\r\n", count: 1000)
            if leaving == .inLine { try dialogue.send(bytes: Array((content + "half a li").utf8)) }
            if leaving == .atDot { try dialogue.send(bytes: Array((content + ".\r").utf8)) }
        case .inChunk:
            try dialogue.begin()
            // (Behind the answer to the first chunk the message is on its way.)
            try dialogue.say(octets: "BDAT 17\r\nSubject: x\r\n\r\ny\r\n", gets: "250 2.0.0")
            try dialogue.send(bytes: Array("BDAT 1000 LAST\r\nhalf a li".utf8))
        case .betweenChunks:
            try dialogue.begin()
            try dialogue.say(octets: "BDAT 17\r\nSubject: x\r\n\r\ny\r\n", gets: "250 2.0.0")
        case .atLastChunk:
            try dialogue.begin()
            try dialogue.say(octets: "BDAT 17\r\nSubject: x\r\n\r\ny\r\n", gets: "250 2.0.0")
            try dialogue.send(bytes: Array("BDAT 3 LAST\r\n.\r".utf8))
        }
    }

    /// What becomes of a backend in the middle of a message.
    @Test(
        "47: a backend that leaves in a message: 451 4.4.2 behind the end, and the session goes on",
        arguments: [1, 200_000], [false, true])
    func backendLeaves(after octets: Int, chunked: Bool) throws {
        for answer in [ScriptedBackend.Answer.close, .reset, .say("451 4.3.1 disk full")] {
            let trial = try RelayTrial("timeouts: \(RelayUnderTest.hasty)")
            trial.backend.endConnections()
            var script = ScriptedBackend.Script()
            script.inContent = (octets, answer)
            trial.backend.follow(script)
            let dialogue = try trial.relay.greeted()
            let content =
                "Subject: x\r\n\r\n" + String(repeating: String(repeating: "x", count: 98) + "\r\n", count: 20_000)
            let reply: WireReply
            if chunked {
                try dialogue.begin()
                try dialogue.send(bytes: Array("BDAT \(content.utf8.count) LAST\r\n\(content)".utf8))
                reply = try dialogue.reply()
            } else {
                try dialogue.beginData()
                try dialogue.send(bytes: Array(content.utf8))
                // Nobody is told before it has said all.
                reply = try dialogue.command(".")
            }
            if case .say(let text) = answer {
                // What it says stands for the message, however much of it had been sent by then.
                #expect(reply.text == text, "the backend's own refusal: \(reply)")
                _ = trial.backend.wait { $0.open == 0 || $0.messages.count == 2 }
            } else {
                #expect(reply.is(451, "4.4.2"), "\(reply)")
                #expect(trial.backend.record.read { $0.messages.count } == 1)
            }
            try dialogue.expectInStep()
            try dialogue.quit()
            try trial.expectUnharmed()
        }
    }

    @Test(
        "47: a backend that leaves in a message that is still kept: another one has it, once, and the client is told nothing",
        arguments: [1, 20_000], [false, true])
    func failover(after octets: Int, chunked: Bool) throws {
        for answer in [ScriptedBackend.Answer.close, .reset, .say("421 4.3.2 going down")] {
            var script = ScriptedBackend.Script()
            script.inContent = (octets, answer)
            let trial = try EdgeTrial(
                script,
                settings: """
                    groups:
                      app: {backends: ["127.0.0.1:2525", "127.0.0.1:2527"], balance: first}
                    routes:
                      - {recipients: "*", group: app}
                    """)
            let other = try ScriptedBackend(trial.network, port: 2527)
            let dialogue = try trial.begun()
            let content =
                "Subject: x\r\n\r\n" + String(repeating: String(repeating: "x", count: 98) + "\r\n", count: 400)
            if chunked {
                try dialogue.say(octets: "BDAT \(content.utf8.count)\r\n\(content)", gets: "250 2.0.0")
            } else {
                try dialogue.say("DATA", gets: "354 ")
                try dialogue.send(bytes: Array(content.utf8))
            }
            // (Behind the end of the message it would be case 48.)
            _ = try trial.relay.program.line { $0.contains(" failover ") }
            try dialogue.say(chunked ? "BDAT 0 LAST" : ".", gets: "250 2.0.0 taken")
            try dialogue.expectInStep()
            let record = other.wait { $0.messages.count == 1 }
            #expect(record.messages.map { String(decoding: $0.octets, as: UTF8.self) + "\r\n" } == [content])
            #expect(trial.backend.record.read { $0.messages.count } == 0)
            try dialogue.quit()
        }
    }

    @Test("48: a backend that leaves behind the dot may have the message: 451 4.4.2, ambiguous, and never again by us")
    func ambiguous() async throws {
        let trial = try RelayTrial("timeouts: \(RelayUnderTest.hasty)")
        let answers = [ScriptedBackend.Answer.close, .reset, .silence, .say("hm"), .say("354 what")]
        try await waiting {
            for (number, answer) in (answers + answers).enumerated() {
                trial.backend.endConnections()
                var script = ScriptedBackend.Script()
                script.dot = answer
                trial.backend.follow(script)
                let dialogue = try trial.relay.greeted()
                if number < answers.count {
                    try dialogue.deliver("Subject: \(number)\r\n\r\nx", gets: "451 4.4.2")
                } else {
                    try dialogue.begin()
                    try dialogue.say(octets: "BDAT 17 LAST\r\nSubject: x\r\n\r\ny\r\n", gets: "451 4.4.2")
                }
                try dialogue.expectInStep()
                try dialogue.quit()
                let count = trial.backend.record.read { $0.messages.count }
                try check(count == 2 + number, "\(count) messages behind \(number)")
            }
        }
        let count = trial.relay.program.value(
            within: .seconds(20), of: { $0.components(separatedBy: " ambiguous ").count - 1 },
            until: { $0 == 2 * answers.count })
        #expect(count == 2 * answers.count)
        for line in trial.relay.program.text.split(separator: "\n") where line.contains(" ambiguous ") {
            #expect(line.contains(" backend=127.0.0.1:2525 reply=\"451 4.4.2"))
        }
        // What comes next at the backend is the next message, and no copy of these.
        try trial.expectUnharmed()
    }

    @Test("49: a client that leaves behind the dot: delivered all the same, and the log says that it was not told")
    func replyLost() throws {
        let trial = try RelayTrial()
        for (number, answer) in ["250 2.0.0 taken", "550 5.7.1 no"].enumerated() {
            trial.backend.endConnections()
            var script = ScriptedBackend.Script()
            script.dot = .sayAfter(.seconds(1), answer)
            trial.backend.follow(script)
            try Self.sendAndReset(trial)
            _ = try trial.relay.program.line {
                $0.contains(number == 0 ? " delivered-reply-lost " : " refused-reply-lost ") && $0.contains(answer)
            }
        }
        #expect(trial.backend.record.read { $0.messages.count } == 3)
        try trial.expectUnharmed()
    }

    /// In a function of its own: the connection ends with it.
    private static func sendAndReset(_ trial: RelayTrial) throws {
        let dialogue = try trial.relay.greeted()
        dialogue.socket.resetOnClose()
        let before = trial.backend.record.read { $0.messages.count }
        try dialogue.beginData()
        try dialogue.send(bytes: Array("Subject: x\r\n\r\ny\r\n.\r\n".utf8))
        _ = trial.backend.wait { $0.messages.count > before }
    }

    @Test("49: a client that only ends its sending gets the answer to its message")
    func halfClosed() throws {
        var script = ScriptedBackend.Script()
        script.dot = .sayAfter(.seconds(1), "250 2.0.0 taken")
        let trial = try EdgeTrial(script)
        let dialogue = try trial.greeted()
        try dialogue.beginData()
        try dialogue.send(bytes: Array("Subject: x\r\n\r\ny\r\n.\r\n".utf8))
        dialogue.socket.finishSending()
        try dialogue.gets("250 2.0.0 taken")
        try dialogue.expectClosed()
        #expect(trial.messages(1).count == 1)
    }

    @Test("50: a backend that stops reading stops the client, and costs no memory meanwhile", arguments: [false, true])
    func slowBackend(chunked: Bool) async throws {
        let network = try TestNetwork()
        var script = ScriptedBackend.Script()
        script.inContent = (1, .pause(.seconds(3)))
        let backend = try ScriptedBackend(network, receiveBuffer: 8192, script)
        let relay = try RelayUnderTest.routed(in: network)
        let first = try relay.greeted()
        try first.say("NOOP", gets: "250")
        // (Before the wait: until it goes on behind that, other tests may keep it waiting for longer than sessions may.)
        try first.quit()
        let idle = try relay.memory("VmRSS")
        try relay.resetPeakMemory()
        let line = String(repeating: "x", count: 998) + "\r\n"
        let sent = try await waiting {
            let dialogue = try relay.greeted()
            let content = Array(("Subject: slow\r\n\r\n" + String(repeating: line, count: 16_000)).utf8)
            try dialogue.begin()
            try dialogue.send(chunked ? "BDAT \(content.count) LAST" : "DATA")
            if !chunked { try dialogue.gets("354") }
            let started = ContinuousClock.now
            try dialogue.send(bytes: content)
            let sent = ContinuousClock.now - started
            if !chunked { try dialogue.send(".") }
            try dialogue.gets("250 2.0.0 taken")
            try dialogue.quit()
            return sent
        }
        #expect(sent >= .seconds(2), "16 MB went somewhere within \(sent)")
        let grown = try relay.memory("VmHWM") - idle
        #expect(grown <= 4096, "\(grown) kB more")
        #expect(backend.wait { $0.messages.count == 1 }.messages.first?.octets.count == 16_000_015)
    }

    @Test("50: a backend that takes nothing for too long is given up: 451 4.4.2, and the session goes on")
    func stuckBackend() async throws {
        let network = try TestNetwork()
        var script = ScriptedBackend.Script()
        script.inContent = (1, .pause(.seconds(12)))
        let backend = try ScriptedBackend(network, receiveBuffer: 8192, script)
        let relay = try RelayUnderTest.routed(in: network, "timeouts: {backend-data-block: 1s}")
        let line = String(repeating: "x", count: 998) + "\r\n"
        let took = try await waiting {
            let dialogue = try relay.greeted()
            try dialogue.beginData()
            let started = ContinuousClock.now
            try dialogue.send(bytes: Array(("Subject: stuck\r\n\r\n" + String(repeating: line, count: 16_000)).utf8))
            try dialogue.say(".", gets: "451 4.4.2")
            let took = ContinuousClock.now - started
            backend.follow(ScriptedBackend.Script())
            try dialogue.deliver("Subject: next\r\n\r\nx")
            try dialogue.quit()
            return took
        }
        #expect(took < .seconds(10), "it took \(took)")
        #expect(backend.wait { $0.truncated == 1 }.messages.count == 1)
    }

    @Test("50: a client that reads no replies is read from no more, and costs no memory")
    func slowClient() async throws {
        let trial = try RelayTrial()
        let idle = try trial.relay.memory("VmRSS")
        try trial.relay.resetPeakMemory()
        try await waiting { [relay = trial.relay] in
            let dialogue = try relay.greeted()
            // HELP's reply is longer than HELP: what is not read has to be somewhere.
            let block = Array(String(repeating: "VRFY x\r\n", count: 10_000).utf8)
            var sent = 0
            do {
                while sent < 200 {
                    try dialogue.socket.send(block, patience: .seconds(2))
                    sent += 1
                }
            } catch {}
            try check(sent < 200, "16 MB of commands were taken from a client that reads nothing")
            let grown = try relay.memory("VmHWM") - idle
            try check(grown <= 4096, "\(grown) kB more")
            dialogue.socket.resetOnClose()
        }
        try trial.expectUnharmed()
    }
}
