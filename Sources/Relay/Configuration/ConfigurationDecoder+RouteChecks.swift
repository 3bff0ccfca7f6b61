import Routing

extension ConfigurationDecoder {
    /// Finds patterns that an earlier route makes useless: one that takes all of their recipients, and asks for nothing of
    /// the client, or for the same.
    mutating func checkPatterns(_ draft: ConfigurationDraft) {
        var seen: [RouteConditions: [RecipientPattern: YAMLMark]] = [:]
        for route in draft.routes {
            for pattern in route.recipients {
                let first =
                    seen[RouteConditions()]?.mark(takingAll: pattern.value)
                    ?? seen[route.conditions]?.mark(takingAll: pattern.value)
                if let first {
                    self.warning(pattern.mark, pattern.path, "line \(first.line) takes these recipients already")
                } else {
                    seen[route.conditions, default: [:]][pattern.value] = pattern.mark
                }
            }
        }
    }
}

extension [RecipientPattern: YAMLMark] {
    /// Where a pattern is that takes all recipients of this one.
    fileprivate func mark(takingAll pattern: RecipientPattern) -> YAMLMark? {
        if let mark = self[pattern] ?? self[.everyone] { return mark }
        switch pattern {
        case .everyone, .expression, .localPart:
            return nil
        case .domain(let domain), .subdomains(let domain):
            return self.mark(takingAllBelow: domain)
        case .mailbox(let localPart, let domain):
            return self[.domain(domain)] ?? self[.localPart(localPart)] ?? self.mark(takingAllBelow: domain)
        }
    }

    /// Where a pattern is that takes the subdomains of a domain that this one is below.
    private func mark(takingAllBelow domain: String) -> YAMLMark? {
        // (The dots of an address literal separate no domains.)
        guard domain.utf8.first != UInt8(ascii: "[") else { return nil }
        var rest = domain[...]
        while let dot = rest.utf8.firstIndex(of: UInt8(ascii: ".")) {
            rest = rest[rest.utf8.index(after: dot)...]
            if let mark = self[.subdomains(of: String(rest))] { return mark }
        }
        return nil
    }
}
