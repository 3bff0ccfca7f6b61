package import SMTPCore

/// The routes of a configuration: the first that matches a recipient decides.
///
/// Domains are found by hash, so that a table of ten thousand costs what a table of one does; the patterns of other
/// kinds are compared one by one, and only those written before the domain that was found.
package struct RouteTable: Sendable {
    /// Where a recipient's mail goes.
    package enum Decision: Hashable, Sendable {
        /// To a backend of this group.
        case group(BackendGroup)
        /// Nowhere: the recipient is refused with this.
        case reject(SMTPReply)
        /// No route takes it: the lookup is asked, or the recipient is refused.
        case noMatch
    }

    private struct Rule {
        var pattern: RecipientPattern
        var route: Int
    }

    /// The routes in their order.
    package let routes: [Route]
    /// Where `<Postmaster>` without a domain goes when no route takes it, and `postmaster` at a domain of which routes take
    /// single mailboxes only (RFC 5321 section 4.5.1).
    package let postmaster: BackendGroup?
    /// The first route of each exact domain.
    private let domains: [String: Int]
    /// Every other pattern, in order.
    private let others: [Rule]
    /// The domains of the mailboxes that lead to a group.
    private let mailboxDomains: Set<String>

    /// Makes a table; the order of `routes` is the order of the decision.
    package init(routes: [Route], postmaster: BackendGroup? = nil) {
        var domains: [String: Int] = [:]
        var others: [Rule] = []
        var mailboxDomains: Set<String> = []
        for (index, route) in routes.enumerated() {
            for pattern in route.recipients {
                switch pattern {
                case .domain(let domain):
                    if domains[domain] == nil { domains[domain] = index }
                case .mailbox(_, let domain):
                    others.append(Rule(pattern: pattern, route: index))
                    if route.group != nil { mailboxDomains.insert(domain) }
                case .everyone, .subdomains, .localPart:
                    others.append(Rule(pattern: pattern, route: index))
                }
            }
        }
        self.routes = routes
        self.postmaster = postmaster
        self.domains = domains
        self.others = others
        self.mailboxDomains = mailboxDomains
    }

    /// Decides where mail for `recipient` goes.
    package func decide(_ recipient: ForwardPath) -> Decision {
        guard let key = RecipientKey(recipient) else { return .reject(.noSuchDomain) }
        if let route = self.route(of: key) {
            return switch self.routes[route].target {
            case .group(let group): .group(group)
            case .reject(let reply): .reject(reply)
            }
        }
        if let postmaster = self.postmaster, key.localPart == .postmaster,
            key.domain.map({ self.mailboxDomains.contains($0) }) ?? true
        {
            return .group(postmaster)
        }
        return .noMatch
    }

    /// The index of the first route that takes `recipient`; nil where none does.
    package func route(of recipient: ForwardPath) -> Int? {
        RecipientKey(recipient).flatMap { self.route(of: $0) }
    }

    private func route(of key: RecipientKey) -> Int? {
        let exact = key.domain.flatMap { self.domains[$0] }
        for rule in self.others {
            if let exact, rule.route >= exact { break }
            if rule.pattern.matches(key) { return rule.route }
        }
        return exact
    }
}

extension RouteTable {
    /// Whether two accepted recipients can have different destinations, so that one transaction for both must be split
    /// (RFC 9422: LIMITS RCPTDOMAINMAX=1).
    ///
    /// A lookup may name another server for each domain. Routes that refuse, and those that an earlier one leaves no
    /// recipient for, do not count.
    package func leadsToSeveralDestinations(hasLookup: Bool) -> Bool {
        var seen: Set<RecipientPattern> = []
        var groups: [BackendGroup] = []
        for route in self.routes where !seen.contains(.everyone) {
            let isReachable = route.recipients.contains { !seen.contains($0) }
            if isReachable, let group = route.group { groups.append(group) }
            seen.formUnion(route.recipients)
        }
        if !seen.contains(.everyone) {
            if hasLookup { return true }
            if let postmaster = self.postmaster, !seen.contains(.localPart(.postmaster)) { groups.append(postmaster) }
        }
        guard let first = groups.first else { return false }
        return !groups.allSatisfy { $0.sharesTransactions(with: first) }
    }
}
