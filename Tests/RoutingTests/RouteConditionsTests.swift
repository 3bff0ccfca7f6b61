import Routing
import SMTPCore
import Testing

/// Conditions beside the recipient, each in combination with every spelling of recipients.
@Suite struct RouteConditionsTests {
    private func conditions(_ make: (inout RouteConditions) throws -> Void) rethrows -> RouteConditions {
        var conditions = RouteConditions()
        try make(&conditions)
        return conditions
    }

    private func client(_ make: (inout RouteClient) -> Void) -> RouteClient {
        var client = RouteClient(
            listener: 0, address: IPAddress("203.0.113.1").map { .ip($0) }, serverName: nil, user: nil)
        make(&client)
        return client
    }

    private func address(_ text: String) -> RouteClient.Address? { IPAddress(text).map { .ip($0) } }

    /// Each kind of condition, a client that meets it and one that does not.
    private func kinds() throws -> [(RouteConditions, meets: RouteClient, not: RouteClient)] {
        [
            (self.conditions { $0.listeners = [1, 2] }, self.client { $0.listener = 2 }, self.client { _ in }),
            (
                try self.conditions { $0.clients = [try IPNetwork(parsing: "192.0.2.0/24")] },
                self.client { $0.address = self.address("::ffff:192.0.2.9") }, self.client { $0.address = .unix }
            ),
            (
                self.conditions { $0.includesUnixClients = true }, self.client { $0.address = .unix },
                self.client { _ in }
            ),
            (
                try self.conditions { $0.serverNames = [try ServerNamePattern(parsing: "MX.Bücher.example.")] },
                self.client { $0.serverName = ServerNamePattern.canonical("mx.XN--bcher-kva.example.") },
                self.client { $0.serverName = "x.mx.xn--bcher-kva.example" }
            ),
            (
                try self.conditions { $0.serverNames = [try ServerNamePattern(parsing: "*.example.org")] },
                self.client { $0.serverName = "a.b.example.org" }, self.client { $0.serverName = "example.org" }
            ),
            (
                self.conditions { $0.users = [UserName("j\u{F6}rg"), UserName("a@b")] },
                self.client { $0.user = UserName("j\u{F6}rg") }, self.client { $0.user = UserName("jo\u{308}rg") }
            ),
            (self.conditions { $0.requiresUser = true }, self.client { $0.user = UserName("") }, self.client { _ in }),
        ]
    }

    /// Each kind of pattern, in every spelling of what it takes, and a recipient that it does not take.
    static let recipients: [(pattern: String, matches: [String], other: String)] = [
        ("*", ["a@b", "Postmaster", "\"a b\"@[192.0.2.1]", "a@b\u{FC}cher.example"], ""),
        (
            "b\u{FC}cher.example",
            ["a@XN--Bcher-KVA.example.", "\"a b\"@bu\u{308}cher.example", "a@b\u{FC}cher.example"], "a@bucher.example"
        ),
        (
            "*.xn--bcher-kva.example", ["a@x.b\u{FC}cher.example", "\"@\"@y.XN--bcher-kva.example"],
            "a@b\u{FC}cher.example"
        ),
        ("[IPv6:2001:db8::1]", ["a@[ipv6:2001:DB8:0::1]", "\"a b\"@[IPv6:2001:db8::1]"], "a@[IPv6:2001:db8::2]"),
        ("\"a b\"@", ["\"a b\"@[192.0.2.1]", "\"a\\ b\"@b\u{FC}cher.example", "\"a b\"@x"], "ab@x"),
        (
            "\"us\\er\"@b\u{FC}cher.example", ["user@xn--bcher-kva.example", "\"user\"@B\u{DC}CHER.example"],
            "User@xn--bcher-kva.example"
        ),
        ("x@[192.0.2.1]", ["x@[IPv6:::ffff:192.0.2.1]", "\"x\"@[192.0.2.1]"], "X@[192.0.2.1]"),
        ("/^\"a b\"@/", ["\"a b\"@x", "\"\\a b\"@[192.0.2.1]"], "ab@x"),
        (
            "/@xn--bcher-kva\\.example$/", ["a@B\u{DC}CHER.example.", "\"x y\"@xn--bcher-kva.example"],
            "a@\"b\u{FC}cher\"@x"
        ),
        ("/^j\u{F6}rg@\\[192\\.0\\.2\\.1\\]$/", ["j\u{F6}rg@[IPv6:::ffff:192.0.2.1]"], "jo\u{308}rg@[192.0.2.1]"),
    ]

    @Test(
        "A route is taken where its recipient matches and its client meets its condition",
        arguments: 0..<recipients.count)
    func combinations(_ place: Int) throws {
        let test = Self.recipients[place]
        for (conditions, meets, not) in try self.kinds() {
            let table = RouteTable(routes: [
                Route(
                    recipients: [try RecipientPattern(parsing: test.pattern)], conditions: conditions,
                    target: .reject(.nullMX))
            ])
            #expect(table.asksForClient)
            for recipient in test.matches {
                #expect(table.decide(path(recipient), of: meets) == .reject(.nullMX), "\(recipient) of \(meets)")
                #expect(table.decide(path(recipient), of: not) == .noMatch, "\(recipient) of \(not)")
                #expect(table.decide(path(recipient)) == .noMatch, "\(recipient) of nobody")
            }
            if !test.other.isEmpty { #expect(table.decide(path(test.other), of: meets) == .noMatch) }
        }
    }

    @Test("All conditions have to be met; of one list, one")
    func all() throws {
        let conditions = try self.conditions {
            $0.listeners = [0, 2]
            $0.clients = [try IPNetwork(parsing: "10.0.0.0/8"), try IPNetwork(parsing: "2001:db8::/32")]
            $0.requiresUser = true
        }
        let table = RouteTable(routes: [Route(recipients: [.everyone], conditions: conditions, target: .lookup(0))])
        let good = RouteClient(listener: 2, address: self.address("2001:db8::1"), user: UserName("a"))
        #expect(table.decide(.postmaster, of: good) == .lookup(0))
        for change: (inout RouteClient) -> Void in [
            { $0.listener = 1 }, { $0.listener = nil }, { $0.address = IPAddress("192.0.2.1").map { .ip($0) } },
            { $0.address = nil }, { $0.user = nil },
        ] {
            var client = good
            change(&client)
            #expect(table.decide(.postmaster, of: client) == .noMatch, "\(client)")
        }
    }

    @Test("A route whose client is another leaves the recipient to the routes behind it")
    func fallsThrough() throws {
        let domain = try RecipientPattern(parsing: "flxw.de")
        let here = self.conditions { $0.listeners = [1] }
        let user = self.conditions { $0.users = [UserName("anna")] }
        let table = RouteTable(routes: [
            Route(recipients: [domain], conditions: here, target: .lookup(0)),
            Route(recipients: [.everyone], conditions: user, target: .lookup(1)),
            Route(recipients: [domain], target: .lookup(2)),
            Route(recipients: [domain], target: .lookup(3)),
        ])
        let recipient = path("a@flxw.de")
        #expect(table.decide(recipient, of: RouteClient(listener: 1, user: UserName("anna"))) == .lookup(0))
        #expect(table.decide(recipient, of: RouteClient(listener: 0, user: UserName("anna"))) == .lookup(1))
        #expect(table.decide(recipient, of: RouteClient(listener: 0, user: UserName("Anna"))) == .lookup(2))
        #expect(table.decide(path("a@b"), of: RouteClient(user: UserName("anna"))) == .lookup(1))
    }

    @Test("An expression that goes beyond its bounds leaves its recipient undecided, unless an earlier route takes it")
    func undecided() throws {
        let expression = try RecipientPattern(parsing: "/^(q+)+$/")
        let bad = path(String(repeating: "q", count: 64) + "@b.example")
        let table = RouteTable(routes: [
            Route(recipients: [.domain("a.example")], target: .lookup(0)),
            Route(recipients: [expression], conditions: self.conditions { $0.listeners = [1] }, target: .lookup(1)),
            Route(recipients: [expression], target: .lookup(2)),
            Route(recipients: [.everyone], target: .lookup(3)),
        ])
        #expect(table.decide(bad, of: RouteClient(listener: 1)) == .undecided(route: 1))
        #expect(table.decide(bad) == .undecided(route: 2))
        #expect(table.decide(path("a@b.example")) == .lookup(3))
        #expect(table.decide(path(String(repeating: "q", count: 64) + "@a.example")) == .lookup(0))
    }

    @Test("What a client asked for that is no host name is no name")
    func serverNames() {
        #expect(ServerNamePattern.canonical("MX.Example.") == "mx.example")
        for name in ["", ".", "a..b", "a b", "b\u{FC}cher.example", String(repeating: "a", count: 300)] {
            #expect(ServerNamePattern.canonical(name) == nil, "\(name)")
        }
    }

    @Test(
        "A mistake in a server name is named",
        arguments: [
            ("*", "\"*\": a star stands before a name, as in \"*.example.org\""),
            ("a.*", "\"a.*\": a star stands before a name, as in \"*.example.org\""),
            ("192.0.2.1", "\"192.0.2.1\" is an address: clients ask for names only (RFC 6066 section 3)"),
            ("[::1]", "\"[::1]\" is an address: clients ask for names only (RFC 6066 section 3)"),
            ("a b", "\"a b\" is not a host name: \" \" cannot be in it"),
            ("\u{301}.example", "\"\u{301}.example\" is not a host name: it has no A-label (xn--…)"),
        ])
    func mistakes(_ text: String, _ message: String) {
        let error = #expect(throws: PatternError.self) { try ServerNamePattern(parsing: text) }
        #expect(error?.message == message)
    }
}
