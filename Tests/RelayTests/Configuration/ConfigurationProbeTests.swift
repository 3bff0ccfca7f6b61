import NIOCore
import Routing
import SMTPCore
import Testing

@testable import Relay

@Suite("names of backends and probes, in relay.yaml") struct ConfigurationProbeTests {
    private func decode(_ backends: String, _ group: String = "", _ more: String = "") throws -> LoadedConfiguration {
        try decodeConfiguration(
            """
            listeners: [{socket: smtp}]
            groups:
              app:
                backends: \(backends)
                \(group)
            routes: [{recipients: "*", group: app}]
            \(more)
            """)
    }

    @Test("Every key of a probe is read, and written in the summary")
    func whole() throws {
        let loaded = try self.decode(
            "[\"srv:_smtp._tcp.App.internal\", \"b.internal:25\"]",
            "health: {interval: 5s, timeout: 2s, probe: probe@example.org, sender: a@example.org, rise: 1, fall: 4, refusal: fail}"
        )
        #expect(loaded.warnings.isEmpty)
        let group = try #require(loaded.configuration.groups.first)
        #expect(group.backends.map(\.address) == [.service("_smtp._tcp.app.internal"), .host("b.internal", port: 25)])
        let probe = try #require(group.health.probe)
        #expect(probe.interval == .seconds(5) && probe.timeout == .seconds(2) && probe.rise == 1 && probe.fall == 4)
        #expect(probe.recipient == .mailbox(Mailbox(localPart: "probe", domain: "example.org")))
        #expect(probe.sender == .mailbox(Mailbox(localPart: "a", domain: "example.org")))
        #expect(probe.refusalIsFailure)
        #expect(
            loaded.configuration.summary.contains(
                "probed every 5s probe probe@example.org sender a@example.org timeout 2s rise 1 fall 4 refusal fail"))
    }

    @Test("The defaults: no probe; with an interval alone one up to EHLO")
    func defaults() throws {
        #expect(try self.decode("[a:25]").configuration.groups.first?.health.probe == nil)
        let probed = try self.decode("[a:25]", "health: {interval: 10s}").configuration
        #expect(probed.groups.first?.health.probe == ProbePolicy())
        let named = try self.decode("[a:25]", "health: {probe: <postmaster>, sender: <>}").configuration
        #expect(named.groups.first?.health.probe?.recipient == .postmaster)
        #expect(named.groups.first?.health.probe?.sender == .null)
    }

    @Test("The bounds of names are read without servers, too, and written in the summary")
    func bounds() throws {
        let loaded = try self.decode("[a:25]", "", "resolver: {least: 2s, longest: 1m, stale: 1h}")
        #expect(loaded.configuration.resolver == nil)
        var bounds = NameBounds()
        (bounds.least, bounds.longest, bounds.stale) = (.seconds(2), .minutes(1), .hours(1))
        #expect(loaded.configuration.names == bounds)
        #expect(loaded.configuration.summary.contains("names of backends: least 2s, longest 1m, stale 1h"))
        #expect(try self.decode("[a:25]").configuration.names == NameBounds())
    }

    static let mistakes: [(String, String, String, String)] = [
        (
            "[{address: \"srv:_smtp._tcp.a\", weight: 2}]", "", "",
            "groups.app.backends[0].weight: the weights of a service are those of its SRV records"
        ),
        (
            "[\"srv:a.internal\"]", "", "",
            "groups.app.backends[0]: \"srv:a.internal\" is not the name of a service: write srv:_smtp._tcp.DOMAIN"
        ),
        (
            "[a:25]", "health: {rise: 1}", "",
            "groups.app.health: rise is about probes, and there are none: write an interval"
        ),
        (
            "[a:25]", "health: {interval: 5s, sender: <>}", "",
            "groups.app.health: sender belongs to a probe with a recipient: write probe: ADDRESS"
        ),
        (
            "[a:25]", "health: {probe: nobody}", "",
            "groups.app.health.probe: \"nobody\" is not the address of a mailbox: write postmaster@example.org"
        ),
        (
            "[a:25]", "health: {probe: a@b.example, sender: nobody}", "",
            "groups.app.health.sender: \"nobody\" is neither <> nor the address of a mailbox"
        ),
        (
            "[a:25]", "health: {probe: \"a@b.example NOTIFY=NEVER\"}", "",
            "groups.app.health.probe: \"a@b.example NOTIFY=NEVER\" is not the address of a mailbox: write postmaster@example.org"
        ),
        (
            "[a:25]", "health: {probe: a@b.example, refusal: down}", "",
            "groups.app.health.refusal: \"down\" is not one of ignore, fail"
        ),
        ("[a:25]", "health: {interval: 10ms}", "", "groups.app.health.interval: 10ms is not from 1s to 1h"),
        ("[a:25]", "", "resolver: {least: 10s, longest: 5s}", "resolver: least (10s) is more than longest (5s)"),
        ("[a:25]", "", "resolver: {timeout: 5s}", "resolver: a timeout belongs to servers, and it has none"),
        ("[a:25]", "", "resolver: {stale: 100ms}", "resolver.stale: 100ms is not from 1s to 168h"),
    ]

    @Test("A mistake is told with its place", arguments: mistakes)
    func mistake(_ backends: String, _ group: String, _ more: String, _ message: String) {
        let error = #expect(throws: ConfigurationError.self) { try self.decode(backends, group, more) }
        #expect(error?.problems.filter { $0.severity == .error }.map(\.message) == [message])
    }
}
