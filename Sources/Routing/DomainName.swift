/// The grammar of domain names as configuration has them: RFC 5321 section 4.1.2 and RFC 1035 section 2.3.4, with the
/// underscore that internal host names use.
package enum DomainName {
    /// What keeps `text` from being a domain name, as a clause; nil where it is one.
    package static func problem(_ text: String) -> String? {
        guard isASCII(text) else { return "it is not ASCII; write the A-label (xn--…)" }
        let name = text.utf8.last == UInt8(ascii: ".") ? text.dropLast() : text[...]
        guard !name.isEmpty else { return "it is empty" }
        // RFC 5321 section 4.5.3.1.2.
        guard name.utf8.count <= 255 else { return "it has more than 255 octets" }
        for label in name.split(separator: ".", omittingEmptySubsequences: false) {
            guard !label.isEmpty else { return "a label is empty" }
            guard label.utf8.count <= 63 else { return "a label has more than 63 octets" }
            guard label.first != "-", label.last != "-" else { return "a label begins or ends with \"-\"" }
            guard let bad = label.first(where: { !Self.isLabel($0) }) else { continue }
            return "\"\(bad)\" cannot be in it"
        }
        return nil
    }

    /// The name as it is compared: lower case, without the dot that may end it.
    package static func canonical(_ text: String) -> String {
        let name = lowercasedASCII(text)
        return name.utf8.last == UInt8(ascii: ".") ? String(name.dropLast()) : name
    }

    /// The domain of a mailbox as it is compared, in ASCII, so that every spelling of one domain has the same; nil for
    /// octets over 127 that are no internationalized name.
    ///
    /// A name is in lower case, without the dot that may end it, and an internationalized one is in its A-labels
    /// (RFC 6531 section 3.7.1). An address literal with an IP address has it in the canonical form; an IPv4 address
    /// that is written as an IPv6 one is the IPv4 address. Other literals are in lower case.
    package static func key(_ domain: String) -> String? {
        if domain.utf8.first == UInt8(ascii: "[") { return Self.literalKey(domain) }
        guard !isASCII(domain) else { return Self.canonical(domain) }
        guard let name = Self.asciiForm(domain), Self.problem(name) == nil else { return nil }
        return Self.canonical(name)
    }

    /// RFC 5321 section 4.1.3.
    private static func literalKey(_ literal: String) -> String? {
        guard isASCII(literal) else { return nil }
        let lowered = lowercasedASCII(literal)
        let inside = lowered.dropFirst().dropLast()
        guard lowered.utf8.last == UInt8(ascii: "]") else { return lowered }
        let isTagged = inside.utf8.starts(with: "ipv6:".utf8)
        // An IPv6 address without its tag is no literal of RFC 5321, and not the one that has it.
        let text = isTagged ? inside.dropFirst(5) : inside
        guard isTagged == text.utf8.contains(UInt8(ascii: ":")), let address = IPAddress(text) else { return lowered }
        return switch address {
        case .v4: "[\(address)]"
        case .v6: "[ipv6:\(address)]"
        }
    }

    private static func isLabel(_ character: Character) -> Bool {
        guard let octet = character.asciiValue else { return false }
        switch octet {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            return true
        default:
            return false
        }
    }
}
