import AuthHTTP
import Routing
import SMTPCore
import Testing

@testable import Relay

@Suite("Conditions, expressions and lookups of routes, in relay.yaml") struct ConfigurationRouteConditionTests {
    /// Up to the routes: line 7 is the first one's.
    static let head = """
        listeners:
          - {socket: smtp}
          - {address: "127.0.0.1:2526", tls: starttls, auth: [plain], users: /etc/postern/users}
          - {address: "unix:/run/postern-relay/smtp.sock"}
        tls: {certificates: [{certificate: /c.pem, key: /k.pem}]}
        routes:

        """

    private func routes(_ lines: String...) throws -> RelayConfiguration {
        try decodeConfiguration(Self.head + lines.map { "  - \($0)\n" }.joined()).configuration
    }

    @Test("Conditions stand beside recipients, one or several of each")
    func conditions() throws {
        let configuration = try self.routes(
            """
            {recipients: flxw.de, listeners: [smtp, "127.0.0.1:2526"], clients: [10.0.0.0/8, "2001:db8::1", "unix:"], \
            server-names: [Bücher.example, "*.example.org"], users: [anna, "jörg"], reject: null-mx}
            """,
            #"{recipients: x@, listeners: "unix:/run/postern-relay/smtp.sock", users: ["*", anna], reject: null-mx}"#)
        let conditions = configuration.routes.map(\.conditions)
        #expect(conditions[0].listeners == [0, 1])
        #expect(conditions[0].clients.map(\.description) == ["10.0.0.0/8", "2001:db8::1"])
        #expect(conditions[0].includesUnixClients)
        #expect(conditions[0].serverNames.map(\.description) == ["xn--bcher-kva.example", "*.example.org"])
        #expect(conditions[0].users == [UserName("anna"), UserName("j\u{F6}rg")])
        #expect(!conditions[0].requiresUser)
        #expect(conditions[1].listeners == [2])
        #expect(conditions[1].requiresUser)
        #expect(conditions[1].users.isEmpty)
        #expect(
            configuration.summary.contains(
                """
                route: flxw.de, listeners socket "smtp" 127.0.0.1:2526, clients 10.0.0.0/8 2001:db8::1 unix:, \
                server-names xn--bcher-kva.example *.example.org, users anna j\u{F6}rg -> 556 5.1.10 Recipient
                """))
    }

    @Test("A route with conditions and no recipients is for all of them")
    func everyone() throws {
        let configuration = try self.routes("{clients: 10.0.0.0/8, reject: null-mx}")
        #expect(configuration.routes[0].recipients == [.everyone])
        #expect(configuration.summary.contains("route: *, clients 10.0.0.0/8 -> 556 "))
    }

    @Test("A route may have a lookup of its own; two that ask alike have one")
    func lookups() throws {
        let configuration = try self.routes(
            #"{recipients: a.de, lookup: {url: "http://127.0.0.1/a"}}"#,
            #"{recipients: b.de, lookup: {url: "http://127.0.0.1/b", timeout: 1s}}"#,
            #"{recipients: c.de, lookup: {url: "http://127.0.0.1/a"}}"#)
        #expect(configuration.routes.map(\.target) == [.lookup(0), .lookup(1), .lookup(0)])
        #expect(configuration.routeLookups.map(\.endpoints.first?.target) == ["/a", "/b"])
        #expect(configuration.allLookups == configuration.routeLookups)
        #expect(configuration.lookup == nil)
        #expect(configuration.leadsToSeveralDestinations)
        #expect(configuration.summary.contains("route: b.de -> ask http://127.0.0.1:80/b"))
        // What the servers that it names have is not known: nothing that depends on it is announced.
        let terms = SessionTerms(
            try RelaySnapshot(try self.plain(configuration), hostName: "h"), BackendKnowledge(), listener: 0)
        #expect(terms.session.extensions == .ofRelay)
    }

    /// The same without TLS, whose files are not there.
    private func plain(_ configuration: RelayConfiguration) throws -> RelayConfiguration {
        var configuration = configuration
        for place in configuration.listeners.indices { configuration.listeners[place].tls = .none }
        configuration.tls = .init()
        return configuration
    }

    @Test("Which destinations there are depends on the listener")
    func destinations() throws {
        let configuration = try self.routes(
            #"{listeners: smtp, backends: ["a:25"]}"#, #"{clients: 10.0.0.0/8, backends: ["b:25"]}"#,
            #"{recipients: "*", backends: ["b:25"]}"#)
        #expect(!configuration.leadsToSeveralDestinations(at: 0))
        #expect(!configuration.leadsToSeveralDestinations(at: 1))
        #expect(configuration.leadsToSeveralDestinations)
        let others = try self.routes(
            #"{clients: 10.0.0.0/8, backends: ["a:25"]}"#, #"{recipients: "*", backends: ["b:25"]}"#)
        #expect(others.leadsToSeveralDestinations(at: 1))
    }

    @Test(
        "A mistake is told with its place",
        arguments: [
            (
                "{listeners: smpt, reject: null-mx}",
                #"7:17: routes[0].listeners: no listener is "smpt"; did you mean "smtp"?"#
            ),
            (
                #"{listeners: [smtp, "127.0.0.1:2525"], reject: null-mx}"#,
                #"7:24: routes[0].listeners[1]: no listener is "127.0.0.1:2525"; did you mean "127.0.0.1:2526"?"#
            ),
            (
                "{listeners: [smtp, smtp], reject: null-mx}",
                #"7:24: routes[0].listeners[1]: "smtp" is here a second time"#
            ),
            ("{listeners: [], reject: null-mx}", "7:17: routes[0].listeners: there has to be one at least"),
            (
                "{clients: 10.0.0.1/8, reject: null-mx}",
                #"7:15: routes[0].clients: "10.0.0.1/8" has bits behind its prefix: write 10.0.0.0/8 or 10.0.0.1"#
            ),
            (
                "{clients: [example.org], reject: null-mx}",
                #"7:16: routes[0].clients[0]: "example.org" is not an IP address or a network: write 192.0.2.0/24 or "#
                    + "2001:db8::/32"
            ),
            (
                "{clients: {}, reject: null-mx}",
                "7:15: routes[0].clients: a list is expected here, not keys with values"
            ),
            (
                #"{server-names: "a.*", reject: null-mx}"#,
                #"7:20: routes[0].server-names: "a.*": a star stands before a name, as in "*.example.org""#
            ),
            (#"{users: [""], reject: null-mx}"#, "7:14: routes[0].users[0]: it is empty"),
            (
                #"{recipients: "/[a/", reject: null-mx}"#,
                #"7:18: routes[0].recipients: "/[a/": missing terminating ] for character class, at offset 2 of the "#
                    + "expression"
            ),
            (
                "{server-name: a.de, reject: null-mx}",
                #"7:6: routes[0]: unknown key "server-name"; did you mean "server-names"?"#
            ),
            (
                #"{recipients: a.de, lookup: {url: "http://127.0.0.1/", identity: none}}"#,
                "7:59: routes[0].lookup: identity is not in this version"
            ),
            ("{recipients: a.de, lookup: {}}", "7:32: routes[0].lookup: it has no url"),
            (
                #"{recipients: a.de, group: a, lookup: {url: "http://127.0.0.1/"}}"#,
                "7:42: routes[0]: it leads somewhere and asks: one route does one of them"
            ),
            (
                #"{recipients: a.de, lookup: {url: "http://127.0.0.1/"}, reject: null-mx}"#,
                "7:68: routes[0]: it leads somewhere and refuses: one route does one of them"
            ),
            (
                #"{recipients: a.de, lookup: {url: "http://127.0.0.1/"}, tls: starttls}"#,
                "7:65: routes[0]: tls belongs to backends: write it in the group"
            ),
            ("{reject: null-mx}", "7:5: routes[0]: it has no recipients"),
        ])
    func mistakes(_ text: String, _ message: String) {
        let errors = configurationErrors(Self.head + "  - \(text)\n")
        #expect(errors.contains(message), "\(errors)")
    }

    @Test("An expression that backtracks without bound is refused")
    func backtracking() {
        let errors = configurationErrors(Self.head + "  - {recipients: \"/^(a+)+$/\", reject: null-mx}\n")
        #expect(
            errors.first?.hasPrefix(
                #"7:18: routes[0].recipients: "/^(a+)+$/": it backtracks beyond all bounds, as with "aaaa"#) == true,
            "\(errors)")
    }

    @Test("A listener with a mistake is not missed twice")
    func brokenListener() {
        let text = Self.head.replacing("{socket: smtp}", with: "{socket: \"s p\"}")
        let errors = configurationErrors(text + "  - {listeners: smtp, reject: null-mx}\n")
        #expect(errors.count == 1, "\(errors)")
    }

    @Test("What can never come is a warning")
    func warnings() throws {
        let text = """
            listeners: [{socket: smtp}]
            routes:
              - {users: anna, reject: null-mx}
              - {server-names: a.de, reject: null-mx}

            """
        #expect(
            try decodeConfiguration(text).warnings.map(\.message) == [
                "routes[0].users: no listener has a users file: whom a lookup authenticates goes where that lookup says",
                "routes[1].server-names: no listener has TLS, and without it no client asks for a name",
            ])
    }

    @Test("Patterns that an earlier route makes useless are warnings, whatever kind takes their recipients")
    func shadowed() throws {
        let configuration = try decodeConfiguration(
            Self.head + """
                  - {recipients: ["*.a.de", b.de, "x@", "/y/"], reject: null-mx}
                  - {recipients: [c.de], clients: 10.0.0.0/8, reject: null-mx}
                  - {recipients: [s.a.de, "*.t.a.de", "m@s.a.de", "m@b.de", "x@z.de", "/y/"], reject: null-mx}
                  - {recipients: ["m@a.de", a.de, "*.b.de", "y@", "/y/i", c.de, "m@xb.de"], reject: null-mx}
                  - {recipients: [d.de], clients: 10.0.0.0/8, reject: null-mx}
                  - {recipients: [d.de, b.de], clients: 10.0.0.0/8, reject: null-mx}
                  - {recipients: [d.de], clients: 192.0.2.0/24, reject: null-mx}

                """)
        #expect(
            configuration.warnings.map(\.message) == [
                "routes[2].recipients[0]: line 7 takes these recipients already",
                "routes[2].recipients[1]: line 7 takes these recipients already",
                "routes[2].recipients[2]: line 7 takes these recipients already",
                "routes[2].recipients[3]: line 7 takes these recipients already",
                "routes[2].recipients[4]: line 7 takes these recipients already",
                "routes[2].recipients[5]: line 7 takes these recipients already",
                "routes[5].recipients[0]: line 11 takes these recipients already",
                "routes[5].recipients[1]: line 7 takes these recipients already",
            ])
    }

    @Test("A refusal of postmaster is no warning where other clients' is taken")
    func postmaster() throws {
        let text = Self.head + "  - {recipients: postmaster@, clients: 192.0.2.0/24, reject: null-mx}\n"
        #expect(try decodeConfiguration(text).warnings.isEmpty)
    }
}
