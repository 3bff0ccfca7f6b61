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
        case .noMatch: nil
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
        #expect(table.route(of: path("x@a.example")) == 0)
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

    @Test("The decision agrees with trying every pattern in order")
    func agreesWithScan() throws {
        var routes: [(patterns: [String], group: String)] = []
        var generator = SystemRandomNumberGenerator()
        let pool = ["a.de", "b.de", "c.de", "*.a.de", "*.b.de", "x@", "x@a.de", "postmaster@", "y@b.de"]
        for index in 0..<6 {
            routes.append(((0..<3).compactMap { _ in pool.randomElement(using: &generator) }, "g\(index)"))
        }
        let table = try Self.table(routes)
        for recipient in [
            "x@a.de", "z@a.de", "x@b.de", "y@b.de", "x@s.a.de", "z@s.b.de", "z@c.de", "z@d.de", "Postmaster",
        ] {
            let scanned = table.routes.firstIndex { $0.recipients.contains { $0.matches(path(recipient)) } }
            #expect(table.route(of: path(recipient)) == scanned, "\(recipient) in \(routes)")
        }
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

    @Test("A table knows whether domains can lead to different groups")
    func severalGroups() throws {
        #expect(try !Self.table([(["a.de"], "one"), (["b.de"], "one")], postmaster: "one").hasSeveralGroups)
        #expect(try Self.table([(["a.de"], "one"), (["b.de"], "two")]).hasSeveralGroups)
        #expect(try Self.table([(["a.de"], "one")], postmaster: "two").hasSeveralGroups)
        #expect(!RouteTable(routes: []).hasSeveralGroups)
    }
}
