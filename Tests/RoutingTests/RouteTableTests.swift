import Routing
import SMTPCore
import Testing

@Suite struct RouteTableTests {
    static func group(_ name: String, _ addresses: String...) throws -> BackendGroup {
        let backends = try (addresses.isEmpty ? ["\(name):2525"] : addresses).map {
            Backend(try BackendAddress(parsing: $0))
        }
        return BackendGroup(name: name, backends: backends)
    }

    static func table(_ routes: [(patterns: [String], group: String)], postmaster: String? = nil) throws -> RouteTable {
        let routes = try routes.map { route in
            Route(
                recipients: try route.patterns.map { try RecipientPattern(parsing: $0) }, group: try group(route.group))
        }
        return RouteTable(routes: routes, postmaster: try postmaster.map { try group($0) })
    }

    private func name(_ decision: RouteTable.Decision) -> String? {
        switch decision {
        case .group(let group): group.name
        case .reject(let reply): reply.description
        case .lookup(let lookup): "lookup \(lookup)"
        case .noMatch: nil
        case .undecided(let route): "undecided \(route)"
        }
    }

    @Test("The first route that matches decides, whatever its kind of pattern")
    func firstWins() throws {
        let table = try Self.table([
            (["vip@flxw.de"], "vip"),
            (["flxw.de", "a.example"], "app"),
            (["postmaster@", "*.flxw.de", "flxw.de"], "other"),
            (["b.example"], "b"),
            (["*"], "rest"),
            (["c.example"], "never"),
        ])
        let expected = [
            "vip@flxw.de": "vip", "x@flxw.de": "app", "postmaster@flxw.de": "app", "postmaster@b.example": "other",
            "x@mail.flxw.de": "other", "x@b.example": "b", "x@c.example": "rest", "Postmaster": "other",
            "x@A.EXAMPLE.": "app",
        ]
        for (recipient, group) in expected {
            #expect(self.name(table.decide(path(recipient))) == group, "\(recipient)")
        }
    }

    @Test("Within one route, the kind of pattern makes no difference")
    func sameRoute() throws {
        let table = try Self.table([(["a.example", "x@"], "one"), (["x@a.example"], "two")])
        #expect(table.match(path("x@a.example")) == .route(0))
    }

    @Test("A recipient that no route takes has none")
    func noMatch() throws {
        let table = try Self.table([(["flxw.de"], "app")], postmaster: "app")
        #expect(table.decide(path("x@example.org")) == .noMatch)
        #expect(table.decide(path("postmaster@example.org")) == .noMatch)
        #expect(RouteTable(routes: []).decide(path("x@flxw.de")) == .noMatch)
    }

    @Test("<Postmaster> goes to the postmaster's group when no route takes it")
    func postmaster() throws {
        #expect(self.name(try Self.table([(["flxw.de"], "a")], postmaster: "p").decide(.postmaster)) == "p")
        #expect(self.name(try Self.table([(["postmaster@"], "a")], postmaster: "p").decide(.postmaster)) == "a")
        #expect(try Self.table([(["flxw.de"], "a")]).decide(.postmaster) == .noMatch)
    }

    @Test("Groups are the same if their name or their backends are")
    func sameness() throws {
        let one = try Self.group("one", "a:1", "b:1")
        #expect(one.isSame(as: try Self.group("one", "c:1")))
        #expect(one.isSame(as: try Self.group("two", "a:1", "b:1")))
        #expect(one.isSame(as: try Self.group("two", "b:1", "a:1")))
        #expect(!one.isSame(as: try Self.group("two", "a:1")))
        #expect(!one.isSame(as: try Self.group("two", "a:1", "b:2")))
        var heavier = try Self.group("two", "a:1", "b:1")
        heavier.backends[0].weight = 5
        #expect(one.isSame(as: heavier))
    }

    @Test("Groups share a transaction if their policies are the same, too")
    func sharing() throws {
        let one = try Self.group("one", "a:1")
        var other = try Self.group("two", "a:1")
        #expect(one.sharesTransactions(with: other))
        other.policy.message.bareLineEnds = .reject
        #expect(!one.sharesTransactions(with: other))
        #expect(one.isSame(as: other))
        var smaller = one
        smaller.policy.size = 65_536
        #expect(!one.sharesTransactions(with: smaller))
        #expect(!one.sharesTransactions(with: try Self.group("two", "b:1")))
    }

    struct Destinations: Sendable {
        var routes: [(patterns: [String], group: String?)]
        var postmaster: String?
        var isSeveral: Bool
        var isSeveralWithLookup = true
    }

    static let destinations = [
        Destinations(routes: [], isSeveral: false),
        Destinations(routes: [(["a.de"], "one"), (["b.de"], "one")], postmaster: "one", isSeveral: false),
        Destinations(routes: [(["a.de"], "one"), (["b.de"], "two")], isSeveral: true),
        Destinations(routes: [(["a.de"], "one")], postmaster: "two", isSeveral: true),
        // A refusal is no destination.
        Destinations(routes: [(["a.de"], nil), (["b.de"], "two")], isSeveral: false),
        Destinations(routes: [(["a.de"], "one"), (["*"], nil)], isSeveral: false, isSeveralWithLookup: false),
        // Nothing comes behind "*".
        Destinations(
            routes: [(["*"], "one"), (["b.de"], "two")], postmaster: "two", isSeveral: false,
            isSeveralWithLookup: false),
        Destinations(routes: [(["a.de"], "one"), (["a.de"], "two")], isSeveral: false),
        Destinations(routes: [(["a.de", "postmaster@"], "one")], postmaster: "two", isSeveral: false),
    ]

    @Test("A table knows whether two accepted recipients can have different destinations", arguments: destinations)
    func severalDestinations(_ test: Destinations) throws {
        let table = RouteTable(
            routes: try test.routes.map { route in
                Route(
                    recipients: try route.patterns.map { try RecipientPattern(parsing: $0) },
                    target: try route.group.map { .group(try Self.group($0)) } ?? .reject(.nullMX))
            }, postmaster: try test.postmaster.map { try Self.group($0) })
        #expect(table.leadsToSeveralDestinations(hasLookup: false) == test.isSeveral)
        #expect(table.leadsToSeveralDestinations(hasLookup: true) == test.isSeveralWithLookup)
    }

    @Test("The same backends with another policy are another destination")
    func severalPolicies() throws {
        var strict = try Self.group("strict", "a:1")
        strict.policy.message.nul = .reject
        let table = RouteTable(routes: [
            Route(recipients: [.domain("a.de")], group: try Self.group("lax", "a:1")),
            Route(recipients: [.domain("b.de")], group: strict),
        ])
        #expect(table.leadsToSeveralDestinations(hasLookup: false))
    }

    @Test("A route that refuses makes exceptions for those behind it")
    func rejectFirst() throws {
        let reply = try SMTPReply(parsingRejection: "550 5.1.1 No such user")
        let app = try Self.group("app")
        let table = RouteTable(routes: [
            Route(
                recipients: try ["abuse@", "old@flxw.de", "*.dead.example"].map { try RecipientPattern(parsing: $0) },
                target: .reject(reply)),
            Route(recipients: [.domain("flxw.de"), .everyone], group: app),
        ])
        for recipient in ["abuse@flxw.de", "abuse@other.example", "old@FLXW.de", "x@a.dead.example"] {
            #expect(table.decide(path(recipient)) == .reject(reply), "\(recipient)")
        }
        for recipient in ["Abuse@flxw.de", "old@other.example", "x@dead.example", "Postmaster"] {
            #expect(table.decide(path(recipient)) == .group(app), "\(recipient)")
        }
    }
}
