import Foundation
import Testing

/// The relay with its listener from postern-broker.
@Suite(
    "The relay and the broker", .works, .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root")
)
struct RelayBrokerTests {
    private static let policy = "smtp tcp 127.0.0.1:25 get=postern list=postern-app\n"

    private func lines(_ relay: RelayUnderTest, _ word: String) -> [Substring] {
        relay.program.text.split(separator: "\n").filter { $0.contains(" \(word) ") }
    }

    @Test("It serves port 25 by the broker's socket, through the broker's death, and gets its lease anew")
    func death() throws {
        let network = try TestNetwork(policy: Self.policy)
        let broker = try BrokerUnderTest(in: network, sockets: [("smtp", "127.0.0.1", 25)])
        let backend = try ScriptedBackend(network)
        let relay = try RelayUnderTest.routed(in: network, port: 25)
        _ = try relay.program.line { $0.hasSuffix("ready listener=127.0.0.1:25 source=broker") }
        #expect(try broker.item("smtp") { $0.contains("leases=1 ") } == "smtp tcp 127.0.0.1:25 leases=1 queue=0")

        // (Not the descriptors of the moment when it was ready: it begins to watch its lease beside that.)
        let idle = relay.descriptors
        try relay.greeted().quit()
        #expect(relay.excess(over: { idle }) == 0, "\(relay.descriptorKinds)")

        let dialogue = try relay.greeted()
        try broker.kill()
        _ = try relay.program.line { $0.contains(" lease-lost names=smtp ") }
        // Who was there stays, and who comes is served.
        #expect(try dialogue.message(to: "a@flxw.de").code == 250)
        try dialogue.quit()
        #expect(try relay.greeted().message(to: "b@flxw.de").code == 250)

        try broker.start()
        _ = try relay.program.line { $0.contains(" lease-renewed names=smtp generation=") }
        #expect(try broker.item("smtp") { $0.contains("leases=1 ") } == "smtp tcp 127.0.0.1:25 leases=1 queue=0")
        #expect(try relay.greeted().message(to: "c@flxw.de").code == 250)
        #expect(backend.record.read { $0.messages.count } == 3)
        #expect(self.lines(relay, "lease-lost").count == 1)

        // And again: it is watched as before.
        try broker.kill()
        try broker.start()
        let renewed = relay.program.value(
            within: .seconds(30), of: { $0.components(separatedBy: " lease-renewed ").count - 1 }, until: { $0 == 2 })
        #expect(renewed == 2)
        #expect(relay.excess(over: { idle }) == 0, "\(relay.descriptorKinds)")
    }

    @Test("The lease is held while the relay drains, and given back when it ends")
    func drain() throws {
        let network = try TestNetwork(policy: Self.policy)
        let broker = try BrokerUnderTest(in: network, sockets: [("smtp", "127.0.0.1", 25)])
        let backend = try ScriptedBackend(network)
        let relay = try RelayUnderTest.routed(in: network, port: 25)
        let dialogue = try relay.greeted()
        _ = try dialogue.command("MAIL FROM:<a@b.example>")
        relay.program.kill(SIGTERM)
        _ = try relay.program.line { $0.contains(" draining ") }
        let draining = try broker.item("smtp") { _ in true }
        #expect(draining.contains("leases=1 "), "\(draining)")
        #expect(try dialogue.command("RCPT TO:<x@flxw.de>").code == 250)
        #expect(try dialogue.command("DATA").code == 354)
        #expect(try dialogue.content("Subject: last\r\n\r\nx").code == 250)
        #expect(try relay.program.exitStatus() == 0)
        #expect(try broker.item("smtp") { $0.contains("leases=0 ") }.contains("leases=0 "))
        #expect(backend.record.read { $0.messages.count } == 1)
    }

    @Test("What the broker refuses ends the relay, with 77 where the policy denies it")
    func refused() throws {
        let network = try TestNetwork(policy: "smtp tcp 127.0.0.1:25 get=postern-app bind=postern\n")
        let broker = try BrokerUnderTest(in: network, sockets: [("smtp", "127.0.0.1", 25)])
        let configuration = try RelayWorld.file(
            "relay.yaml",
            "listeners: [{socket: smtp}]\nroutes: [{recipients: [x.example], backends: [\"127.0.0.1:2525\"]}]\n")
        let program = try network.start([RelayWorld.postern, "relay", "--config", configuration], as: "postern")
        #expect(try program.exitStatus() == 77)
        #expect(
            program.text.contains("get \"smtp\" from the broker /run/postern/broker.sock: 403: "), "\(program.text)")
        withExtendedLifetime(broker) {}
    }

    @Test("A broker that has nothing under the name is followed by the binder")
    func binder() throws {
        let network = try TestNetwork(policy: "smtp tcp 127.0.0.1:25 get=postern bind=postern\n")
        let broker = try BrokerUnderTest(in: network)
        let backend = try ScriptedBackend(network)
        let relay = try RelayUnderTest.routed(in: network, port: 25)
        _ = try relay.program.line { $0.hasSuffix("ready listener=127.0.0.1:25 source=binder") }
        #expect(try relay.greeted().message(to: "a@flxw.de").code == 250)
        #expect(backend.record.read { $0.messages.count } == 1)
        withExtendedLifetime(broker) {}
    }
}
