import Routing

extension ConfigurationDecoder {
    /// Finds what is wrong between the parts, and puts them together as far as they go.
    ///
    /// What it returns may be used only while no problem is an error.
    mutating func assemble(_ draft: ConfigurationDraft, root: YAMLMark) -> RelayConfiguration {
        if !draft.hasListeners { self.error(root, "", "there are no listeners") }
        let hasLookup = draft.hasLookup || draft.listeners.contains { $0.value.lookup != nil }
        if !hasLookup, !draft.hasRoutes || draft.routes.isEmpty {
            self.error(root, "", "there are no routes and no lookup: every recipient would be refused")
        }
        self.checkListeners(draft)
        self.checkLoops(draft)
        self.checkPatterns(draft)
        self.checkSizes(draft)
        self.checkSecurity(draft)

        let groups = draft.groups.map(\.value)
        var used: Set<String> = []
        let routes = draft.routes.compactMap { route -> Route? in
            guard let placed = route.target else { return nil }
            let target: Route.Target?
            switch placed.value {
            case .named(let name):
                used.insert(name)
                target = self.resolve(name, placed.mark, placed.path, draft).map { .group($0) }
            case .inline(let own):
                target = .group(own)
            case .reject(let reply):
                target = .reject(reply)
            case .lookup(let place):
                target = .lookup(place)
            }
            return target.map {
                Route(recipients: route.recipients.map(\.value), conditions: route.conditions, target: $0)
            }
        }
        let postmaster = draft.postmaster.flatMap { placed -> BackendGroup? in
            used.insert(placed.value)
            return self.resolve(placed.value, placed.mark, placed.path, draft)
        }
        for group in draft.groups where !used.contains(group.value.name) {
            self.warning(group.mark, group.path, "nothing leads to this group")
        }
        return RelayConfiguration(
            serverName: draft.serverName, listeners: draft.listeners.map(\.value), tls: draft.tls,
            proxies: draft.proxies, groups: groups, routes: routes, routeLookups: draft.routeLookups,
            postmaster: postmaster, lookup: draft.lookup,
            lookupPolicy: draft.lookupPolicy, resolver: draft.resolver, names: draft.names, limits: draft.limits,
            timeouts: draft.timeouts, admin: draft.admin)
    }

    private mutating func resolve(
        _ name: String, _ mark: YAMLMark, _ path: String, _ draft: ConfigurationDraft
    ) -> BackendGroup? {
        if let group = draft.groups.first(where: { $0.value.name == name }) { return group.value }
        // A group with a mistake was reported where it stands.
        guard !draft.groupNames.contains(name) else { return nil }
        self.error(mark, path, "no group is named \"\(name)\"\(Spelling.hint(name, among: draft.groupNames))")
        return nil
    }

    private mutating func checkListeners(_ draft: ConfigurationDraft) {
        var seen: [RelayConfiguration.Listener.Place: YAMLMark] = [:]
        for listener in draft.listeners {
            if let first = seen[listener.value.place] {
                self.error(listener.mark, listener.path, "it is the same as the one in line \(first.line)")
            } else {
                seen[listener.value.place] = listener.mark
            }
            if listener.value.expectsProxyHeader, draft.proxies.isEmpty {
                self.error(
                    listener.mark, listener.path,
                    "proxy-protocol is on, and no proxies are known: every client would be refused; name them under proxies"
                )
            }
        }
    }

    /// An address of our own among the backends would send each message round until its Received fields are counted.
    private mutating func checkLoops(_ draft: ConfigurationDraft) {
        for backend in draft.backends {
            for listener in draft.listeners {
                guard listener.value.place.isReached(by: backend.value) else { continue }
                self.error(
                    backend.mark, backend.path,
                    "\(backend.value) is this relay's own listener (line \(listener.mark.line)): mail would go in circles"
                )
                break
            }
        }
    }

    /// EHLO announces the server's limit, and what is above it never gets as far as a group.
    private mutating func checkSizes(_ draft: ConfigurationDraft) {
        let limit = draft.limits.messageSize
        for size in draft.sizes where limit != 0 && size.value > limit {
            self.error(
                size.mark, size.path, "\(size.value) octets are more than limits.message-size, which is \(limit)")
        }
    }
}
