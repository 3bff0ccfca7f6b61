/// The argument of MAIL FROM: where a failure would be reported (RFC 5321 section 3.6.1, 4.5.5).
public enum ReversePath: Hashable, Sendable {
    /// `<>`: a notification, which nobody may answer.
    case null
    /// A mailbox.
    case mailbox(Mailbox)
}

/// The argument of RCPT TO (RFC 5321 section 4.1.1.3).
public enum ForwardPath: Hashable, Sendable {
    /// `<Postmaster>` without a domain, in any case: every server has to take it (RFC 5321 section 4.5.1).
    case postmaster
    /// A mailbox.
    case mailbox(Mailbox)
}

extension ReversePath {
    /// Whether every octet is ASCII: without SMTPUTF8 it has to be (RFC 6531 section 3.3).
    public var isASCII: Bool {
        switch self {
        case .null: true
        case .mailbox(let mailbox): mailbox.isASCII
        }
    }
}

extension ForwardPath {
    /// Whether every octet is ASCII: without SMTPUTF8 it has to be (RFC 6531 section 3.3).
    public var isASCII: Bool {
        switch self {
        case .postmaster: true
        case .mailbox(let mailbox): mailbox.isASCII
        }
    }
}
