import Foundation
import Testing

/// The article's set-up: a relay on port 25, nginx answering its lookups, the app on 2525.
///
/// Each test runs with nginx's own mail proxy too: what the set-up does is nginx's to say, and a harness that cannot
/// measure nginx measures nobody.
@Suite("The article's set-up", .works, .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct RelayArticleTests {
    enum Contender: String, CaseIterable, Sendable { case nginx, postern }

    /// Puts the contender on port 25.
    private func start(_ contender: Contender, in network: TestNetwork) throws -> [Any] {
        switch contender {
        case .nginx: [try Peers.nginxMail(in: network)]
        case .postern: [try RelayUnderTest.asking(in: network, port: 25)]
        }
    }

    private func network() throws -> TestNetwork { try TestNetwork(policy: "smtp tcp *:25 bind=postern\n") }

    @Test("1,000 messages by smtp-source through port 25 all reach smtp-sink", arguments: Contender.allCases)
    func thousandMessages(through contender: Contender) throws {
        let network = try network()
        let lookup = try Peers.nginxLookup(in: network, status: "OK")
        let sink = try Peers.smtpSink(in: network)
        let relay = try start(contender, in: network)
        try Peers.smtpSource(in: network, port: 25, messages: 1000)
        #expect(Peers.messages(at: sink, wanted: 1000) == 1000)
        try Peers.smtpSource(in: network, port: 25, messages: 1000, manyPerConnection: true)
        #expect(Peers.messages(at: sink, wanted: 2000) == 2000)
        withExtendedLifetime((lookup, relay)) {}
    }

    @Test("with the location as published everybody is accepted", arguments: Contender.allCases)
    func asPublished(through contender: Contender) throws {
        let network = try network()
        let lookup = try Peers.nginxLookup(in: network, status: "OK")
        let backend = try ScriptedBackend(network)
        let relay = try start(contender, in: network)
        for recipient in ["user@flxw.de", "anybody@elsewhere.example"] {
            let (status, text) = try Peers.swaks(in: network, port: 25, to: recipient)
            #expect(status == 0, "\(recipient): \(text)")
        }
        let record = backend.wait { $0.messages.count == 2 }
        #expect(
            record.messages.map(\.forwardPaths) == [
                ["RCPT TO:<user@flxw.de>"], ["RCPT TO:<anybody@elsewhere.example>"],
            ])
        withExtendedLifetime((lookup, relay)) {}
    }

    @Test("with Auth-Status $reply a recipient elsewhere is refused after a second", arguments: Contender.allCases)
    func withReply(through contender: Contender) throws {
        let network = try network()
        let lookup = try Peers.nginxLookup(in: network, status: "$reply")
        let backend = try ScriptedBackend(network)
        let relay = try start(contender, in: network)

        let dialogue = try SMTPDialogue.greeted(network, port: 25)
        #expect(try dialogue.command("MAIL FROM:<sender@example.org>").text == "250 2.0.0 OK")
        let asked = ContinuousClock.now
        #expect(try dialogue.command("RCPT TO:<anybody@elsewhere.example>").text == "535 5.7.0 ERROR")
        let waited = ContinuousClock.now - asked
        #expect(waited >= .milliseconds(990) && waited < .seconds(10), "Auth-Wait is 1 s; it took \(waited)")
        // The session goes on and the sender stands.
        #expect(try dialogue.command("RCPT TO:<user@flxw.de>").code == 250)
        #expect(try dialogue.command("DATA").code == 354)
        #expect(try dialogue.content("Subject: one\r\n\r\nfor flxw.de").code == 250)
        #expect(try dialogue.command("QUIT").code == 221)

        let record = backend.wait { $0.messages.count == 1 }
        #expect(record.messages.map(\.forwardPaths) == [["RCPT TO:<user@flxw.de>"]])
        #expect(record.messages.first?.content == "Subject: one\r\n\r\nfor flxw.de")

        let (status, text) = try Peers.swaks(in: network, port: 25, to: "anybody@elsewhere.example")
        #expect(status == 24, "swaks says 24 when RCPT is refused: \(text)")
        #expect(text.contains("535 5.7.0 ERROR"))
        withExtendedLifetime((lookup, relay)) {}
    }

    @Test("one socket of the binder's serves port 25 with neither uid 0 nor a capability")
    func unprivileged() throws {
        let network = try network()
        let backend = try ScriptedBackend(network)
        let relay = try RelayUnderTest.routed(in: network, port: 25)
        #expect(try relay.greeted().message(to: "user@flxw.de").code == 250)
        #expect(backend.wait { $0.messages.count == 1 }.messages.count == 1)
        let status = try relay.status()
        #expect(status["Uid"] == ["62525", "62525", "62525", "62525"])
        #expect(status["Gid"] == ["62525", "62525", "62525", "62525"])
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            #expect(status[set] == ["0000000000000000"], "\(set)")
        }
        // The binder has gone: the relay has no child.
        let (_, children) = try RunningProgram.run([
            "cat", "/proc/\(relay.program.pid)/task/\(relay.program.pid)/children",
        ])
        #expect(children.trimmingCharacters(in: .whitespaces).isEmpty)
    }
}
