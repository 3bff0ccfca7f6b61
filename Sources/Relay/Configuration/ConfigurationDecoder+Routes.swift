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
            let keys = Keys("recipients", "group", "backends", "reject", "message", "identity", "auth", "tls")
            guard let fields = self.fields(element, path, keys) else { continue }
            var route = ConfigurationDraft.RouteDraft(recipients: [], target: nil)
            if let recipients = fields["recipients"] {
                route.recipients = self.recipients(recipients, path + ".recipients")
            } else {
                self.error(element.mark, path, "it has no recipients")
            }
            let ofBackends = [("message", "a message"), ("identity", "an identity"), ("auth", "auth"), ("tls", "tls")]
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
        switch (fields["group"], fields["backends"], fields["reject"]) {
        case (nil, nil, nil):
            self.error(mark, path, "it needs a group, backends or reject")
            return nil
        case (_?, let backends?, _):
            self.error(backends.mark, path, "it has a group and backends: one route leads to one of them")
            return nil
        case (_?, nil, let reject?), (nil, _?, let reject?):
            self.error(reject.mark, path, "it leads somewhere and refuses: one route does one of them")
            return nil
        case (let group?, nil, nil):
            return self.text(group, path + ".group", "the name of a group").map {
                .init(value: .named($0), mark: group.mark, path: path + ".group")
            }
        case (nil, let node?, nil):
            // The brackets keep it apart from every name under `groups:`.
            var group = BackendGroup(name: path, backends: [])
            group.backends = self.backends(node, path + ".backends", into: &draft)
            group.policy = self.policy(fields, path, into: &draft)
            return .init(value: .inline(group), mark: node.mark, path: path + ".backends")
        case (nil, nil, let reject?):
            let path = path + ".reject"
            guard let text = self.text(reject, path, "a reply such as \"550 5.1.1 No such user\"") else { return nil }
            do {
                return .init(value: .reject(try SMTPReply(parsingRejection: text)), mark: reject.mark, path: path)
            } catch {
                self.error(reject.mark, path, error.message)
                return nil
            }
        }
    }

    /// Everybody has to be able to reach a postmaster (RFC 5321 section 4.5.1).
    private mutating func checkPostmaster(_ route: ConfigurationDraft.RouteDraft) {
        guard case .reject = route.target?.value else { return }
        for pattern in route.recipients {
            switch pattern.value {
            case .localPart(.postmaster), .mailbox(.postmaster, domain: _):
                self.warning(
                    pattern.mark, pattern.path, "mail to postmaster has to be taken (RFC 5321 section 4.5.1)")
            case .everyone, .domain, .subdomains, .localPart, .mailbox:
                break
            }
        }
    }

    private mutating func recipients(
        _ node: YAMLNode, _ path: String
    ) -> [ConfigurationDraft.Placed<RecipientPattern>] {
        let isSingle = if case .scalar = node.content { true } else { false }
        guard let elements = isSingle ? [node] : self.elements(node, path) else { return [] }
        if elements.isEmpty { self.error(node.mark, path, "there has to be one at least") }
        return elements.enumerated().compactMap { index, element -> ConfigurationDraft.Placed<RecipientPattern>? in
            let path = isSingle ? path : "\(path)[\(index)]"
            return self.pattern(element, path).map { .init(value: $0, mark: element.mark, path: path) }
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
