import Foundation
import Testing

/// Connections to backends that are kept for the next client.
@Suite("Kept connections", .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct RelayPoolTests {
    private static func settings(_ more: String) -> String {
        """
        groups:
          app: {backends: ["127.0.0.1:2525"]\(more.isEmpty ? "" : ", \(more)")}
        routes:
          - {recipients: "*", group: app}
        """
    }

    /// A relay with one backend, whose kept connections wait for a minute; with one event loop, since each has its own.
    private struct Trial {
        let network: TestNetwork
        let backend: ScriptedBackend
        let relay: RelayUnderTest

        init(_ script: ScriptedBackend.Script = .init(), _ more: String = "pool: {idle: 1m}", loops: Int = 1) throws {
            network = try TestNetwork()
            backend = try ScriptedBackend(network, script)
            relay = try RelayUnderTest(in: network, RelayPoolTests.settings(more), loops: loops)
        }

        /// So many clients one after the other, a message each.
        func deliver(_ clients: Int = 1) throws {
            for number in 0..<clients {
                let dialogue = try relay.greeted()
                let reply = try dialogue.message(to: "user@flxw.de", "Subject: \(number)\r\n\r\nx")
                #expect(reply.code == 250, "\(dialogue.failure("client \(number)"))")
                try dialogue.quit()
            }
        }

        func reload(_ change: (String) -> String = { $0 }) throws {
            try relay.rewrite(change)
            relay.program.kill(SIGHUP)
            _ = try relay.program.line { $0.contains("reloaded") }
        }
    }

    private static let envelope = ["MAIL FROM:<sender@example.org>", "RCPT TO:<user@flxw.de>", "DATA"]

    private func withoutHello(_ session: [String]) -> [String] { session.filter { !$0.uppercased().hasPrefix("EHLO") } }

    @Test("Clients one after the other have one connection, with RSET in front of MAIL in the same write")
    func oneAfterTheOther() throws {
        let trial = try Trial()
        try trial.deliver(5)
        let record = trial.backend.wait { $0.messages.count == 5 }
        #expect(record.mailSessions.count == 1)
        let repeated = Array(repeating: ["RSET"] + Self.envelope, count: 4).flatMap { $0 }
        #expect(self.withoutHello(record.mailSessions[0]) == Self.envelope + repeated)
        // (Behind the RSET was MAIL already, and behind that RCPT.)
        #expect(record.pipelined >= 5 + 4)
        #expect(record.messages.map(\.reversePath) == Array(repeating: "MAIL FROM:<sender@example.org>", count: 5))
    }

    @Test("What a client left open is nothing to the next one: its recipients do not get the next one's message")
    func leftOpen() throws {
        let trial = try Trial()
        let first = try trial.relay.greeted()
        try first.say("MAIL FROM:<first@example.org>", gets: "250 ")
        try first.say("RCPT TO:<first@flxw.de>", gets: "250 ")
        try first.quit()
        try trial.deliver()
        let record = trial.backend.wait { $0.messages.count == 1 }
        #expect(record.mailSessions.count == 1)
        #expect(record.messages[0].reversePath == "MAIL FROM:<sender@example.org>")
        #expect(record.messages[0].forwardPaths == ["RCPT TO:<user@flxw.de>"])
        let commands = self.withoutHello(record.mailSessions[0])
        #expect(commands.dropFirst(2).first == "RSET", "\(commands)")
    }

    @Test("A client that is silent between two messages keeps no connection from another one")
    func silentClient() throws {
        let trial = try Trial()
        let silent = try trial.relay.greeted()
        #expect(try silent.message(to: "user@flxw.de").code == 250)
        try trial.deliver()
        #expect(try silent.message(to: "user@flxw.de").code == 250)
        try silent.quit()
        #expect(trial.backend.wait { $0.messages.count == 3 }.mailSessions.count == 1)
    }

    @Test("Where as many wait as may, a client that goes on keeps the one that it has")
    func full() throws {
        let trial = try Trial(.init(), "pool: {size: 1, idle: 1m}")
        let clients = try [trial.relay.greeted(), trial.relay.greeted(), trial.relay.greeted()]
        for _ in 1...3 {
            for client in clients { try client.say("MAIL FROM:<sender@example.org>", gets: "250 ") }
            for client in clients { try client.say("RCPT TO:<user@flxw.de>", gets: "250 ") }
            for client in clients {
                try client.say("DATA", gets: "354 ")
                try client.say("x\r\n.", gets: "250 ")
            }
        }
        #expect(trial.backend.wait { $0.messages.count == 9 }.mailSessions.count == 3)
        for client in clients { try client.quit() }
    }

    @Test(
        "A client that gave a transaction up, and is silent, keeps no connection either", arguments: ["RSET", "EHLO x"])
    func silentAfterReset(_ command: String) throws {
        let trial = try Trial(.init(), "max-connections: 1, wait: 0s, pool: {idle: 1m}")
        let silent = try trial.relay.greeted()
        try silent.say("MAIL FROM:<first@example.org>", gets: "250 ")
        try silent.say("RCPT TO:<first@flxw.de>", gets: "250 ")
        #expect(try silent.command(command).code == 250)
        try trial.deliver()
        #expect(try silent.message(to: "user@flxw.de").code == 250)
        try silent.quit()
        let record = trial.backend.wait { $0.messages.count == 2 }
        #expect(record.mailSessions.count == 1)
        #expect(record.messages.allSatisfy { $0.forwardPaths == ["RCPT TO:<user@flxw.de>"] })
    }

    struct Leaving: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let answer: ScriptedBackend.Answer
    }

    static let leavings: [Leaving] = [
        Leaving(testDescription: "closes", answer: .close),
        Leaving(testDescription: "resets", answer: .reset),
        Leaving(testDescription: "421", answer: .say("421 4.3.2 bye")),
        Leaving(testDescription: "450", answer: .say("450 4.3.2 not now")),
        Leaving(testDescription: "502", answer: .say("502 5.5.1 what is RSET")),
    ]

    @Test("A backend that does not take RSET is asked once more by a fresh connection", arguments: leavings)
    func resetRefused(_ leaving: Leaving) throws {
        let trial = try Trial()
        try trial.deliver()
        trial.backend.answerOnce("RSET", leaving.answer)
        try trial.deliver()
        let record = trial.backend.wait { $0.messages.count == 2 }
        #expect(record.messages.count == 2 && record.mailSessions.count == 2)
        #expect(record.sessions.filter { $0.contains("DATA") }.count == 2)
        #expect(!trial.relay.program.text.contains("backend-failed"), "\(trial.relay.program.text)")
    }

    @Test(
        "A backend that leaves while a connection waits is noticed by no client, and is not taken for dead",
        arguments: ["421 4.4.2 idle", "250 hello?", "nonsense", ""])
    func leaves(_ word: String) throws {
        let trial = try Trial()
        for _ in 0..<4 {
            try trial.deliver()
            if word.isEmpty {
                trial.backend.endConnections()
            } else {
                trial.backend.say(word)
                _ = trial.backend.wait { $0.open == 0 }
            }
        }
        try trial.deliver()
        #expect(trial.backend.wait { $0.messages.count == 5 }.mailSessions.count == 5)
        let text = trial.relay.program.text
        #expect(!text.contains("backend-failed") && !text.contains("backend-ejected"), "\(text)")
    }

    @Test("Half a reply behind the last one is nobody's answer")
    func halfReply() throws {
        let trial = try Trial()
        try trial.deliver()
        trial.backend.say("250 2.1.0 half", isLine: false)
        // (Whether it has come when the next client does, or not: that one has its answer.)
        try trial.deliver(3)
        #expect(trial.backend.wait { $0.messages.count == 4 }.messages.count == 4)
    }

    @Test("The same on a connection that is its client's alone: the client notices nothing")
    func halfReplyToOne() throws {
        // (In the write of the answer itself: it is there when the next message comes.)
        var script = ScriptedBackend.Script()
        script.dot = .say("250 2.0.0 taken\r\n250-2.1.0 half")
        let trial = try Trial(script, "pool: off")
        let dialogue = try trial.relay.greeted()
        #expect(try dialogue.message(to: "user@flxw.de").code == 250)
        trial.backend.follow(ScriptedBackend.Script())
        let reply = try dialogue.message(to: "user@flxw.de")
        #expect(reply.code == 250, "\(reply)")
        #expect(trial.backend.wait { $0.messages.count == 2 }.mailSessions.count == 2)
        try dialogue.quit()
    }

    @Test("`pool: off` has a connection for each client, and one client's messages go by one")
    func off() throws {
        let trial = try Trial(.init(), "pool: off")
        try trial.deliver(2)
        let dialogue = try trial.relay.greeted()
        for _ in 0..<3 { #expect(try dialogue.message(to: "user@flxw.de").code == 250) }
        try dialogue.quit()
        let record = trial.backend.wait { $0.messages.count == 5 && $0.open == 0 }
        #expect(record.mailSessions.map { $0.filter { $0 == "DATA" }.count } == [1, 1, 3])
        #expect(record.mailSessions.allSatisfy { $0.last == "QUIT" } && record.open == 0)
    }

    @Test("Where the backend is told of clients each has one of its own, whatever they are told by")
    func xclient() throws {
        for identity in ["xclient", "xforward", "proxy-v1"] {
            var script = ScriptedBackend.Script()
            script.ehlo = .say("250-b.example\r\n250-PIPELINING\r\n250-XCLIENT ADDR HELO\r\n250 XFORWARD ADDR")
            script.others = [
                "XCLIENT": .say("220 b.example ESMTP"), "XFORWARD": .say("250 2.0.0 OK"), "PROXY": .pause(.zero),
            ]
            let trial = try Trial(script, "identity: \(identity)")
            try trial.deliver(3)
            let record = trial.backend.wait { $0.messages.count == 3 && $0.open == 0 }
            #expect(record.mailSessions.count == 3 && record.open == 0, "\(identity)")
            #expect(record.mailSessions.allSatisfy { $0.filter { $0 == "DATA" }.count == 1 }, "\(identity)")
        }
    }

    @Test("`size`, `idle`, `age` and `uses` bound what is kept")
    func bounds() throws {
        let used = try Trial(.init(), "pool: {idle: 1m, uses: 2}")
        try used.deliver(4)
        #expect(used.backend.wait { $0.messages.count == 4 }.mailSessions.map { $0.count { $0 == "DATA" } } == [2, 2])
        let brief = try Trial(.init(), "pool: {idle: 200ms}")
        try brief.deliver()
        #expect(brief.backend.wait { $0.messages.count == 1 && $0.open == 0 }.mailSessions[0].last == "QUIT")
        let old = try Trial(.init(), "pool: {idle: 1s, age: 1s}")
        try old.deliver()
        #expect(old.backend.wait { $0.messages.count == 1 && $0.open == 0 }.mailSessions[0].last == "QUIT")
        let few = try Trial(.init(), "pool: {idle: 1m, size: 1}")
        let dialogues = try (0..<2).map { _ in try few.relay.greeted() }
        for dialogue in dialogues {
            try dialogue.say("MAIL FROM:<sender@example.org>", gets: "250 ")
            try dialogue.say("RCPT TO:<user@flxw.de>", gets: "250 ")
        }
        for dialogue in dialogues { try dialogue.quit() }
        #expect(few.backend.wait { $0.mailSessions.count == 2 && $0.open == 1 }.open == 1)
    }

    @Test(
        "`warm` has them there before anybody comes, for longer than `idle`, and makes new ones for those that are gone"
    )
    func warm() throws {
        let trial = try Trial(.init(), "pool: {warm: 2, idle: 100ms, uses: 1}")
        #expect(trial.backend.wait { $0.open == 2 }.open == 2)
        // What is asked at the start what this backend can do is a third.
        let before = trial.backend.wait { $0.connections >= 3 }.connections
        try trial.deliver()
        let record = trial.backend.wait { $0.messages.count == 1 && $0.open == 2 && $0.connections == before + 1 }
        #expect(record.open == 2 && record.connections == before + 1, "\(record.sessions)")
        #expect(self.withoutHello(record.mailSessions[0]) == ["RSET"] + Self.envelope + ["QUIT"])
        // (Those that served nobody were not ended by `idle`: there would have been more connections.)
        trial.backend.answerOnce("EHLO", .say("421 4.3.2 not now"))
        try trial.deliver()
        let later = trial.backend.wait { $0.messages.count == 2 && $0.open == 2 && $0.connections == before + 3 }
        #expect(later.open == 2 && later.connections == before + 3, "\(later.sessions)")
        try trial.reload { $0.replacingOccurrences(of: "warm: 2", with: "warm: 1") }
        #expect(trial.backend.wait { $0.open == 1 }.open == 1)
        trial.relay.program.kill(SIGTERM)
        #expect(trial.backend.wait { $0.open == 0 }.open == 0)
    }

    @Test("Warm connections are not made where each client has its own, nor beyond a limit that others need")
    func notWarm() throws {
        let bound = try Trial(.init(), "max-connections: 1, wait: 30s, pool: {warm: 3, idle: 1m}", loops: 2)
        #expect(bound.backend.wait { $0.open == 1 }.open == 1)
        let dialogues = try (0..<4).map { _ in try bound.relay.greeted() }
        for dialogue in dialogues { #expect(try dialogue.message(to: "user@flxw.de").code == 250) }
        for dialogue in dialogues { try dialogue.quit() }
        #expect(bound.backend.wait { $0.messages.count == 4 && $0.open <= 1 }.open <= 1)
        var script = ScriptedBackend.Script()
        script.ehlo = .say("250-b.example\r\n250-PIPELINING\r\n250 XCLIENT ADDR HELO")
        script.others = ["XCLIENT": .say("220 b.example ESMTP")]
        let told = try Trial(script, "identity: xclient, pool: {warm: 2}")
        try told.deliver(2)
        let record = told.backend.wait { $0.messages.count == 2 && $0.open == 0 }
        #expect(record.open == 0 && record.mailSessions.count == 2)
    }

    @Test("A reload lets those go that were made before it, and mail goes on")
    func reload() throws {
        let trial = try Trial()
        try trial.deliver()
        #expect(trial.backend.wait { $0.open == 1 }.open == 1)
        try trial.reload()
        let record = trial.backend.wait { $0.open == 0 }
        #expect(record.open == 0 && record.mailSessions[0].last == "QUIT")
        try trial.deliver(2)
        #expect(trial.backend.wait { $0.messages.count == 3 }.mailSessions.count == 2)
    }

    @Test("A transaction that began before a reload keeps to the bound: what was kept since gives way")
    func reloadAtTheBound() throws {
        let trial = try Trial(.init(), "max-connections: 1, pool: {idle: 1m}")
        let early = try trial.relay.greeted()
        try early.say("MAIL FROM:<sender@example.org>", gets: "250 ")
        try trial.reload()
        try trial.deliver()
        #expect(trial.backend.wait { $0.messages.count == 1 }.open == 1)
        try early.say("RCPT TO:<user@flxw.de>", gets: "250 ")
        let record = trial.backend.wait { $0.open == 1 && $0.mailSessions.count == 2 }
        #expect(record.open == 1 && record.mailSessions.count == 2)
        try early.quit()
    }

    @Test("At max-connections a kept connection keeps nobody out, on whichever event loop he is")
    func atTheBound() throws {
        let trial = try Trial(.init(), "max-connections: 1, wait: 30s, pool: {idle: 1m}", loops: 2)
        let dialogues = try (0..<4).map { _ in try trial.relay.greeted() }
        let start = ContinuousClock.now
        for number in 0..<12 {
            let dialogue = dialogues[number % 4]
            #expect(try dialogue.message(to: "user@flxw.de").code == 250, "\(dialogue.failure("\(number)"))")
        }
        #expect(ContinuousClock.now - start < .seconds(20))
        for dialogue in dialogues { try dialogue.quit() }
        let record = trial.backend.wait { $0.messages.count == 12 && $0.open <= 1 }
        #expect(record.messages.count == 12 && record.open <= 1)
    }

    @Test("The relay's end says QUIT to those that wait")
    func drain() throws {
        let trial = try Trial()
        try trial.deliver()
        #expect(trial.backend.wait { $0.open == 1 }.open == 1)
        trial.relay.program.kill(SIGTERM)
        let record = trial.backend.wait { $0.open == 0 }
        #expect(record.open == 0 && record.mailSessions[0].last == "QUIT")
    }

    @Test("Servers that lookups name have theirs kept, too")
    func lookups() throws {
        let network = try TestNetwork()
        let backend = try ScriptedBackend(network)
        let lookup = try ScriptedLookup(network) { _ in ScriptedLookup.accepting }
        let relay = try RelayUnderTest(in: network, "lookup: {url: \"http://127.0.0.1/mail/auth\"}", loops: 1)
        for _ in 0..<3 {
            let dialogue = try relay.greeted()
            #expect(try dialogue.message(to: "user@flxw.de").code == 250)
            try dialogue.quit()
        }
        #expect(backend.wait { $0.messages.count == 3 }.mailSessions.count == 1)
        withExtendedLifetime(lookup) {}
    }
}
