import Foundation
import Testing

/// The units of systemd/ under a real systemd: each script of Tests/Integration/Systemd in a throwaway machine of its own.
@Suite(
    "Under systemd", .serialized,
    .works, .enabled(if: World.isHere && RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct SystemdTests {
    private static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

    /// Runs a script in a machine that is thrown away, and fails with everything that it found broken.
    private func run(_ script: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let programs = try #require(ProcessInfo.processInfo.environment["POSTERN_BIN"])
        let peers = try #require(ProcessInfo.processInfo.environment["POSTERN_PEERS"])
        let (status, text) = try RunningProgram.run(
            [
                "\(Self.root)/scripts/with-systemd", "--timeout", "150",
                "--bind-ro", "\(programs):/opt/programs",
                "--bind-ro", "\(Self.root)/systemd:/opt/units",
                "--bind-ro", "\(Self.root)/Tests/Integration/Systemd:/opt/scripts",
                "--bind-ro", "\(Self.root)/docs/examples/web-front:/opt/examples",
                "--bind-ro", "\(peers):/opt/peers",
                "--", "env", "PROGRAMS=/opt/programs", "UNITS=/opt/units", "SCRIPTS=/opt/scripts",
                "EXAMPLES=/opt/examples", "PEERS=/opt/peers",
                "bash", "/opt/scripts/\(script)",
            ], within: .seconds(240))
        let lines = text.split(separator: "\n")
        for line in lines where line.hasPrefix("not ok - ") {
            Issue.record("\(script): \(line.dropFirst(9))", sourceLocation: sourceLocation)
        }
        #expect(
            status == 0 && lines.last == "verdict: held" && lines.contains { $0.hasPrefix("ok - ") },
            "\(script): exit status \(status):\n\(text)", sourceLocation: sourceLocation)
    }

    @Test("systemd-analyze finds nothing wrong with a unit, and each service's exposure within its bound")
    func units() throws { try run("units.sh") }

    @Test("Port 25 by a socket unit, straight to the relay: mail, reloads, a restart, a crash, a useless configuration")
    func relayBySocket() throws { try run("relay-by-socket.sh") }

    @Test("Port 25 by a socket unit, through the broker: reloads, crash, hang, restart and stop, and nobody is refused")
    func brokerBySocket() throws { try run("broker-by-socket.sh") }

    @Test("Ports that binders bring to a running broker outlive its crashes and restarts, with leases out")
    func binderLive() throws { try run("binder-live.sh") }

    @Test("The web front's unit: nginx as www-data with the listener from the broker, and restarts that refuse nobody")
    func webFront() throws { try run("web-front.sh") }

    @Test("postern-admin is a service of its own, asks the relay, and outlives it")
    func admin() throws { try run("admin.sh") }

    @Test("The relay with its listener from the broker: mail, and restarts of either that refuse nobody")
    func relayByBroker() throws { try run("relay-by-broker.sh") }
}
