package import SMTPCore

extension RecipientPattern {
    /// Whether `recipient` is one of these: what each kind of pattern means. ``RouteTable`` finds the same by hash.
    ///
    /// An expression that goes beyond its bounds does not match here.
    package func matches(_ recipient: ForwardPath) -> Bool {
        RecipientKey(recipient).map { self.matches($0) } ?? false
    }

    func matches(_ recipient: RecipientKey) -> Bool {
        switch self {
        case .everyone:
            true
        case .domain(let domain):
            recipient.domain.map { sameOctets($0, domain) } ?? false
        case .subdomains(let parent):
            // A literal ends in "]" and no domain does, so it is below none.
            recipient.domain.map { isBelow($0, parent) } ?? false
        case .localPart(let local):
            recipient.localPart == local
        case .mailbox(let local, let domain):
            recipient.localPart == local && recipient.domain.map { sameOctets($0, domain) } ?? false
        case .expression(let expression):
            expression.match(recipient.subject.span, with: MatchMemory()) == .matched
        }
    }
}
