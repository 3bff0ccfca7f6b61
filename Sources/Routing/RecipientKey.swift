import SMTPCore

/// A local-part as it is compared: octet by octet, quotes and escapes taken away, and `postmaster` in any case.
///
/// `"a b"@x`, `"a\ b"@x` name one mailbox, as do `"ab"@x` and `ab@x` (RFC 5321 section 4.1.2); `Ab@x` and `ab@x` need
/// not (section 2.4), but Postmaster is the same in any case (section 4.1.1.3).
package struct LocalPart: Sendable {
    /// The mailbox that every domain has to have (RFC 5321 section 4.5.1).
    package static let postmaster = LocalPart("postmaster")

    private let text: String

    /// Makes the key of a local-part as the client, or the configuration, wrote it.
    package init(_ written: String) {
        let value = Self.unquoted(written)
        self.text = Self.isPostmaster(value) ? "postmaster" : value
    }

    private static func isPostmaster(_ text: String) -> Bool {
        text.utf8.count == 10 && sameOctets(lowercasedASCII(text), "postmaster")
    }

    private static func unquoted(_ text: String) -> String {
        let quote = UInt8(ascii: "\"")
        guard text.utf8.count >= 2, text.utf8.first == quote, text.utf8.last == quote else { return text }
        var octets: [UInt8] = []
        var isEscaped = false
        for octet in text.utf8.dropFirst().dropLast() {
            if octet == UInt8(ascii: "\\"), !isEscaped {
                isEscaped = true
            } else {
                octets.append(octet)
                isEscaped = false
            }
        }
        return String(decoding: octets, as: UTF8.self)
    }
}

extension LocalPart: Hashable {
    /// Whether both have the same octets.
    package static func == (left: LocalPart, right: LocalPart) -> Bool {
        sameOctets(left.text, right.text)
    }

    /// Feeds the octets, since equality goes by them.
    package func hash(into hasher: inout Hasher) {
        for octet in self.text.utf8 { hasher.combine(octet) }
    }
}

extension LocalPart: CustomStringConvertible {
    /// The octets that are compared.
    package var description: String { self.text }
}

extension LocalPart {
    /// The octets that are compared.
    var octets: String.UTF8View { self.text.utf8 }

    /// How it is written with as few quotes as there may be: none around a Dot-string, else quotes, and a backslash
    /// before each quote and backslash within (RFC 5321 section 4.1.2).
    static func written(_ octets: Span<UInt8>, to text: inout [UInt8]) {
        var isDotString = octets.count > 0
        for place in 0..<octets.count where !isDotStringOctet(octets[place]) { isDotString = false }
        if !isDotString { text.append(UInt8(ascii: "\"")) }
        for place in 0..<octets.count {
            let octet = octets[place]
            if octet == UInt8(ascii: "\"") || octet == UInt8(ascii: "\\") { text.append(UInt8(ascii: "\\")) }
            text.append(octet)
        }
        if !isDotString { text.append(UInt8(ascii: "\"")) }
    }
}

/// An octet of an atom, or a dot (RFC 5321 section 4.1.2); over 127 with SMTPUTF8 (RFC 6531 section 3.3).
func isDotStringOctet(_ octet: UInt8) -> Bool {
    switch octet {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), 0x80...0xFF:
        return true
    default:
        return "!#$%&'*+-/=?^_`{|}~.".utf8.contains(octet)
    }
}

/// What routes look at in a recipient, whatever it is written like.
struct RecipientKey {
    /// As ``DomainName/key(_:)`` has it; nil for `<Postmaster>`.
    let domain: String?
    let localPart: LocalPart

    /// That of `<Postmaster>`.
    static let postmaster = RecipientKey(domain: nil, localPart: .postmaster)

    private init(domain: String?, localPart: LocalPart) {
        self.domain = domain
        self.localPart = localPart
    }

    /// Makes the key of a recipient; nil where its domain is none that a message could go to.
    init?(_ recipient: ForwardPath) {
        switch recipient {
        case .postmaster:
            self.domain = nil
            self.localPart = LocalPart.postmaster
        case .mailbox(let mailbox):
            guard let domain = DomainName.key(mailbox.domain) else { return nil }
            self.domain = domain
            self.localPart = LocalPart(mailbox.localPart)
        }
    }

    /// What expressions are matched with: the mailbox, each part as it is compared, with as few quotes as there may be;
    /// `postmaster@` for `<Postmaster>`. So whatever is behind the last `@` is the domain, and no quotes that a sender
    /// adds make it another mailbox.
    var subject: [UInt8] {
        Self.subject(Array(self.localPart.octets).span, Array((self.domain ?? "").utf8).span)
    }

    /// The same, of the parts as they are compared, but for the domain's letters.
    static func subject(_ localPart: Span<UInt8>, _ domain: Span<UInt8>) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(localPart.count + domain.count + 3)
        LocalPart.written(localPart, to: &text)
        text.append(UInt8(ascii: "@"))
        for place in 0..<domain.count { text.append(lowercasedASCII(domain[place])) }
        return text
    }
}
