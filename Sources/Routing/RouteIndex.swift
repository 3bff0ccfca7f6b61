import SMTPCore

/// Finds the first route that takes a recipient: by hash where there is something to hash.
struct RouteIndex: Sendable {
    /// The routes that take what is found, in their order: a range of ``taken``.
    private struct Routes {
        var start: UInt32 = 0
        var end: UInt32 = 0
    }

    private struct Domain {
        /// The routes of each mailbox of it.
        var own = Routes()
        /// The routes of each mailbox of the domains below it.
        var below = Routes()
        /// Whether there are routes of single mailboxes of it, and whether one of them leads to a group.
        var hasMailboxes = false, leadsMailboxes = false
    }

    private struct Expression {
        var route: Int
        var expression: RegularExpression
    }

    /// Every list of routes, one behind the other.
    private var taken: [UInt32] = []
    /// Whether each route has conditions.
    private var isConditional: [Bool] = []
    private var everyone = Routes()
    private var domainNames = OctetIndex()
    private var domains: [Domain] = []
    private var hasSubdomains = false
    /// Local-parts: of any domain in scope 0, of single mailboxes in that of their domain's number plus one.
    private var localPartNames = OctetIndex()
    private var localParts: [Routes] = []
    private var hasLocalParts = false
    /// The users of routes that take everyone of them: a route for each of ten thousand users is no scan either.
    private var userNames = OctetIndex()
    private var users: [Routes] = []
    /// In the order of their routes.
    private var expressions: [Expression] = []

    /// Whether the parts of an ASCII mailbox are compared as they are written, but for the letters of the domain: no
    /// quotes, and no address literal.
    static func isPlain(_ localPart: Span<UInt8>, _ domain: Span<UInt8>) -> Bool {
        localPart.count > 0 && localPart[0] != UInt8(ascii: "\"")
            && domain.count > 0 && domain[0] != UInt8(ascii: "[")
    }

    /// The first route of a mailbox whose parts are as they are compared, but for upper case of the domain; without a domain
    /// it is `<Postmaster>`.
    func match(
        _ localPart: Span<UInt8>, _ domain: Span<UInt8>, of client: RouteClient, _ routes: [Route]
    ) -> RouteTable.Match {
        let search = Search(client: client, routes: routes)
        var first = self.first(of: self.everyone, before: routes.count, search)
        if let user = client.user, self.userNames.count > 0 {
            let octets = user.description.utf8Span.span
            if let number = self.userNames.number(of: octets, OctetIndex.hash(of: octets)) {
                first = self.first(of: self.users[number], before: first, search)
            }
        }
        var scope: UInt32 = 0
        if domain.count > 0, self.domainNames.count > 0 {
            var hash = OctetIndex.Hash()
            var place = domain.count
            while place > 0 {
                place -= 1
                let octet = lowercasedASCII(domain[place])
                // (No route is for the domains below nothing, nor a domain for nothing in front of the dot.)
                if octet == UInt8(ascii: "."), self.hasSubdomains, place > 0 {
                    let parent = domain.extracting((place + 1)...)
                    if let number = self.domainNames.number(of: parent, hash, folded: true) {
                        first = self.first(of: self.domains[number].below, before: first, search)
                    }
                }
                hash.add(octet)
            }
            if let number = self.domainNames.number(of: domain, hash, folded: true) {
                first = self.first(of: self.domains[number].own, before: first, search)
                if self.domains[number].hasMailboxes { scope = UInt32(number) + 1 }
            }
        }
        let isPostmaster = Self.isPostmaster(localPart)
        if self.hasLocalParts || scope > 0 {
            let hash = OctetIndex.hash(of: localPart, folded: isPostmaster)
            if self.hasLocalParts,
                let number = self.localPartNames.number(of: localPart, hash, folded: isPostmaster)
            {
                first = self.first(of: self.localParts[number], before: first, search)
            }
            if scope > 0,
                let number = self.localPartNames.number(of: localPart, hash, scope: scope, folded: isPostmaster)
            {
                first = self.first(of: self.localParts[number], before: first, search)
            }
        }
        if let expression = self.expressions.first, expression.route < first {
            return self.tryExpressions(localPart, domain, isPostmaster, before: first, search)
        }
        return first < routes.count ? .route(first) : .none
    }

    /// Whether a recipient is a postmaster, or in quotes and so may be one: few are, and for others nothing need be made.
    static func mayBePostmaster(_ recipient: ForwardPath) -> Bool {
        switch recipient {
        case .postmaster: true
        case .mailbox(let mailbox):
            mailbox.withOctets { localPart, domain in
                !Self.isPlain(localPart, domain) || Self.isPostmaster(localPart)
            }
        }
    }

    /// Whether routes lead single mailboxes of a domain somewhere, the name as it is compared.
    func leadsMailboxes(of domain: String) -> Bool {
        let octets = domain.utf8Span.span
        let number = self.domainNames.number(of: octets, OctetIndex.hash(of: octets))
        return number.map { self.domains[$0].leadsMailboxes } ?? false
    }

    private struct Search {
        let client: RouteClient
        let routes: [Route]
    }

    /// The first of these routes whose conditions hold, where it stands before `limit`; else `limit`.
    @inline(__always)
    private func first(of candidates: Routes, before limit: Int, _ search: borrowing Search) -> Int {
        var place = Int(candidates.start)
        while place < Int(candidates.end) {
            let route = Int(self.taken[place])
            if route >= limit { return limit }
            if self.holds(route, search) { return route }
            place += 1
        }
        return limit
    }

    @inline(__always)
    private func holds(_ route: Int, _ search: borrowing Search) -> Bool {
        !self.isConditional[route] || search.routes[route].conditions.hold(for: search.client)
    }

    private func tryExpressions(
        _ localPart: Span<UInt8>, _ domain: Span<UInt8>, _ isPostmaster: Bool, before limit: Int,
        _ search: borrowing Search
    ) -> RouteTable.Match {
        let memory = MatchMemory()
        let subject =
            isPostmaster
            ? RecipientKey.subject(Array(LocalPart.postmaster.octets).span, domain)
            : RecipientKey.subject(localPart, domain)
        for candidate in self.expressions {
            if candidate.route >= limit { break }
            guard self.holds(candidate.route, search) else { continue }
            switch candidate.expression.match(subject.span, with: memory) {
            case .matched: return .route(candidate.route)
            case .exceeded: return .undecided(route: candidate.route)
            case .notMatched: break
            }
        }
        return limit < search.routes.count ? .route(limit) : .none
    }

    private static func isPostmaster(_ localPart: Span<UInt8>) -> Bool {
        guard localPart.count == 10 else { return false }
        var place = 0
        for octet in "postmaster".utf8 {
            guard lowercasedASCII(localPart[place]) == octet else { return false }
            place += 1
        }
        return true
    }
}

extension RouteIndex {
    /// Makes the index of routes in their order.
    init(_ routes: [Route]) {
        var everyone: [UInt32] = []
        var own: [[UInt32]] = []
        var below: [[UInt32]] = []
        var localParts: [[UInt32]] = []
        var users: [[UInt32]] = []
        self.isConditional = routes.map { !$0.conditions.isEmpty }
        for (place, route) in routes.enumerated() {
            let add = { [isConditional = self.isConditional] (list: inout [UInt32]) in
                // What stands behind a route that takes all of a list is never asked for.
                if list.last.map({ isConditional[Int($0)] && $0 != place }) ?? true { list.append(UInt32(place)) }
            }
            for pattern in route.recipients {
                switch pattern {
                case .everyone where !route.conditions.users.isEmpty:
                    for user in route.conditions.users {
                        let number = self.userNames.insert(user.description.utf8)
                        if number == users.count { users.append([]) }
                        add(&users[number])
                    }
                case .everyone:
                    add(&everyone)
                case .domain(let name):
                    let number = self.domain(name, &own, &below)
                    add(&own[number])
                case .subdomains(let name):
                    let number = self.domain(name, &own, &below)
                    add(&below[number])
                    self.hasSubdomains = true
                case .localPart(let localPart):
                    add(&localParts[self.localPart(localPart, scope: 0, &localParts)])
                    self.hasLocalParts = true
                case .mailbox(let localPart, let name):
                    let number = self.domain(name, &own, &below)
                    add(&localParts[self.localPart(localPart, scope: UInt32(number) + 1, &localParts)])
                    self.domains[number].hasMailboxes = true
                    if route.group != nil { self.domains[number].leadsMailboxes = true }
                case .expression(let expression):
                    self.expressions.append(Expression(route: place, expression: expression))
                }
            }
        }
        self.everyone = self.keep(everyone)
        for number in self.domains.indices {
            self.domains[number].own = self.keep(own[number])
            self.domains[number].below = self.keep(below[number])
        }
        self.localParts = localParts.map { self.keep($0) }
        self.users = users.map { self.keep($0) }
    }

    private mutating func domain(_ name: String, _ own: inout [[UInt32]], _ below: inout [[UInt32]]) -> Int {
        let number = self.domainNames.insert(name.utf8)
        if number == self.domains.count {
            self.domains.append(Domain())
            own.append([])
            below.append([])
        }
        return number
    }

    private mutating func localPart(_ localPart: LocalPart, scope: UInt32, _ lists: inout [[UInt32]]) -> Int {
        let number = self.localPartNames.insert(localPart.octets, scope: scope)
        if number == lists.count { lists.append([]) }
        return number
    }

    private mutating func keep(_ list: [UInt32]) -> Routes {
        let start = UInt32(self.taken.count)
        self.taken += list
        return Routes(start: start, end: UInt32(self.taken.count))
    }
}
