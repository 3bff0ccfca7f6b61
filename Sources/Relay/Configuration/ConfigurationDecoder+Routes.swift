import Routing
import SMTPCore

extension ConfigurationDecoder {
    mutating func backendAddress(_ node: YAMLNode, _ path: String) -> BackendAddress? {
        guard let text = self.text(node, path, "an address and a port") else { return nil }
        do {
            return try BackendAddress(parsing: text)
        } catch {
            self.error(node.mark, path, error.message)
            return nil
        }
    }

    mutating func routes(_ node: YAMLNode, into draft: inout ConfigurationDraft) {
        for (index, element) in (self.elements(node, "routes") ?? []).enumerated() {
            let path = "routes[\(index)]"
            let keys = Keys(
                "recipients", "listeners", "clients", "server-names", "users", "group", "backends", "lookup", "reject",
                "message", "identity", "auth", "tls", "pool")
            guard let fields = self.fields(element, path, keys) else { continue }
            var route = ConfigurationDraft.RouteDraft(recipients: [], target: nil)
            route.conditions = self.conditions(fields, path, draft)
            if let recipients = fields["recipients"] {
                route.recipients = self.recipients(recipients, path + ".recipients")
            } else if Self.conditionKeys.contains(where: { fields[$0] != nil }) {
                route.recipients = [.init(value: .everyone, mark: element.mark, path: path)]
            } else {
                self.error(element.mark, path, "it has no recipients")
            }
            let ofBackends = [
                ("message", "a message"), ("identity", "an identity"), ("auth", "auth"), ("tls", "tls"),
                ("pool", "a pool"),
            ]
            for (key, what) in ofBackends {
                guard let node = fields[key], fields["backends"] == nil else { continue }
                self.error(node.mark, path, "\(what) belongs to backends: write it in the group")
            }
            route.target = self.target(fields, element.mark, path, into: &draft)
            self.checkPostmaster(route)
            draft.routes.append(route)
        }
    }

    private mutating func target(
        _ fields: Fields, _ mark: YAMLMark, _ path: String, into draft: inout ConfigurationDraft
    ) -> ConfigurationDraft.Placed<ConfigurationDraft.Target>? {
        let given = ["group", "backends", "lookup", "reject"].compactMap { key in fields[key].map { (key, $0) } }
        guard let (key, node) = given.first else {
            self.error(mark, path, "it needs a group, backends, a lookup or reject")
            return nil
        }
        if given.count > 1 {
            self.error(given[1].1.mark, path, Self.contradiction(key, given[1].0))
            return nil
        }
        let path = "\(path).\(key)"
        let target: ConfigurationDraft.Target?
        switch key {
        case "group": target = self.text(node, path, "the name of a group").map { .named($0) }
        case "backends": target = .inline(self.ownGroup(node, fields, path, into: &draft))
        case "lookup": target = self.routeLookup(node, path, into: &draft)
        default: target = self.rejection(node, path)
        }
        return target.map { .init(value: $0, mark: node.mark, path: path) }
    }

    private static func contradiction(_ one: String, _ other: String) -> String {
        switch (one, other) {
        case (_, "reject"): "it leads somewhere and refuses: one route does one of them"
        case (_, "lookup"): "it leads somewhere and asks: one route does one of them"
        default: "it has a \(one) and \(other): one route leads to one of them"
        }
    }

    /// The group of a route with backends.
    private mutating func ownGroup(
        _ node: YAMLNode, _ fields: Fields, _ path: String, into draft: inout ConfigurationDraft
    ) -> BackendGroup {
        let route = String(path.dropLast(".backends".count))
        // The brackets keep it apart from every name under `groups:`.
        var group = BackendGroup(name: route, backends: [])
        group.backends = self.backends(node, path, into: &draft)
        group.policy = self.policy(fields, route, into: &draft)
        return group
    }

    /// Two routes that ask alike have one lookup: a transaction may have recipients of both.
    private mutating func routeLookup(
        _ node: YAMLNode, _ path: String, into draft: inout ConfigurationDraft
    ) -> ConfigurationDraft.Target? {
        guard let lookup = self.lookup(node, path, keys: Self.lookupKeys) else { return nil }
        if let place = draft.routeLookups.firstIndex(of: lookup) { return .lookup(place) }
        draft.routeLookups.append(lookup)
        return .lookup(draft.routeLookups.count - 1)
    }

    private mutating func rejection(_ node: YAMLNode, _ path: String) -> ConfigurationDraft.Target? {
        guard let text = self.text(node, path, "a reply such as \"550 5.1.1 No such user\"") else { return nil }
        do {
            return .reject(try SMTPReply(parsingRejection: text))
        } catch {
            self.error(node.mark, path, error.message)
            return nil
        }
    }

    /// Everybody has to be able to reach a postmaster (RFC 5321 section 4.5.1).
    private mutating func checkPostmaster(_ route: ConfigurationDraft.RouteDraft) {
        guard case .reject = route.target?.value, route.conditions.isEmpty else { return }
        for pattern in route.recipients {
            switch pattern.value {
            case .localPart(.postmaster), .mailbox(.postmaster, domain: _):
                self.warning(
                    pattern.mark, pattern.path, "mail to postmaster has to be taken (RFC 5321 section 4.5.1)")
            case .everyone, .domain, .subdomains, .localPart, .mailbox, .expression:
                break
            }
        }
    }

    private mutating func recipients(
        _ node: YAMLNode, _ path: String
    ) -> [ConfigurationDraft.Placed<RecipientPattern>] {
        self.oneOrMore(node, path).compactMap { element, path in
            self.pattern(element, path).map { .init(value: $0, mark: element.mark, path: path) }
        }
    }

    private mutating func pattern(_ node: YAMLNode, _ path: String) -> RecipientPattern? {
        guard let text = self.text(node, path, "a domain, an address or another pattern") else { return nil }
        do {
            return try RecipientPattern(parsing: text)
        } catch {
            self.error(node.mark, path, error.message)
            return nil
        }
    }
}
