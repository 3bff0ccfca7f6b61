import Foundation
import Testing

/// Section B of docs/edge-cases.md, how sessions end before their time: 421 and the clock.
@Suite(
    "Edge cases: 421 and the clock", .waits,
    .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct SessionEndEdgeCases {
    @Test("21: a backend's 421 is 451 for the command that it answers, and no other; the session goes on")
    func backendCloses() throws {
        let trial = try RelayTrial("timeouts: \(RelayUnderTest.hasty)")
        let busy = ScriptedBackend.Answer.say("421 4.3.2 going down")
        for step in ["greeting", "ehlo", "mail", "rcpt", "data", "dot"] {
            trial.backend.endConnections()
            var script = ScriptedBackend.Script()
            switch step {
            case "greeting": script.greeting = busy
            case "ehlo": script.ehlo = busy
            case "mail": script.mail = busy
            case "rcpt": script.recipients = ["two@": busy]
            case "data": script.data = busy
            default: script.dot = busy
            }
            trial.backend.follow(script)
            let dialogue = try trial.relay.greeted()
            // One write: whatever happens behind, replies are as many as commands, and in order.
            try dialogue.send(
                bytes: Array(
                    "MAIL FROM:<a@b.example>\r\nRCPT TO:<one@flxw.de>\r\nRCPT TO:<two@flxw.de>\r\nNOOP\r\n".utf8))
            try dialogue.gets("250 2.0.0 OK")
            let isEarly = ["greeting", "ehlo", "mail"].contains(step)
            try dialogue.gets(isEarly ? "451 4." : "250 2.1.5")
            try dialogue.gets(isEarly || step == "rcpt" ? "451 4." : "250 2.1.5")
            try dialogue.gets("250 2.0.0 OK")
            if step == "data" { try dialogue.say("DATA", gets: "451 4.3.") }
            if step == "dot" {
                try dialogue.say("DATA", gets: "354")
                try dialogue.say(octets: "Subject: x\r\n\r\ny\r\n.\r\n", gets: "451 4.3.2 going down")
            }
            try dialogue.say("RSET", gets: "250")
            try dialogue.quit()
        }
        try trial.expectUnharmed()
    }

    @Test("21: a backend that takes leave between two transactions costs nobody a reply", arguments: [true, false])
    func backendClosesBetween(politely: Bool) throws {
        let trial = try RelayTrial()
        trial.backend.endConnections()
        var script = ScriptedBackend.Script()
        if politely { script.dot = .say("250 2.0.0 taken\r\n421 4.3.2 that was enough") }
        trial.backend.follow(script)
        let dialogue = try trial.relay.greeted()
        for number in 0..<5 {
            try dialogue.deliver("Subject: \(number)\r\n\r\nx", gets: "250 2.0.0 taken")
            if !politely { trial.backend.endConnections() }
        }
        try dialogue.quit()
        #expect(trial.backend.record.read { $0.messages.count } == 6)
        try trial.expectUnharmed()
    }

    @Test("21: our own 421 comes at a boundary between transactions, and never between dot and reply")
    func drain() throws {
        var script = ScriptedBackend.Script()
        script.dot = .sayAfter(.seconds(1), "250 2.0.0 taken")
        let trial = try EdgeTrial(script)
        let idle = try trial.greeted()
        let inMail = try trial.greeted()
        try inMail.say("MAIL FROM:<a@b.example>", gets: "250")
        let inMessage = try trial.greeted()
        try inMessage.beginData()
        let behindDot = try trial.greeted()
        try behindDot.beginData()
        try behindDot.send(bytes: Array("Subject: dot\r\n\r\nx\r\n.\r\n".utf8))
        _ = trial.messages(1)
        trial.relay.program.kill(SIGTERM)
        try idle.gets("421 4.3.2")
        try idle.expectClosed()
        try behindDot.gets("250 2.0.0 taken")
        try behindDot.gets("421 4.3.2")
        try behindDot.expectClosed()
        try inMessage.say(octets: "Subject: text\r\n\r\nx\r\n.\r\n", gets: "250 2.0.0 taken")
        try inMessage.gets("421 4.3.2")
        try inMail.say("RSET", gets: "250 2.0.0 OK")
        try inMail.gets("421 4.3.2")
        #expect(try trial.relay.program.exitStatus() == 0)
        #expect(trial.messages(2).count == 2)
    }

    @Test("22: who says nothing is told 421, greeted or not, in a transaction or not")
    func silentClients() async throws {
        let trial = try RelayTrial("timeouts: {command: 2s, data-block: 2s}")
        try await waiting { [relay = trial.relay, network = trial.network] in
            let silent = try SMTPDialogue(network, port: relay.port)
            let greeted = try relay.greeted()
            let begun = try relay.greeted()
            try begun.begin()
            let inMessage = try relay.greeted()
            try inMessage.beginData()
            try inMessage.send(bytes: Array("Subject: x\r\n\r\nhalf a".utf8))
            let inChunk = try relay.greeted()
            try inChunk.begin()
            try inChunk.send(bytes: Array("BDAT 1000\r\nhalf a".utf8))
            let started = ContinuousClock.now
            for dialogue in [silent, greeted, begun, inMessage, inChunk] {
                try dialogue.gets("421 4.4.2")
                try dialogue.expectClosed()
            }
            try check(ContinuousClock.now - started < .seconds(20), "it took \(ContinuousClock.now - started)")
        }
        let record = trial.backend.wait { $0.truncated == 2 }
        #expect(record.truncated == 2 && record.messages.count == 1)
        try trial.expectUnharmed()
    }

    @Test("22: an octet now and then keeps no session: a command has its time as a whole")
    func drippedCommand() async throws {
        let trial = try RelayTrial("timeouts: {command: 2s}")
        try await waiting { [relay = trial.relay] in
            let dialogue = try relay.greeted()
            try dialogue.send(bytes: Array("NOOP ".utf8))
            try Self.drip(dialogue, [0x78])
        }
        try trial.expectUnharmed()
    }

    @Test("22: a message that drips is ended by its rate, one octet or one block at a time", arguments: [1, 64])
    func drippedMessage(octets: Int) async throws {
        let trial = try RelayTrial("timeouts: {data-block: 2s}\nlimits: {data-rate: 1000}")
        try await waiting { [relay = trial.relay] in
            let dialogue = try relay.greeted()
            try dialogue.beginData()
            try Self.drip(dialogue, [UInt8](repeating: 0x78, count: octets))
        }
        try await waiting { [relay = trial.relay] in
            let dialogue = try relay.greeted()
            try dialogue.begin()
            try dialogue.send("BDAT 1000000")
            try Self.drip(dialogue, [UInt8](repeating: 0x78, count: octets))
        }
        #expect(trial.backend.wait { $0.truncated == 2 }.truncated == 2)
        try trial.expectUnharmed()
    }

    @Test("22: who is slow and steady is served, and so is who rests now and then")
    func slowButSteady() async throws {
        let trial = try RelayTrial("timeouts: {data-block: 3s}\nlimits: {data-rate: 1000}")
        try await waiting { [relay = trial.relay] in
            let dialogue = try relay.greeted()
            try dialogue.beginData()
            try dialogue.send(bytes: Array("Subject: slow\r\n\r\n".utf8))
            let line = String(repeating: "x", count: 98) + "\r\n"
            for number in 0..<16 {
                try dialogue.socket.send(Array(String(repeating: line, count: number == 8 ? 40 : 10).utf8))
                try check(dialogue.socket.isQuiet(for: .milliseconds(number == 8 ? 2000 : 400)), "it was ended")
            }
            try dialogue.say(octets: "\r\n.\r\n", gets: "250 2.0.0 taken")
            try dialogue.quit()
        }
        try trial.expectUnharmed()
    }

    /// Sends octets five times a second until the server says 421 and closes, which it has to do within twenty seconds.
    private static func drip(_ dialogue: SMTPDialogue, _ octets: [UInt8]) throws {
        let started = ContinuousClock.now
        while dialogue.socket.isQuiet(for: .milliseconds(200)) {
            try check(ContinuousClock.now - started < .seconds(20), "the drip goes on")
            try dialogue.socket.send(octets)
        }
        try dialogue.gets("421 4.4.2")
        try dialogue.expectClosed()
    }
}
