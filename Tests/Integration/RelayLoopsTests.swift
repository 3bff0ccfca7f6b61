import Foundation
import Testing

/// The relay with several event loops, and several sockets of one port.
@Suite(
    "The relay and its loops", .works, .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct RelayLoopsTests {
    private static let policy = "smtp tcp 127.0.0.1:25 reuseport=2 get=postern list=postern-app\n"
    private static let clients = 40

    /// A relay with two loops.
    private func start(
        _ network: TestNetwork, _ listener: String, ready: Int = 1
    ) throws -> (program: RunningProgram, configuration: String) {
        let configuration = try RelayWorld.file("relay.yaml", Self.text(listener, "old.example"))
        let program = try network.start(
            ["/usr/bin/env", "POSTERN_EVENT_LOOPS=2", RelayWorld.postern, "relay", "--config", configuration],
            as: "postern")
        let count = program.value(
            within: .seconds(30), of: { $0.components(separatedBy: " ready listener=").count - 1 },
            until: { $0 == ready })
        #expect(count == ready, "\(program.text)")
        return (program, configuration)
    }

    /// What it says of the listeners that accept.
    private func readyLines(_ program: RunningProgram) -> [String] {
        program.text.split(separator: "\n").compactMap { line in
            line.range(of: " ready ").map { String(line[$0.upperBound...]) }
        }
    }

    private static func text(_ listener: String, _ domain: String) -> String {
        """
        server: {name: mail.flxw.de}
        listeners: [\(listener)]
        routes: [{recipients: [\(domain)], backends: ["127.0.0.1:2525"]}]

        """
    }

    /// How many sockets each of its loops waits for, by its epoll descriptors.
    private func socketsOfLoops(_ program: RunningProgram) throws -> [Int] {
        let process = "/proc/\(program.pid)"
        let names = try FileManager.default.contentsOfDirectory(atPath: "\(process)/fd")
        func kind(_ name: String) -> String {
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(process)/fd/\(name)")) ?? ""
        }
        return try names.filter { kind($0) == "anon_inode:[eventpoll]" }.map { name in
            try String(contentsOfFile: "\(process)/fdinfo/\(name)", encoding: .utf8).split(separator: "\n").count {
                line in
                let words = line.split(separator: " ")
                return words.first == "tfd:" && words.count > 1 && kind(String(words[1])).hasPrefix("socket:")
            }
        }.filter { $0 > 0 }
    }

    /// Clients that are greeted, and how many each loop has of them.
    private func connect(
        _ network: TestNetwork, _ port: UInt16, _ program: RunningProgram
    ) throws -> (clients: [SMTPDialogue], shares: [Int]) {
        let clients = try (0..<Self.clients).map { _ in try SMTPDialogue.greeted(network, port: port) }
        return (clients, try self.socketsOfLoops(program))
    }

    @Test("One socket: its clients are dealt out to the loops in turn")
    func inTurn() throws {
        let network = try TestNetwork()
        let (program, _) = try self.start(network, "{address: \"127.0.0.1:2526\"}")
        defer { program.stop() }
        #expect(self.readyLines(program) == ["listener=127.0.0.1:2526 source=relay"])
        let (clients, shares) = try self.connect(network, 2526, program)
        // (One of them has the listener too.)
        #expect(shares.sorted() == [Self.clients / 2, Self.clients / 2 + 1])
        for client in clients { try client.quit() }
    }

    @Test("reuseport: both loops have clients of their own; a reload reaches all of them, and a drain ends them")
    func own() throws {
        let network = try TestNetwork()
        let backend = try ScriptedBackend(network)
        let listener = "{address: \"127.0.0.1:2526\", reuseport: auto}"
        let (program, configuration) = try self.start(network, listener, ready: 2)
        #expect(self.readyLines(program) == (0...1).map { "listener=127.0.0.1:2526 source=relay loop=\($0)" })
        let (clients, shares) = try self.connect(network, 2526, program)
        // The kernel goes by a hash that nobody knows before: fewer than 5 of 40 are one in ten million.
        #expect(shares.count == 2 && shares.allSatisfy { $0 > 5 }, "\(shares)")

        try Data(Self.text(listener, "new.example").utf8).write(to: URL(fileURLWithPath: configuration))
        program.kill(SIGHUP)
        _ = try program.line { $0.contains("reloaded") }
        for client in clients {
            _ = try client.command("MAIL FROM:<a@b.example>")
            #expect(try client.command("RCPT TO:<x@old.example>").is(550, "5.7.1"))
            _ = try client.command("RSET")
        }
        #expect(try clients[0].message(to: "x@new.example").code == 250)
        program.kill(SIGTERM)
        for client in clients {
            #expect(try client.reply().is(421, "4.3.2"))
            #expect(try client.isClosed())
        }
        #expect(try program.exitStatus() == 0)
        #expect((try? network.connect(2526)) == nil)
        #expect(backend.record.read { $0.messages.count } == 1)
    }

    @Test("reuseport=2 of the broker's: a loop each; who comes while no relay runs waits for the next one, on both")
    func broker() throws {
        let network = try TestNetwork(policy: Self.policy)
        let broker = try BrokerUnderTest(
            in: network, sockets: [("smtp", "127.0.0.1", 25), ("smtp", "127.0.0.1", 25)])
        let backend = try ScriptedBackend(network)
        let first = try self.start(network, "{socket: smtp}", ready: 2).program
        #expect(self.readyLines(first) == (0...1).map { "listener=127.0.0.1:25 source=broker loop=\($0)" })
        let (clients, shares) = try self.connect(network, 25, first)
        #expect(shares.count == 2 && shares.allSatisfy { $0 > 5 }, "\(shares)")
        first.kill(SIGTERM)
        for client in clients { #expect(try client.reply().is(421, "4.3.2")) }
        #expect(try first.exitStatus() == 0)

        let early = try (0..<Self.clients).map { _ in try SMTPDialogue(connecting: network, port: 25) }
        let second = try self.start(network, "{socket: smtp}", ready: 2).program
        defer { second.stop() }
        for client in early {
            #expect(try client.reply().code == 220)
            #expect(try client.command("EHLO client.example.org").code == 250)
        }
        let shared = try self.socketsOfLoops(second)
        #expect(shared.count == 2 && shared.allSatisfy { $0 > 5 }, "\(shared)")
        #expect(try early[0].message(to: "x@old.example").code == 250)
        for client in early.dropFirst() { try client.quit() }
        #expect(backend.record.read { $0.messages.count } == 1)
        withExtendedLifetime(broker) {}
    }
}
