import Foundation
import Testing

/// Backends that are names: what the DNS says of them, and what becomes of mail when it says something else, or nothing.
@Suite("Backends by name", .waits, .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct RelayNameTests {
    @Test("A name is asked about again when its TTL is over, not before, and mail goes where it leads then")
    func ttl() throws {
        let trial = try NameTrial(["app.internal/A=127.0.0.2@2"])
        let (first, second) = try (
            ScriptedBackend(trial.network, host: 2), ScriptedBackend(trial.network, host: 3)
        )
        #expect(try trial.send().code == 250)
        let began = ContinuousClock.now
        try trial.rewrite(["app.internal/A=127.0.0.3@2"])
        #expect(try trial.sendUntil(second) == 0)
        // A record of 2 s: one question in 2 s, and some for what was under way.
        let seconds = Int((ContinuousClock.now - began).components.seconds)
        let asked = trial.server.text.split(separator: "\n").count { $0.hasPrefix("app.internal/A ") }
        #expect(asked <= seconds / 2 + 4, "asked \(asked) times in \(seconds) s")
        #expect(trial.lines("backend-resolved backend=app.internal:2525 addresses=127.0.0.3:2525") == 1)
        let count = first.record.read { $0.messages.count }
        for _ in 0..<5 { #expect(try trial.send().code == 250) }
        #expect(first.record.read { $0.messages.count } == count)
    }

    @Test("Addresses that come and go under load cost no message and no error")
    func underLoad() throws {
        let trial = try NameTrial(["app.internal/A=127.0.0.2@0", "app.internal/A=127.0.0.3@0"])
        let backends = try (2...4).map { try ScriptedBackend(trial.network, host: UInt8($0)) }
        let (sent, errors, isOver) = (Watched(0), Watched<[String]>([]), Watched(false))
        let threads = 4
        let ended = Watched(0)
        for _ in 0..<threads {
            Thread.detachNewThread {
                while !isOver.read({ $0 }) {
                    do {
                        let reply = try trial.send()
                        if reply.code == 250 {
                            sent.change { $0 += 1 }
                        } else {
                            errors.change { $0.append("\(reply)") }
                        }
                    } catch {
                        errors.change { $0.append("\(error)") }
                    }
                }
                ended.change { $0 += 1 }
            }
        }
        for turn in 0..<6 {
            let hosts = [[2, 4], [3], [2, 3, 4], [4], [2], [3, 4]][turn]
            try trial.rewrite(hosts.map { "app.internal/A=127.0.0.\($0)@0" })
            let addresses = hosts.map { "127.0.0.\($0):2525" }.joined(separator: ",")
            _ = try trial.relay.program.line { $0.hasSuffix("backend=app.internal:2525 addresses=\(addresses)") }
        }
        isOver.change { $0 = true }
        _ = ended.wait(.seconds(60)) { $0 == threads ? true : nil }
        #expect(errors.read { $0 } == [])
        let delivered = backends.map { $0.record.read { $0.messages.count } }
        #expect(delivered.reduce(0, +) == sent.read { $0 })
        #expect(delivered.allSatisfy { $0 > 0 }, "\(delivered)")
    }

    @Test("SRV records: the lowest priority by weight, each at its port; the next one when it is dead")
    func services() throws {
        let trial = try NameTrial(
            [
                "_smtp._tcp.app.internal/SRV=10 30 2530 a.internal",
                "_smtp._tcp.app.internal/SRV=10 10 2531 b.internal",
                "_smtp._tcp.app.internal/SRV=20 0 2532 c.internal", "a.internal/A=127.0.0.2", "b.internal/A=127.0.0.3",
                "c.internal/A=127.0.0.4",
            ], backends: "srv:_smtp._tcp.app.internal")
        let heavy = try ScriptedBackend(trial.network, port: 2530, host: 2)
        let light = try ScriptedBackend(trial.network, port: 2531, host: 3)
        let spare = try ScriptedBackend(trial.network, port: 2532, host: 4)
        for _ in 0..<40 { #expect(try trial.send().code == 250) }
        let counts = [heavy, light, spare].map { $0.record.read { $0.messages.count } }
        #expect(counts[2] == 0)
        // (Each event loop has a turn of its own.)
        #expect(counts[0] + counts[1] == 40 && abs(counts[0] - 30) <= 4, "\(counts)")
        heavy.stop()
        light.stop()
        for _ in 0..<10 { #expect(try trial.send().code == 250) }
        #expect(spare.record.read { $0.messages.count } == 10)
    }

    @Test("A name that does not exist is 451 4.4.1 at once, and has its mail when it does")
    func absent() throws {
        let trial = try NameTrial([])
        let backend = try ScriptedBackend(trial.network, host: 2)
        let began = ContinuousClock.now
        #expect(try trial.send().is(451, "4.4.1"))
        #expect(ContinuousClock.now - began < .seconds(2))
        #expect(trial.lines("backend-unresolved backend=app.internal:2525") == 1)
        try trial.rewrite(["app.internal/A=127.0.0.2@60"])
        _ = try trial.sendUntil(backend)
        // Once it is known it stays, whatever becomes of the DNS.
        #expect(try trial.send().code == 250)
    }

    @Test(
        "The last good addresses stay, with one line of the log, while the DNS has none, fails, or is not there",
        arguments: ["", "!servfail", "!silent", "dead"])
    func stale(_ trouble: String) throws {
        let trial = try NameTrial(["app.internal/A=127.0.0.2@0"])
        let backend = try ScriptedBackend(trial.network, host: 2)
        #expect(try trial.send().code == 250)
        switch trouble {
        case "": try trial.rewrite([])
        case "dead": trial.server.kill(SIGKILL)
        default: try trial.rewrite(["app.internal/A=\(trouble)", "app.internal/AAAA=\(trouble)"])
        }
        let line = try trial.relay.program.line { $0.contains("backend-unresolved backend=app.internal:2525") }
        #expect(line.contains("its last addresses stay"))
        #expect(try trial.send().code == 250)
        #expect(backend.record.read { $0.messages.count } == 2)
        guard trouble != "dead" else { return }
        try trial.rewrite(["app.internal/A=127.0.0.2@0"])
        _ = try trial.relay.program.line { $0.contains("backend-resolved") && $0.contains("127.0.0.2") }
        #expect(trial.lines("backend-unresolved") == 1)
    }

    @Test("An address that was good once is given up when it is older than stale says")
    func tooOld() throws {
        let trial = try NameTrial(["app.internal/A=127.0.0.2@0"], resolver: ", stale: 2s")
        let backend = try ScriptedBackend(trial.network, host: 2)
        #expect(try trial.send().code == 250)
        try trial.rewrite([])
        _ = try trial.relay.program.line { $0.contains("no mail goes there") }
        #expect(try trial.send().is(451, "4.4.1"))
        withExtendedLifetime(backend) {}
    }

    @Test("An address that is the relay itself is refused with a line of the log, and never connected to")
    func itself() throws {
        let trial = try NameTrial(
            ["app.internal/A=127.0.0.1@0", "app.internal/A=0.0.0.0@0"], backends: "app.internal:2526")
        let began = ContinuousClock.now
        #expect(try trial.send().is(451, "4.4.1"))
        #expect(ContinuousClock.now - began < .seconds(2))
        #expect(trial.lines("backend-refused backend=app.internal:2526 address=127.0.0.1:2526") == 1)
        #expect(trial.lines("backend-refused backend=app.internal:2526 address=0.0.0.0:2526") == 1)
        // Another address beside them is taken.
        let backend = try ScriptedBackend(trial.network, port: 2526, host: 2)
        try trial.rewrite(["app.internal/A=127.0.0.1@0", "app.internal/A=127.0.0.2@0"])
        _ = try trial.sendUntil(backend)
        for _ in 0..<5 { #expect(try trial.send().code == 250) }
    }

    @Test("A reload that brings a name has its address before it takes effect")
    func reload() throws {
        let trial = try NameTrial(["app.internal/A=127.0.0.2", "new.internal/A=127.0.0.3"])
        let backends = try (2...3).map { try ScriptedBackend(trial.network, host: UInt8($0)) }
        #expect(try trial.send().code == 250)
        try trial.relay.rewrite { $0.replacingOccurrences(of: "app.internal:2525", with: "new.internal:2525") }
        trial.relay.program.kill(SIGHUP)
        _ = try trial.relay.program.line { $0.contains("reloaded") }
        #expect(try trial.send().code == 250)
        #expect(backends.map { $0.record.read { $0.messages.count } } == [1, 1])
    }

    @Test("Without a resolver in relay.yaml the system's is asked, with its search list, and /etc/hosts goes before")
    func system() throws {
        let network = try TestNetwork()
        let hosts = try RelayWorld.file("hosts", "127.0.0.3 known.internal\n")
        let servers = try RelayWorld.file("resolv.conf", "search internal\nnameserver 127.0.0.1\n")
        for (file, place) in [(hosts, "/etc/hosts"), (servers, "/etc/resolv.conf")] {
            #expect(try network.run(["mount", "--bind", file, place]).status == 0)
        }
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Mail")
        let server = try network.start(
            ["/usr/bin/python3", "-B", folder.appending(path: "nameserver.py").path, "53", "app.internal/A=127.0.0.2"])
        _ = try server.line { $0 == "ready" }
        let backends = try (2...3).map { try ScriptedBackend(network, host: UInt8($0)) }
        let relay = try RelayUnderTest(
            in: network,
            """
            routes:
              - {recipients: [flxw.de], backends: ["app:2525"]}
              - {recipients: [example.org], backends: ["known.internal:2525"]}
            """)
        let dialogue = try relay.greeted()
        #expect(try dialogue.message(to: "user@flxw.de").code == 250)
        #expect(try dialogue.message(to: "user@example.org").code == 250)
        try dialogue.quit()
        #expect(backends.map { $0.record.read { $0.messages.count } } == [1, 1])
    }
}
