import NIOCore
import Routing
import SMTPCore
import Testing

@testable import Relay

@Suite("reject routes, bounds and summary, in relay.yaml") struct ConfigurationRouteTests {
    private static func mailbox(_ localPart: String, _ domain: String) -> ForwardPath {
        .mailbox(Mailbox(localPart: localPart, domain: domain))
    }

    static let rejecting = """
        listeners: [{socket: smtp}]
        routes:
          - {recipients: "abuse@", reject: "550 5.1.1 No such user"}
          - {recipients: bücher.example, reject: null-mx}
          - {recipients: later.example, reject: "450 Come back"}
          - {recipients: "*", backends: ["app:25"]}
        """

    @Test("A route may refuse, and one before others makes exceptions")
    func rejections() throws {
        let loaded = try decodeConfiguration(Self.rejecting)
        #expect(loaded.warnings.isEmpty)
        let table = loaded.configuration.routeTable
        let noUser = SMTPReply(550, .init(5, 1, 1), "No such user")
        #expect(table.decide(Self.mailbox("abuse", "flxw.de")) == .reject(noUser))
        #expect(table.decide(Self.mailbox("a", "XN--BCHER-KVA.example")) == .reject(.nullMX))
        #expect(
            table.decide(Self.mailbox("a", "later.example")) == .reject(SMTPReply(450, .init(4, 7, 1), "Come back")))
        guard case .group = table.decide(Self.mailbox("a", "flxw.de")) else {
            Issue.record("not routed")
            return
        }
        #expect(!loaded.configuration.leadsToSeveralDestinations)
    }

    @Test(
        "A mistake is told with its place",
        arguments: [
            ("", "9:5: routes[1]: it needs a group, backends, a lookup or reject"),
            ("reject: \"550\"", "10:13: routes[1].reject: it has no text: write \"550 5.1.1 No such user\""),
            ("reject: \"421 x\"", "10:13: routes[1].reject: 421 would end the session: write 450 or 451"),
            (
                "reject: \"250 x\"",
                "10:13: routes[1].reject: it does not begin with a reply code from 400 to 559: "
                    + "write \"550 5.1.1 No such user\""
            ),
            (
                "reject: [550]",
                "10:13: routes[1].reject: a reply such as \"550 5.1.1 No such user\" is expected here, not a list"
            ),
            ("rejects: null-mx", "10:5: routes[1]: unknown key \"rejects\"; did you mean \"reject\"?"),
            (
                "reject: null-mx\n    group: app",
                "10:13: routes[1]: it leads somewhere and refuses: one route does one of them"
            ),
            (
                "reject: null-mx\n    backends: [\"a:1\"]",
                "10:13: routes[1]: it leads somewhere and refuses: one route does one of them"
            ),
            (
                "reject: null-mx\n    message: {nul: pass}",
                "11:14: routes[1]: a message belongs to backends: write it in the group"
            ),
        ])
    func mistakes(_ text: String, _ message: String) {
        let errors = configurationErrors(RelayConfigurationTests.minimal + "  - recipients: b.de\n    \(text)\n")
        // A mistake in a key leaves the route without it.
        #expect(errors.contains(message), "\(errors)")
    }

    @Test(
        "To refuse postmaster is a warning", arguments: ["postmaster@", "PostMaster@b.de", "\"\\\"postmaster\\\"@\""])
    func postmaster(_ pattern: String) throws {
        let text = RelayConfigurationTests.minimal + "  - {recipients: \(pattern), reject: null-mx}\n"
        let warnings = try decodeConfiguration(text).warnings
        #expect(
            warnings.map(\.message) == [
                "routes[1].recipients: mail to postmaster has to be taken (RFC 5321 section 4.5.1)"
            ])
        #expect(try decodeConfiguration(text.replacing("reject: null-mx", with: "group: app")).warnings.isEmpty)
    }

    @Test("A lookup may lead to several destinations")
    func lookup() throws {
        let text = RelayConfigurationTests.minimal + "lookup: {url: \"http://127.0.0.1/\"}\n"
        #expect(try decodeConfiguration(text).configuration.leadsToSeveralDestinations)
        #expect(try !decodeConfiguration(RelayConfigurationTests.minimal).configuration.leadsToSeveralDestinations)
    }

    // MARK: Bounds

    @Test("The bounds of the backend's side and of slow clients are read")
    func bounds() throws {
        let defaults = try decodeConfiguration(RelayConfigurationTests.minimal).configuration
        #expect(defaults.timeouts.greeting == .minutes(5))
        #expect(defaults.timeouts.backendCommand == .minutes(5))
        #expect(defaults.timeouts.backendDataBlock == .minutes(3))
        #expect(defaults.limits.dataRate == 100)
        let text = """
            timeouts: {greeting: 30s, backend-command: 1m, backend-data-block: 90s}
            limits: {data-rate: 0, replay-window: 128KiB, replay-total: 1GiB}
            """
        let configuration = try decodeConfiguration(RelayConfigurationTests.minimal + text).configuration
        #expect(configuration.timeouts.greeting == .seconds(30))
        #expect(configuration.timeouts.backendCommand == .minutes(1))
        #expect(configuration.timeouts.backendDataBlock == .seconds(90))
        #expect(configuration.limits.dataRate == 0)
        #expect(defaults.limits.replayWindow == 65_536 && defaults.limits.replayTotal == 67_108_864)
        #expect(configuration.limits.replayWindow == 131_072 && configuration.limits.replayTotal == 1_073_741_824)
    }

    @Test(
        "A bound that is out of range is told with its place",
        arguments: [
            ("timeouts: {greeting: 11m}", "9:22: timeouts.greeting: 11m is not from 1s to 10m"),
            ("timeouts: {backend-command: 0s}", "9:29: timeouts.backend-command: 0s is not from 1s to 10m"),
            ("timeouts: {backend-data-block: 2h}", "9:32: timeouts.backend-data-block: 2h is not from 1s to 1h"),
            (
                "timeouts: {backend-comand: 1m}",
                "9:12: timeouts: unknown key \"backend-comand\"; did you mean \"backend-command\"?"
            ),
            (
                "limits: {data-rate: 1000001}",
                "9:21: limits.data-rate: 1000001 is not from 1 to 1000000, or 0 for no limit"
            ),
            (
                "limits: {replay-window: 17MiB}",
                "9:25: limits.replay-window: 17MiB is not from 1024 to 16777216 octets, or 0 for none"
            ),
            (
                "limits: {replay-total: 1}",
                "9:24: limits.replay-total: 1 is not from 65536 to 1099511627776 octets, or 0 for none"
            ),
            (
                "limits: {replay-windows: 1KB}",
                "9:10: limits: unknown key \"replay-windows\"; did you mean \"replay-window\"?"
            ),
            ("limits: {data-rate: 1KB}", "9:21: limits.data-rate: \"1KB\" is not a whole number"),
        ])
    func outOfRange(_ text: String, _ message: String) {
        #expect(configurationErrors(RelayConfigurationTests.minimal + text) == [message])
    }

    // MARK: Summary

    @Test("The summary of defaults names none of them")
    func plainSummary() throws {
        #expect(
            try decodeConfiguration(RelayConfigurationTests.minimal).configuration.summary == """
                server: the host name
                listener: socket "smtp"
                group app: 127.0.0.1:2525
                route: flxw.de -> app
                otherwise: 550 5.7.1
                """)
    }

    @Test("The summary names every setting that is not the default")
    func summary() throws {
        let text = """
            listeners:
              - {socket: smtp, ehlo: [DSN, SIZE], pipelining: tolerant, hello: optional, greeting: [a, b c]}
              - {address: "127.0.0.1:2526", ehlo: []}
            message: {nul: reject}
            groups:
              app:
                backends: ["a:1"]
                message: {bare-line-ends: pass, longest-line: 1000, received-limit: 0, received: off, size: 64KiB}
            routes:
              - {recipients: ["abuse@"], reject: "550 5.1.1 No such user"}
              - {recipients: [bücher.example, "*.de"], group: app}
              - {recipients: b.de, backends: ["b:1", "c:1"], message: {nul: pass, eight-bit: refuse, replies: pass}}
            lookup: {url: "http://127.0.0.1/"}
            limits: {data-rate: 0, errors: 3}
            timeouts: {greeting: 1m30s}
            """
        #expect(
            try decodeConfiguration(text).configuration.summary == """
                server: the host name
                listener: socket "smtp", ehlo SIZE DSN, pipelining tolerant, hello optional, greeting "a" "b c"
                listener: 127.0.0.1:2526, ehlo nothing
                group app: a:1; message: bare-line-ends pass, nul reject, longest-line 1000, received-limit 0, \
                received off, size 65536
                route: abuse@ -> 550 5.1.1 No such user
                route: xn--bcher-kva.example *.de -> app
                route: b.de -> b:1, c:1, round-robin; message: eight-bit refuse, replies pass
                otherwise: ask http://127.0.0.1:80/; message: nul reject
                transactions: one destination each, which RCPTDOMAINMAX=1 tells senders
                limits: errors 3, data-rate 0
                timeouts: greeting 1m30s
                """)
    }
}
