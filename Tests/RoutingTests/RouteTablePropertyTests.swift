import SMTPCore
import Testing

@testable import Routing

/// The same numbers each time: a table that fails can be made again.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        // SplitMix64.
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var value = self.state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}

/// The table finds by hash what trying each pattern of each route in its order finds.
@Suite struct RouteTablePropertyTests {
    static let domains = [
        "a.de", "b.de", "s.a.de", "t.s.a.de", "de", "bücher.example", "xn--bcher-kva.example", "x.bücher.example",
        "[192.0.2.1]", "[IPv6:2001:DB8::1]", "a-de", "xa.de",
    ]
    static let localParts = [
        "x", "X", "y", "postmaster", "\"a b\"", "\"x\"", "\"x@a.de\"", "list-x", "j\u{F6}rg", "jo\u{308}rg", "x.y",
    ]
    static let expressions = [
        "/^list-/", "/@a\\.de$/", "/^x@/i", "/^j.rg@/", "/\\.example$/", "/^\"/", "/^postmaster@/", "/kva/", "/@.*@/",
    ]
    static let users = ["anna", "bob", "jo\u{308}rg", "*"]
    static let networks = ["10.0.0.0/8", "192.0.2.0/24", "2001:db8::/32", "10.1.0.0/16"]
    static let names = ["mx.a.de", "*.a.de", "bücher.example"]

    static func pattern(_ generator: inout SeededGenerator) throws -> RecipientPattern {
        let domain = Self.domains.randomElement(using: &generator) ?? ""
        let localPart = Self.localParts.randomElement(using: &generator) ?? ""
        let expression = Self.expressions.randomElement(using: &generator) ?? ""
        let text =
            switch Int.random(in: 0..<20, using: &generator) {
            case 0: "*"
            case 1..<6: domain
            case 6..<10: domain.hasPrefix("[") ? domain : "*.\(domain)"
            case 10..<13: "\(localPart)@"
            case 13..<18: "\(localPart)@\(domain)"
            default: expression
            }
        return try RecipientPattern(parsing: text)
    }

    static func conditions(_ generator: inout SeededGenerator) throws -> RouteConditions {
        var conditions = RouteConditions()
        guard Bool.random(using: &generator) else { return conditions }
        if Int.random(in: 0..<3, using: &generator) == 0 {
            conditions.listeners = [Int.random(in: 0..<3, using: &generator)]
        }
        if Int.random(in: 0..<3, using: &generator) == 0 {
            conditions.clients = try [IPNetwork(parsing: Self.networks.randomElement(using: &generator) ?? "")]
            conditions.includesUnixClients = Bool.random(using: &generator)
        }
        if Int.random(in: 0..<3, using: &generator) == 0 {
            conditions.serverNames = try [ServerNamePattern(parsing: Self.names.randomElement(using: &generator) ?? "")]
        }
        if Int.random(in: 0..<3, using: &generator) == 0 {
            let user = Self.users.randomElement(using: &generator) ?? ""
            if user == "*" { conditions.requiresUser = true } else { conditions.users = [UserName(user)] }
        }
        return conditions
    }

    static func client(_ generator: inout SeededGenerator) -> RouteClient {
        let addresses: [RouteClient.Address?] =
            [nil, .unix] + ["10.1.2.3", "10.2.0.1", "192.0.2.7", "2001:db8::7"].map { IPAddress($0).map { .ip($0) } }
        let users: [String?] = [nil, "anna", "bob", "eve", "j\u{F6}rg"]
        let names: [String?] = [nil, "mx.a.de", "a.de", "xn--bcher-kva.example"]
        return RouteClient(
            listener: [nil, 0, 1, 2].randomElement(using: &generator) ?? nil,
            address: addresses.randomElement(using: &generator) ?? nil,
            serverName: names.randomElement(using: &generator) ?? nil,
            user: (users.randomElement(using: &generator) ?? nil).map { UserName($0) })
    }

    /// A recipient in one of its spellings.
    static func recipient(_ generator: inout SeededGenerator) -> ForwardPath {
        guard Int.random(in: 0..<30, using: &generator) > 0 else { return .postmaster }
        var domain = Self.domains.randomElement(using: &generator) ?? ""
        var localPart = Self.localParts.randomElement(using: &generator) ?? ""
        if Bool.random(using: &generator) { domain = domain.uppercased() }
        if Int.random(in: 0..<8, using: &generator) == 0 { domain += domain.hasPrefix("[") ? "" : "." }
        if Int.random(in: 0..<8, using: &generator) == 0 { domain = "sub.\(domain)" }
        if Int.random(in: 0..<8, using: &generator) == 0 { localPart = localPart.uppercased() }
        if Int.random(in: 0..<8, using: &generator) == 0, !localPart.hasPrefix("\"") { localPart = "\"\(localPart)\"" }
        return .mailbox(Mailbox(localPart: localPart, domain: domain))
    }

    @Test("The first route by hash is the first one that matches", arguments: 0..<300)
    func agreesWithScan(_ seed: UInt64) throws {
        var generator = SeededGenerator(state: seed)
        let routes = try (0..<Int.random(in: 0..<12, using: &generator)).map { place in
            Route(
                recipients: try (0..<Int.random(in: 1..<4, using: &generator)).map { _ in
                    try Self.pattern(&generator)
                },
                conditions: try Self.conditions(&generator), target: .lookup(place))
        }
        let table = RouteTable(routes: routes)
        for _ in 0..<100 {
            let recipient = Self.recipient(&generator)
            let client = Self.client(&generator)
            let scanned = routes.firstIndex { route in
                route.conditions.hold(for: client) && route.recipients.contains { $0.matches(recipient) }
            }
            let expected: RouteTable.Match? =
                RecipientKey(recipient) == nil ? nil : scanned.map { .route($0) } ?? RouteTable.Match.none
            #expect(table.match(recipient, of: client) == expected, "\(recipient) of \(client) in \(routes)")
        }
    }

    @Test(
        "Of ten thousand routes, each is found by what it alone has", arguments: ["domain", "below", "local", "user"])
    func large(_ kind: String) throws {
        let routes = try (0..<10_000).map { place in
            var conditions = RouteConditions()
            if kind == "user" { conditions.users = [UserName("user\(place)")] }
            let pattern =
                switch kind {
                case "domain": "d\(place).example"
                case "below": "*.d\(place).example"
                case "local": "l\(place)@x.example"
                default: "*"
                }
            return Route(
                recipients: [try RecipientPattern(parsing: pattern)], conditions: conditions, target: .lookup(place))
        }
        let table = RouteTable(routes: routes)
        for place in stride(from: 0, to: 10_000, by: 37) {
            let client = RouteClient(user: UserName("user\(place)"))
            let recipient =
                kind == "local" ? "l\(place)@x.example" : "a@\(kind == "below" ? "s." : "")d\(place).example"
            #expect(table.match(path(recipient), of: client) == .route(place))
            #expect(table.match(path("a@example"), of: RouteClient(user: UserName("user"))) == RouteTable.Match.none)
        }
    }
}
