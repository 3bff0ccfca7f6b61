/// What a route says of the name that a client asked for when TLS began (SNI).
package enum ServerNamePattern: Hashable, Sendable {
    /// `mail.example.org`: this name.
    case name(String)
    /// `*.example.org`: every name below this one, at any depth, but not this one.
    case below(String)

    /// Parses a name in either spelling, U-labels or A-labels. Fails with what is wrong, as a clause.
    package init(parsing text: String) throws(PatternError) {
        let isBelow = text.utf8.starts(with: "*.".utf8)
        let name = isBelow ? String(text.unicodeScalars.dropFirst(2)) : text
        guard !name.utf8.contains(UInt8(ascii: "*")) else {
            throw PatternError("\"\(text)\": a star stands before a name, as in \"*.example.org\"")
        }
        // RFC 6066 section 3: no addresses, with brackets or without.
        guard name.utf8.first != UInt8(ascii: "["), IPAddress(name) == nil else {
            throw PatternError("\"\(text)\" is an address: clients ask for names only (RFC 6066 section 3)")
        }
        if isASCII(name), let problem = DomainName.problem(name) {
            throw PatternError("\"\(text)\" is not a host name: \(problem)")
        }
        guard let key = DomainName.key(name) else {
            throw PatternError("\"\(text)\" is not a host name: it has no A-label (xn--…)")
        }
        self = isBelow ? .below(key) : .name(key)
    }

    /// A name that a client asked for as it is compared; nil for what is no host name.
    package static func canonical(_ name: String) -> String? {
        DomainName.problem(name) == nil ? DomainName.canonical(name) : nil
    }

    /// Whether a name, as ``canonical(_:)`` has it, is one of these.
    package func matches(_ name: String) -> Bool {
        switch self {
        case .name(let own): sameOctets(own, name)
        case .below(let parent): isBelow(name, parent)
        }
    }
}

extension ServerNamePattern: CustomStringConvertible {
    /// The name as the configuration has it.
    package var description: String {
        switch self {
        case .name(let name): name
        case .below(let parent): "*.\(parent)"
        }
    }
}

/// Whether a domain is below another, at any depth.
func isBelow(_ domain: String, _ parent: String) -> Bool {
    let octets = domain.utf8
    let rest = octets.count - parent.utf8.count
    guard rest > 1, octets.dropFirst(rest).elementsEqual(parent.utf8) else { return false }
    return octets.dropFirst(rest - 1).first == UInt8(ascii: ".")
}
