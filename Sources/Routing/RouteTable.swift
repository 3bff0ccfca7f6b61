package import SMTPCore

/// The routes of a configuration: the first that matches a recipient, and whose conditions its client meets, decides.
///
/// Mailboxes, local-parts, domains, the domains above them and users are found by hash, so that a table of ten thousand
/// routes costs what a table of one does, and nothing is allocated. What cannot be hashed (expressions, and conditions) is
/// tried one by one, and only as far as it stands before the route that was found.
package final class RouteTable: Sendable {
    /// Where a recipient's mail goes.
    package enum Decision: Hashable, Sendable {
        /// To a backend of this group.
        case group(BackendGroup)
        /// Nowhere: the recipient is refused with this.
        case reject(SMTPReply)
        /// Where the lookup says that the configuration has at this place.
        case lookup(Int)
        /// No route takes it: the lookup is asked, or the recipient is refused.
        case noMatch
        /// Nobody knows: the expression of the route at this place went beyond its bounds.
        case undecided(route: Int)
    }

    /// Which route takes a recipient.
    package enum Match: Hashable, Sendable {
        /// The one at this place.
        case route(Int)
        /// None.
        case none
        /// Nobody knows: the expression of the route at this place went beyond its bounds.
        case undecided(route: Int)
    }

    /// The routes in their order.
    package let routes: [Route]
    /// Where `<Postmaster>` without a domain goes when no route takes it, and `postmaster` at a domain of which routes take
    /// single mailboxes only (RFC 5321 section 4.5.1).
    package let postmaster: BackendGroup?
    /// Whether routes ask for more than the recipient: without it there is no need to say who the client is.
    package let asksForClient: Bool
    private let index: RouteIndex

    /// Makes a table; the order of `routes` is the order of the decision.
    package init(routes: [Route], postmaster: BackendGroup? = nil) {
        self.routes = routes
        self.postmaster = postmaster
        self.asksForClient = routes.contains { !$0.conditions.isEmpty }
        self.index = RouteIndex(routes)
    }

    /// Decides where mail for `recipient` goes; `client` is who sends it.
    package func decide(_ recipient: ForwardPath, of client: RouteClient = RouteClient()) -> Decision {
        switch self.match(recipient, of: client) {
        case nil:
            .reject(.noSuchDomain)
        case .route(let route):
            switch self.routes[route].target {
            case .group(let group): .group(group)
            case .reject(let reply): .reject(reply)
            case .lookup(let lookup): .lookup(lookup)
            }
        case .undecided(let route):
            .undecided(route: route)
        case .some(.none):
            self.postmaster(for: recipient).map { .group($0) } ?? .noMatch
        }
    }

    /// The first route that takes `recipient`; nil where its domain is none that a message could go to.
    package func match(_ recipient: ForwardPath, of client: RouteClient = RouteClient()) -> Match? {
        switch recipient {
        case .postmaster:
            return self.match(RecipientKey.postmaster, client)
        case .mailbox(let mailbox):
            let found = mailbox.withOctets { localPart, domain -> Match? in
                guard mailbox.isASCII, RouteIndex.isPlain(localPart, domain) else { return nil }
                let isRooted = domain[domain.count - 1] == UInt8(ascii: ".")
                let name = isRooted ? domain.extracting(..<(domain.count - 1)) : domain
                return self.index.match(localPart, name, of: client, self.routes)
            }
            if let found { return found }
            return RecipientKey(recipient).map { self.match($0, client) }
        }
    }

    private func match(_ key: RecipientKey, _ client: RouteClient) -> Match {
        let domain = key.domain ?? ""
        return self.index.match(
            key.localPart.description.utf8Span.span, domain.utf8Span.span, of: client, self.routes)
    }

    private func postmaster(for recipient: ForwardPath) -> BackendGroup? {
        guard let postmaster = self.postmaster, RouteIndex.mayBePostmaster(recipient),
            let key = RecipientKey(recipient), key.localPart == .postmaster
        else { return nil }
        guard let domain = key.domain else { return postmaster }
        return self.index.leadsMailboxes(of: domain) ? postmaster : nil
    }
}

extension RouteTable {
    /// Whether two accepted recipients can have different destinations, so that one transaction for both must be split
    /// (RFC 9422: LIMITS RCPTDOMAINMAX=1).
    ///
    /// A lookup may name another server for each domain. Routes that refuse, those that an earlier one leaves no recipient
    /// for, and those that are not for this listener do not count. A route with other conditions may be taken, or not.
    ///
    /// - Parameters:
    ///   - hasLookup: recipients that no route takes are decided by lookup.
    ///   - listener: whose clients are asked about, by its place; nil: all clients.
    package func leadsToSeveralDestinations(hasLookup: Bool, at listener: Int? = nil) -> Bool {
        var seen: Set<RecipientPattern> = []
        var groups: [BackendGroup] = []
        for route in self.routes where !seen.contains(.everyone) && route.conditions.canHold(at: listener) {
            if route.recipients.contains(where: { !seen.contains($0) }) {
                switch route.target {
                case .group(let group): groups.append(group)
                case .lookup: return true
                case .reject: break
                }
            }
            if route.conditions.holdsForAll(at: listener) { seen.formUnion(route.recipients) }
        }
        if !seen.contains(.everyone) {
            if hasLookup { return true }
            if let postmaster = self.postmaster, !seen.contains(.localPart(.postmaster)) { groups.append(postmaster) }
        }
        guard let first = groups.first else { return false }
        return !groups.allSatisfy { $0.sharesTransactions(with: first) }
    }
}
