import Foundation
import Testing

/// Backends that are probed: what the probe says, and what real clients are spared.
@Suite("Active health", .waits, .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct RelayHealthTests {
    private static func relay(_ network: TestNetwork, _ health: String, backends: String = "\"127.0.0.2:2525\"") throws
        -> RelayUnderTest
    {
        try RelayUnderTest(
            in: network,
            """
            groups:
              app:
                backends: [\(backends)]
                health: {\(health)}
            routes:
              - recipients: [flxw.de]
                group: app
            timeouts: \(RelayUnderTest.hasty)
            """)
    }

    private static func send(_ relay: RelayUnderTest) throws -> WireReply {
        let dialogue = try relay.greeted()
        let reply = try dialogue.message(to: "user@flxw.de")
        try dialogue.quit()
        return reply
    }

    @Test("A probe is a session up to RCPT and RSET, with the sender and recipient of relay.yaml")
    func conversation() throws {
        let network = try TestNetwork()
        let backend = try ScriptedBackend(network, host: 2)
        let relay = try Self.relay(network, "interval: 1s, probe: postmaster@flxw.de, sender: <>")
        let record = backend.wait { $0.sessions.contains { $0.last == "QUIT" && $0.count > 2 } }
        let probe = record.sessions.first { $0.last == "QUIT" && $0.count > 2 } ?? []
        #expect(
            probe == ["EHLO mail.flxw.de", "MAIL FROM:<>", "RCPT TO:<postmaster@flxw.de>", "RSET", "QUIT"], "\(probe)")
        _ = backend.wait { $0.mailSessions.count >= 3 }
        #expect(backend.record.read { $0.messages.count } == 0)
        withExtendedLifetime(relay) {}
    }

    @Test("A backend that refuses the probe's address is up, told of once; with refusal: fail it is out")
    func refused() throws {
        let network = try TestNetwork()
        var script = ScriptedBackend.Script()
        script.recipients = ["probe@": .say("550 5.1.1 nobody")]
        let backend = try ScriptedBackend(network, host: 2, script)
        let relay = try Self.relay(network, "interval: 1s, probe: probe@flxw.de, fall: 1")
        _ = backend.wait { $0.mailSessions.count >= 3 }
        #expect(try Self.send(relay).code == 250)
        #expect(relay.program.text.split(separator: "\n").count { $0.contains("backend-probe-refused") } == 1)
        try relay.rewrite { $0.replacingOccurrences(of: "fall: 1", with: "fall: 1, refusal: fail") }
        relay.program.kill(SIGHUP)
        _ = try relay.program.line { $0.contains("backend-ejected group=app backend=127.0.0.2:2525") }
        #expect(try Self.send(relay).is(451, "4.4.1"))
        // Without probes it is for sessions to try again.
        try relay.rewrite { $0.replacingOccurrences(of: "health: {", with: "# health: {") }
        relay.program.kill(SIGHUP)
        _ = backend.wait { _ in (try? Self.send(relay).code == 250) ?? false }
        #expect(try Self.send(relay).code == 250)
    }

    @Test("A backend that dies is out before a client meets it, and back within the interval of its return")
    func deadAndBack() throws {
        let network = try TestNetwork()
        var backend = try ScriptedBackend(network, host: 2)
        let other = try ScriptedBackend(network, host: 3)
        let relay = try Self.relay(
            network, "interval: 2s, fall: 2, rise: 2, failures: 0", backends: "\"127.0.0.2:2525\", \"127.0.0.3:2525\"")
        #expect(try Self.send(relay).code == 250)
        backend.stop()
        _ = try relay.program.line { $0.contains("backend-ejected group=app backend=127.0.0.2:2525") }
        for _ in 0..<6 { #expect(try Self.send(relay).code == 250) }
        #expect(!relay.program.text.contains("backend-unreachable"))
        // The other one dies too: nobody is left, and nobody waits.
        other.stop()
        _ = try relay.program.line { $0.contains("backend-ejected group=app backend=127.0.0.3:2525") }
        let began = ContinuousClock.now
        #expect(try Self.send(relay).is(451, "4.4.1"))
        #expect(ContinuousClock.now - began < .seconds(2))
        #expect(!relay.program.text.contains("backend-unreachable"))
        backend = try ScriptedBackend(network, host: 2)
        let returned = ContinuousClock.now
        _ = try relay.program.line { $0.contains("backend-back group=app backend=127.0.0.2:2525") }
        // An interval and its tenth, a second for the second probe, and what a busy machine takes.
        #expect(ContinuousClock.now - returned < .seconds(8))
        #expect(try Self.send(relay).code == 250)
    }

    @Test(
        "A backend that hangs, or says 421, is out",
        arguments: [ScriptedBackend.Answer.silence, .say("421 4.3.2 busy"), .say("554 5.3.2 closed")])
    func unwell(_ greeting: ScriptedBackend.Answer) throws {
        let network = try TestNetwork()
        let backend = try ScriptedBackend(network, host: 2)
        let relay = try Self.relay(network, "interval: 1s, timeout: 1s, fall: 2, rise: 1")
        #expect(try Self.send(relay).code == 250)
        var script = ScriptedBackend.Script()
        script.greeting = greeting
        backend.follow(script)
        _ = try relay.program.line { $0.contains("backend-ejected group=app backend=127.0.0.2:2525") }
        backend.follow(ScriptedBackend.Script())
        _ = try relay.program.line { $0.contains("backend-back group=app backend=127.0.0.2:2525") }
        #expect(try Self.send(relay).code == 250)
    }
}
