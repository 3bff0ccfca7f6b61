/// A mailbox: the local-part and the domain of a path, as they were received (RFC 5321 section 4.1.2).
///
/// Both keep the client's octets: the local-part its case, quotes and escapes (RFC 5321 section 2.4), the domain its
/// case. Two mailboxes are equal if their octets are: `e` with an accent and `e` followed by one are two local-parts
/// (RFC 6531 section 3.3). A domain is compared through ``routingDomain``.
public struct Mailbox: Sendable {
    /// Both parts and the `@` between them: one text, so that a mailbox is one allocation or none.
    private let text: String
    /// The offset of that `@`; the last one of `text` that is not quoted.
    private let at: UInt32
    /// Whether every octet is ASCII: without SMTPUTF8 it has to be (RFC 6531 section 3.3).
    public let isASCII: Bool

    /// Makes a mailbox of parts that have been validated.
    public init(localPart: String, domain: String) {
        self.text = "\(localPart)@\(domain)"
        self.at = UInt32(clamping: localPart.utf8.count)
        self.isASCII = self.text.utf8.allSatisfy { $0 < 0x80 }
    }

    /// Makes a mailbox of a text that has been validated.
    init(_ text: String, at: Int, isASCII: Bool) {
        self.text = text
        self.at = UInt32(clamping: at)
        self.isASCII = isASCII
    }
}

extension Mailbox {
    /// The local-part, quotes included where the client wrote them; at most 64 octets.
    public var localPart: String { String(self.text[..<self.atIndex]) }

    /// A domain name, or an address literal with its brackets; at most 255 octets.
    public var domain: String {
        let utf8 = self.text.utf8
        return String(self.text[utf8.index(after: self.atIndex)...])
    }

    /// The domain as routes compare it: lower case, without the dot that may end it.
    public var routingDomain: String {
        let lowered = self.domain.lowercased()
        return lowered.hasSuffix(".") ? String(lowered.dropLast()) : lowered
    }

    /// Calls `body` with the octets of both parts, without a copy of them.
    package func withOctets<Result>(_ body: (_ localPart: Span<UInt8>, _ domain: Span<UInt8>) -> Result) -> Result {
        let octets = self.text.utf8Span.span
        let at = Int(self.at)
        return body(octets.extracting(..<at), octets.extracting((at + 1)...))
    }

    private var atIndex: String.Index {
        let utf8 = self.text.utf8
        return utf8.index(utf8.startIndex, offsetBy: Int(self.at))
    }
}

extension Mailbox: Hashable {
    /// Whether both have the same octets.
    public static func == (left: Mailbox, right: Mailbox) -> Bool {
        left.at == right.at && sameOctets(left.text, right.text)
    }

    /// Feeds the octets, since equality goes by them.
    public func hash(into hasher: inout Hasher) {
        hasher.combineOctets(of: self.text)
    }
}

extension Mailbox: CustomStringConvertible {
    /// `local-part@domain`, as it was received.
    public var description: String { self.text }
}
