import Routing
import Testing

@testable import Relay

@Suite("groups, in relay.yaml") struct ConfigurationGroupTests {
    private static func text(_ group: String) -> String {
        "listeners: [{socket: smtp}]\nroutes: [{recipients: \"*\", group: app}]\ngroups:\n  app:\n    \(group)\n"
    }

    private func group(_ text: String) throws -> BackendGroup {
        try #require(try decodeConfiguration(Self.text(text)).configuration.groups.first)
    }

    @Test("Every key is read")
    func keys() throws {
        let group = try self.group(
            """
            backends: ["a:1", {address: "b:1", weight: 3, backup: true, max-connections: 50}, {address: "c:1", backup: off}]
                max-connections: 100
                wait: 1s500ms
                health: {failures: 5, eject: 30s, longest-eject: 1h}
            """)
        #expect(
            group.backends == [
                Backend(.host("a", port: 1)),
                Backend(.host("b", port: 1), weight: 3, isBackup: true, maxConnections: 50),
                Backend(.host("c", port: 1)),
            ])
        #expect(group.maxConnections == 100)
        #expect(group.wait == .milliseconds(1500))
        #expect(group.health.failures == 5)
        #expect(group.health.eject == .seconds(30))
        #expect(group.health.longestEject == .seconds(3600))
    }

    @Test("Without them there are no bounds, and three failures eject for 10 seconds")
    func defaults() throws {
        let group = try self.group("backends: [\"a:1\"]")
        #expect(group.maxConnections == 0 && group.backends[0].maxConnections == 0 && !group.backends[0].isBackup)
        #expect(group.wait == .seconds(5))
        #expect(group.health == HealthPolicy())
        #expect(group.health.failures == 3 && group.health.eject == .seconds(10))
        #expect(group.health.longestEject == .seconds(300))
    }

    @Test("An ejection that is longer than the longest by default makes that as long")
    func longEject() throws {
        let group = try self.group("backends: [\"a:1\"]\n    health: {eject: 1h}")
        #expect(group.health.longestEject == .seconds(3600))
    }

    @Test("A backend of a route's own may be a backup, too")
    func inline() throws {
        let text = """
            listeners: [{socket: smtp}]
            routes: [{recipients: "*", backends: ["a:1", {address: "b:1", backup: on, max-connections: 2}]}]
            """
        let group = try #require(try decodeConfiguration(text).configuration.routes[0].group)
        #expect(group.backends[1] == Backend(.host("b", port: 1), isBackup: true, maxConnections: 2))
    }

    @Test(
        "A mistake is told with its place",
        arguments: [
            ("backends: [{address: \"a:1\", backup: maybe}]", "\"maybe\" is not one of on, off, true, false"),
            ("backends: [{address: \"a:1\", max-connection: 1}]", "did you mean \"max-connections\"?"),
            ("backends: [{address: \"a:1\", max-connections: -1}]", "\"-1\" is not a whole number"),
            (
                "backends: [\"a:1\"]\n    max-connections: 5000000",
                "5000000 is not from 1 to 1000000, or 0 for no limit"
            ),
            ("backends: [\"a:1\"]\n    wait: 5m", "groups.app.wait: 5m is not from 0s to 4m"),
            ("backends: [\"a:1\"]\n    wait: 5", "did you mean \"5s\"?"),
            ("backends: [\"a:1\"]\n    health: {failures: few}", "\"few\" is not a whole number"),
            ("backends: [\"a:1\"]\n    health: {eject: 1ms}", "health.eject: 1ms is not from 100ms to 24h"),
            (
                "backends: [\"a:1\"]\n    health: {eject: 1m, longest-eject: 30s}",
                "6:40: groups.app.health.longest-eject: it is shorter than eject, which is 1m"
            ),
            ("backends: [\"a:1\"]\n    health: off", "keys with values is expected here"),
        ])
    func mistakes(_ group: String, _ message: String) throws {
        let problems = configurationErrors(Self.text(group))
        #expect(problems.count == 1 && problems[0].contains(message), "\(problems)")
    }

    @Test("That all backends are backups is a warning")
    func allBackups() throws {
        let warnings = try decodeConfiguration(Self.text("backends: [{address: \"a:1\", backup: on}]")).warnings
        #expect(warnings.map(\.message) == ["groups.app.backends: all of them are backups: that is as if none were"])
    }

    @Test("The summary has what is not the default")
    func summary() throws {
        let one = try decodeConfiguration(Self.text("backends: [\"a:1\"]")).configuration.summary
        #expect(one.contains("group app: a:1\n"))
        let text = """
            backends: ["a:1", {address: "b:1", weight: 2, backup: on, max-connections: 9}]
                balance: first
                max-connections: 20
                wait: 0s
                health: {failures: 0, eject: 20s, longest-eject: 1m}
            """
        let other = try decodeConfiguration(Self.text(text)).configuration.summary
        #expect(
            other.contains(
                "group app: a:1, b:1 (weight 2, backup, max-connections 9), first, max-connections 20, wait 0s, "
                    + "health failures 0 (never ejected), eject 20s, longest-eject 1m\n"), "\(other)")
    }
}
