/// A mailbox: the local-part and the domain of a path, as they were received (RFC 5321 section 4.1.2).
///
/// Both keep the client's bytes: the local-part its case, quotes and escapes (RFC 5321 section 2.4), the domain its
/// case. A domain is compared through ``routingDomain``.
public struct Mailbox: Hashable, Sendable {
    /// The local-part, quotes included where the client wrote them; at most 64 octets.
    public var localPart: String
    /// A domain name, or an address literal with its brackets; at most 255 octets.
    public var domain: String

    /// Makes a mailbox of parts that have been validated.
    public init(localPart: String, domain: String) {
        self.localPart = localPart
        self.domain = domain
    }

    /// The domain as routes compare it: lower case, without the dot that may end it.
    public var routingDomain: String {
        let lowered = self.domain.lowercased()
        return lowered.hasSuffix(".") ? String(lowered.dropLast()) : lowered
    }
}

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

extension Mailbox {
    /// Whether every octet is ASCII.
    public var isASCII: Bool {
        self.localPart.utf8.allSatisfy { $0 < 0x80 } && self.domain.utf8.allSatisfy { $0 < 0x80 }
    }
}
