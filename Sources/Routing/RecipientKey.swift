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

/// What routes look at in a recipient; made once for all of them.
struct RecipientKey {
    /// As ``DomainName/key(_:)`` has it; nil for `<Postmaster>`.
    let domain: String?
    let localPart: LocalPart

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
}
