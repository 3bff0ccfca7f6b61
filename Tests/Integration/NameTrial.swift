import Foundation

/// A relay whose backends are names, and a DNS server whose zone the test changes.
struct NameTrial {
    let network: TestNetwork
    let server: RunningProgram
    let relay: RelayUnderTest
    private let zone: String

    /// - Parameters:
    ///   - zone: lines of the zone, as nameserver.py has them.
    ///   - backends: of the only group.
    ///   - group: more keys of it, a line each.
    init(
        _ zone: [String], backends: String = "app.internal:2525", group: [String] = [], resolver: String = "",
        listener: UInt16 = 2526, prepare: (TestNetwork) throws -> Void = { _ in }
    ) throws {
        self.network = try TestNetwork()
        try prepare(self.network)
        self.zone = try RelayWorld.file("zone", "")
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Mail")
        try Self.write(zone, self.zone)
        self.server = try self.network.start(
            ["/usr/bin/python3", "-B", folder.appending(path: "nameserver.py").path, "5300", "--zone", self.zone])
        _ = try self.server.line { $0 == "ready" }
        self.relay = try RelayUnderTest(
            in: self.network, port: listener,
            """
            groups:
              app:
                backends: ["\(backends)"]
            \(group.map { "    \($0)" }.joined(separator: "\n"))
            routes:
              - recipients: [flxw.de]
                group: app
            resolver: {servers: ["127.0.0.1:5300"], timeout: 1s\(resolver)}
            timeouts: \(RelayUnderTest.hasty)
            """)
    }

    /// Gives the zone other lines, all at once.
    func rewrite(_ lines: [String]) throws { try Self.write(lines, self.zone) }

    private static func write(_ lines: [String], _ path: String) throws {
        try Data(lines.map { $0 + "\n" }.joined().utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
    }

    /// Sends a message, and returns the reply that ended it.
    func send(_ text: String = "Subject: test\r\n\r\nHello") throws -> WireReply {
        let dialogue = try self.relay.greeted()
        let reply = try dialogue.message(to: "user@flxw.de", text)
        try dialogue.quit()
        return reply
    }

    /// Sends messages one by one until one has come to a backend; how many were not taken.
    func sendUntil(_ backend: ScriptedBackend, within patience: Duration = .seconds(30)) throws -> Int {
        let before = backend.record.read { $0.messages.count }
        let deadline = ContinuousClock.now + patience
        var refused = 0
        while backend.record.read({ $0.messages.count }) == before {
            guard ContinuousClock.now < deadline else {
                throw HarnessError("no message came: \(self.relay.program.text)")
            }
            if try self.send().code != 250 { refused += 1 }
            Thread.sleep(forTimeInterval: 0.05)
        }
        return refused
    }

    /// How many of the relay's lines have this in them.
    func lines(_ part: String) -> Int {
        self.relay.program.text.split(separator: "\n").count { $0.contains(part) }
    }
}
