package import SMTPCore

/// One route: who its recipients are, and where their mail goes.
package struct Route: Hashable, Sendable {
    /// A recipient takes the route when one of these matches.
    package var recipients: [RecipientPattern]
    /// Where it leads.
    package var group: BackendGroup

    /// Makes a route.
    package init(recipients: [RecipientPattern], group: BackendGroup) {
        self.recipients = recipients
        self.group = group
    }
}

/// The routes of a configuration: the first that matches a recipient decides.
///
/// Domains are found by hash, so that a table of ten thousand costs what a table of one does; the patterns of other
/// kinds are compared one by one, and only those written before the domain that was found.
package struct RouteTable: Sendable {
    /// Where a recipient's mail goes.
    package enum Decision: Hashable, Sendable {
        /// To a backend of this group.
        case group(BackendGroup)
        /// No route takes it: the lookup is asked, or the recipient is refused.
        case noMatch
    }

    private struct Rule {
        var pattern: RecipientPattern
        var route: Int
    }

    /// The routes in their order.
    package let routes: [Route]
    /// Where `<Postmaster>` without a domain goes when no route takes it (RFC 5321 section 4.5.1).
    package let postmaster: BackendGroup?
    /// The first route of each exact domain.
    private let domains: [String: Int]
    /// Every other pattern, in order.
    private let others: [Rule]

    /// Makes a table; the order of `routes` is the order of the decision.
    package init(routes: [Route], postmaster: BackendGroup? = nil) {
        var domains: [String: Int] = [:]
        var others: [Rule] = []
        for (index, route) in routes.enumerated() {
            for pattern in route.recipients {
                switch pattern {
                case .domain(let domain):
                    if domains[domain] == nil { domains[domain] = index }
                case .everyone, .subdomains, .localPart, .mailbox:
                    others.append(Rule(pattern: pattern, route: index))
                }
            }
        }
        self.routes = routes
        self.postmaster = postmaster
        self.domains = domains
        self.others = others
    }

    /// Decides where mail for `recipient` goes.
    package func decide(_ recipient: ForwardPath) -> Decision {
        if let route = self.route(of: recipient) { return .group(self.routes[route].group) }
        if case .postmaster = recipient, let group = self.postmaster { return .group(group) }
        return .noMatch
    }

    /// Whether two domains may lead to different groups, so that one transaction for both must be split
    /// (RFC 9422: LIMITS RCPTDOMAINMAX=1).
    package var hasSeveralGroups: Bool {
        guard let first = self.routes.first?.group else { return false }
        return !self.routes.allSatisfy { $0.group.isSame(as: first) }
            || self.postmaster.map { !$0.isSame(as: first) } ?? false
    }

    /// The index of the first route that takes `recipient`; nil where none does.
    package func route(of recipient: ForwardPath) -> Int? {
        let key = RecipientKey(recipient)
        let exact = key.domain.flatMap { self.domains[$0] }
        for rule in self.others {
            if let exact, rule.route >= exact { break }
            if rule.pattern.matches(key) { return rule.route }
        }
        return exact
    }
}
