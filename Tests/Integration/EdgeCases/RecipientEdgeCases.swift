import Foundation
import Testing

/// Section D of docs/edge-cases.md: recipients, alone and together.
@Suite(
    "Edge cases: recipients", .works, .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct RecipientEdgeCases {
    /// Sends RCPT for each number, pipelined, and counts the replies by code. The last of them is awaited.
    private static func recipients(_ numbers: Range<Int>, _ dialogue: SMTPDialogue) throws -> [Int: Int] {
        var codes: [Int: Int] = [:]
        var start = numbers.lowerBound
        while start < numbers.upperBound {
            let group = start..<min(start + 100, numbers.upperBound)
            try dialogue.socket.send(Array(group.map { "RCPT TO:<user\($0)@flxw.de>\r\n" }.joined().utf8))
            for _ in group { codes[try dialogue.reply().code, default: 0] += 1 }
            start = group.upperBound
        }
        return codes
    }

    @Test("34: a hundred recipients and a thousand; over the limit 452, and the others have their message")
    func many() throws {
        let trial = try EdgeTrial()
        let dialogue = try trial.greeted()
        for count in [100, 1000] {
            try dialogue.say("MAIL FROM:<sender@example.org>", gets: "250")
            #expect(try Self.recipients(0..<count, dialogue) == [250: count])
            if count == 1000 {
                try dialogue.say("RCPT TO:<one-more@flxw.de>", gets: "452 4.5.3 Too many recipients")
                try dialogue.say("RCPT TO:<and-more@flxw.de>", gets: "452 4.5.3")
            }
            try dialogue.say("DATA", gets: "354")
            try dialogue.say(octets: "Subject: \(count)\r\n\r\nx\r\n.\r\n", gets: "250")
        }
        try dialogue.quit()
        let messages = trial.messages(2)
        #expect(messages.map(\.forwardPaths.count) == [100, 1000])
        #expect(messages.last?.forwardPaths == (0..<1000).map { "RCPT TO:<user\($0)@flxw.de>" })
    }

    @Test("34: the limit of relay.yaml counts who was accepted, not who was tried")
    func limit() throws {
        var script = ScriptedBackend.Script()
        script.recipients = ["user7@": .say("550 5.1.1 no")]
        let trial = try EdgeTrial(script, "limits: {recipients: 100}")
        let dialogue = try trial.greeted()
        try dialogue.say("MAIL FROM:<sender@example.org>", gets: "250")
        #expect(try Self.recipients(0..<110, dialogue) == [250: 100, 550: 1, 452: 9])
        try dialogue.say("DATA", gets: "354")
        try dialogue.say(octets: "Subject: x\r\n\r\nx\r\n.\r\n", gets: "250")
        try dialogue.say("MAIL FROM:<sender@example.org>", gets: "250")
        #expect(try Self.recipients(110..<120, dialogue) == [250: 10])
        try dialogue.quit()
        #expect(trial.messages(1).first?.forwardPaths.count == 100)
    }

    @Test("34: 100,000 recipients in one session cost no more memory than a few")
    func memory() async throws {
        let trial = try RelayTrial()
        let idle = try trial.relay.memory("VmRSS")
        try trial.relay.resetPeakMemory()
        let codes = try await waiting { [relay = trial.relay] in
            let dialogue = try relay.greeted()
            try dialogue.say("MAIL FROM:<sender@example.org>", gets: "250")
            let codes = try Self.recipients(0..<100_000, dialogue)
            try dialogue.say("RSET", gets: "250")
            try dialogue.quit()
            return codes
        }
        #expect(codes == [250: 1000, 452: 99_000])
        let grown = try trial.relay.memory("VmHWM") - idle
        #expect(grown <= 4096, "\(grown) kB more")
        try trial.expectUnharmed()
    }

    @Test("35: one destination a transaction: a recipient for another group is 452 4.5.3, and the next one takes it")
    func otherDestination() throws {
        let trial = try EdgeTrial(settings: SessionEdgeCases.twoGroups)
        let second = try ScriptedBackend(trial.network, port: 2527)
        let dialogue = try trial.greeted()
        // As a client does that pipelines, and sends what got 452 again at once.
        try dialogue.say("MAIL FROM:<sender@example.org>", gets: "250")
        try dialogue.send("RCPT TO:<a@one.example>\r\nRCPT TO:<b@two.example>\r\nRCPT TO:<c@one.example>\r\nDATA")
        for reply in ["250 2.1.5", "452 4.5.3 One destination", "250 2.1.5", "354"] { try dialogue.gets(reply) }
        try dialogue.say(octets: "Subject: one\r\n\r\nx\r\n.\r\n", gets: "250")
        try dialogue.beginData("b@two.example")
        try dialogue.say(octets: "Subject: two\r\n\r\nx\r\n.\r\n", gets: "250")
        try dialogue.quit()
        #expect(trial.messages(1).flatMap(\.forwardPaths) == ["RCPT TO:<a@one.example>", "RCPT TO:<c@one.example>"])
        let others = second.wait { $0.messages.count == 1 }.messages
        #expect(others.flatMap(\.forwardPaths) == ["RCPT TO:<b@two.example>"])
    }

    @Test("35: EHLO says so beforehand, where domains can lead to different groups, and only there")
    func limits() throws {
        let two = try EdgeTrial(settings: SessionEdgeCases.twoGroups)
        let one = try EdgeTrial()
        let announced = try SMTPDialogue(two.network, port: 2526).command("EHLO x").keywords
        #expect(announced.contains { $0.hasPrefix("LIMITS ") && $0.contains("RCPTDOMAINMAX=1") }, "\(announced)")
        let other = try SMTPDialogue(one.network, port: 2526).command("EHLO x").keywords
        #expect(!other.contains { $0.contains("RCPTDOMAINMAX") }, "\(other)")
    }

    @Test("36: the message has one verdict, for everybody who was accepted, and nobody else gets a copy")
    func oneVerdict() throws {
        for verdict in ["250 2.0.0 taken", "550 5.7.1 not this one", "452 4.3.1 full"] {
            var script = ScriptedBackend.Script()
            script.dot = .say(verdict)
            let trial = try EdgeTrial(script, settings: SessionEdgeCases.twoGroups)
            let second = try ScriptedBackend(trial.network, port: 2527)
            let dialogue = try trial.greeted()
            try dialogue.begin("a@one.example")
            try dialogue.say("RCPT TO:<b@two.example>", gets: "452 4.5.3")
            try dialogue.say("RCPT TO:<c@one.example>", gets: "250")
            try dialogue.say("DATA", gets: "354")
            try dialogue.say(octets: "Subject: x\r\n\r\nx\r\n.\r\n", gets: verdict)
            try dialogue.expectInStep()
            try dialogue.quit()
            #expect(trial.messages(1).map(\.forwardPaths.count) == [2])
            #expect(second.record.read { $0.mailSessions.isEmpty })
        }
    }

    @Test("37: a recipient that was refused fixes nothing: the next may go elsewhere")
    func refusedFirst() throws {
        var script = ScriptedBackend.Script()
        script.rcpt = .say("550 5.1.1 no such user")
        let trial = try EdgeTrial(script, settings: SessionEdgeCases.twoGroups)
        let second = try ScriptedBackend(trial.network, port: 2527)
        let dialogue = try trial.greeted()
        try dialogue.say("MAIL FROM:<sender@example.org>", gets: "250")
        try dialogue.say("RCPT TO:<nobody@elsewhere.example>", gets: "550 5.7.1")
        try dialogue.say("RCPT TO:<a@one.example>", gets: "550 5.1.1")
        try dialogue.say("RCPT TO:<b@two.example>", gets: "250")
        try dialogue.say("RCPT TO:<c@one.example>", gets: "452 4.5.3")
        try dialogue.say("DATA", gets: "354")
        try dialogue.say(octets: "Subject: two\r\n\r\nx\r\n.\r\n", gets: "250")
        try dialogue.quit()
        #expect(second.wait { $0.messages.count == 1 }.messages.first?.forwardPaths == ["RCPT TO:<b@two.example>"])
        #expect(trial.messages(0).isEmpty && !trial.commands.contains("DATA"))
    }

    @Test("37: with every recipient refused neither DATA nor BDAT reaches a backend")
    func allRefused() throws {
        var script = ScriptedBackend.Script()
        script.rcpt = .say("550 5.1.1 no such user")
        let trial = try EdgeTrial(script)
        let dialogue = try trial.greeted()
        // Pipelined, with the message already decided (RFC 2920 section 3.1).
        try dialogue.send(
            "MAIL FROM:<a@b.example>\r\nRCPT TO:<one@flxw.de>\r\nRCPT TO:<two@flxw.de>\r\nDATA")
        for reply in ["250", "550 5.1.1", "550 5.1.1", "554 5.5.1"] { try dialogue.gets(reply) }
        try dialogue.say(octets: "BDAT 6 LAST\r\nQUIT\r\n", gets: "554 5.5.1")
        try dialogue.expectInStep()
        try dialogue.quit()
        #expect(trial.messages(0).isEmpty && !trial.commands.contains("DATA"))
    }

    @Test("38: each recipient has its own reply, in order, one by one and pipelined", arguments: [false, true])
    func ownReplies(pipelined: Bool) throws {
        var script = ScriptedBackend.Script()
        script.recipients = [
            "b@": .say("550 5.1.1 no b"), "c@": .say("450 4.2.1 c later"), "e@": .say("552 5.2.2 e is full"),
            "f@": .say("251 2.1.5 f moved"), "g@": .sayAfter(.milliseconds(300), "250 2.1.5 g at last"),
        ]
        let trial = try EdgeTrial(
            script, settings: "routes: [{recipients: [flxw.de], backends: [\"127.0.0.1:2525\"]}]")
        let dialogue = try trial.greeted()
        try dialogue.say("MAIL FROM:<sender@example.org>", gets: "250")
        let expected = [
            ("a@flxw.de", "250 2.1.5 OK"), ("b@flxw.de", "550 5.1.1 no b"), ("x@elsewhere.example", "550 5.7.1"),
            ("c@flxw.de", "450 4.2.1 c later"), ("g@flxw.de", "250 2.1.5 g at last"), ("<", "501 5.1.3"),
            ("d@flxw.de", "250 2.1.5 OK"), ("e@flxw.de", "552 5.2.2 e is full"), ("f@flxw.de", "251 2.1.5 f moved"),
            ("a@flxw.de", "250 2.1.5 OK"),
        ]
        if pipelined {
            try dialogue.send(bytes: Array(expected.map { "RCPT TO:<\($0.0)>\r\n" }.joined().utf8))
            for (_, reply) in expected { try dialogue.gets(reply) }
        } else {
            for (address, reply) in expected { try dialogue.say("RCPT TO:<\(address)>", gets: reply) }
        }
        try dialogue.say("DATA", gets: "354")
        try dialogue.say(octets: "Subject: x\r\n\r\nx\r\n.\r\n", gets: "250")
        try dialogue.quit()
        let paths = trial.messages(1).first?.forwardPaths
        #expect(paths == ["a", "g", "d", "f", "a"].map { "RCPT TO:<\($0)@flxw.de>" })
    }

    @Test("39: DSN parameters go on to a backend that has DSN, as they came")
    func dsn() throws {
        var script = ScriptedBackend.Script()
        script.ehlo = everyExtension
        let trial = try EdgeTrial(script)
        try trial.learnt()
        let dialogue = try trial.greeted()
        try dialogue.say("MAIL FROM:<sender@example.org> RET=HDRS ENVID=QQ314159", gets: "250")
        try dialogue.say("RCPT TO:<a@flxw.de> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a@old.example", gets: "250")
        try dialogue.say("RCPT TO:<b@flxw.de> NOTIFY=NEVER", gets: "250")
        try dialogue.say("RCPT TO:<c@flxw.de> NOTIFY=NEVER,SUCCESS", gets: "501 5.5.4")
        try dialogue.say("RCPT TO:<c@flxw.de>", gets: "250")
        try dialogue.say("DATA", gets: "354")
        try dialogue.say(octets: "Subject: x\r\n\r\nx\r\n.\r\n", gets: "250")
        try dialogue.quit()
        let message = try #require(trial.messages(1).first)
        #expect(message.reversePath.contains(" RET=HDRS") && message.reversePath.contains(" ENVID=QQ314159"))
        #expect(
            message.forwardPaths == [
                "RCPT TO:<a@flxw.de> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a@old.example",
                "RCPT TO:<b@flxw.de> NOTIFY=NEVER", "RCPT TO:<c@flxw.de>",
            ])
    }

    @Test("39: DSN is not announced where one of the backends has it not, and 555 there")
    func withoutDSN() throws {
        var script = ScriptedBackend.Script()
        script.ehlo = everyExtension
        let one = try EdgeTrial(script)
        try one.learnt()
        #expect(try SMTPDialogue(one.network, port: 2526).command("EHLO x").keywords.contains("DSN"))
        // (Where a backend has not been asked yet, nothing is announced either.)
        let network = try TestNetwork()
        let both = (try ScriptedBackend(network, script), try ScriptedBackend(network, port: 2527))
        let relay = try RelayUnderTest(in: network, SessionEdgeCases.twoGroups)
        for port in [2525, 2527] {
            _ = try relay.program.line { $0.contains(" backend-learnt backend=127.0.0.1:\(port) ") }
        }
        let dialogue = try SMTPDialogue(network, port: relay.port)
        let keywords = try dialogue.command("EHLO x").keywords
        #expect(!keywords.contains("DSN") && !keywords.contains("SMTPUTF8"), "\(keywords)")
        try dialogue.say("MAIL FROM:<a@b.example> RET=FULL", gets: "555 5.5.4")
        try dialogue.say("MAIL FROM:<a@b.example>", gets: "250")
        try dialogue.say("RCPT TO:<a@one.example> NOTIFY=NEVER", gets: "555 5.5.4")
        try dialogue.quit()
        withExtendedLifetime(both) {}
    }
}
