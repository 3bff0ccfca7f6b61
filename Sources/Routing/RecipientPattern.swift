/// What a route says of the recipients that it takes. Domains are as ``DomainName/key(_:)`` has them.
package enum RecipientPattern: Hashable, Sendable {
    /// `"*"`: every recipient.
    case everyone
    /// `flxw.de`: every mailbox of this domain, or of this address literal (`[192.0.2.1]`).
    case domain(String)
    /// `*.flxw.de`: every mailbox of a domain below this one, at any depth, but not of this one.
    case subdomains(of: String)
    /// `postmaster@`: this local-part at whatever domain.
    case localPart(LocalPart)
    /// `user@flxw.de`: one mailbox.
    case mailbox(LocalPart, domain: String)
    /// `/^list-.*@/`: every mailbox that the expression matches, as ``RecipientKey/subject`` has it.
    case expression(RegularExpression)

    /// Parses a pattern as relay.yaml has it.
    ///
    /// Fails with what is wrong in words fit for the person who wrote it.
    package init(parsing text: String) throws(PatternError) {
        guard !text.isEmpty else { throw PatternError("a pattern is empty") }
        // By octets throughout: a combining letter behind the @ or the star makes one Character with it.
        if sameOctets(text, "*") {
            self = .everyone
        } else if text.utf8.first == UInt8(ascii: "/") {
            self = .expression(try RegularExpression(parsing: text))
        } else if let at = text.utf8.lastIndex(of: UInt8(ascii: "@")) {
            let local = try Self.localPart(String(text[..<at]), of: text)
            let domain = String(text[text.utf8.index(after: at)...])
            self = domain.isEmpty ? .localPart(local) : .mailbox(local, domain: try Self.domainKey(domain, of: text))
        } else if text.utf8.starts(with: "*.".utf8) {
            let parent = String(text.unicodeScalars.dropFirst(2))
            guard parent.utf8.first != UInt8(ascii: "[") else {
                throw PatternError("\"\(text)\": an address literal has no subdomains")
            }
            self = .subdomains(of: try Self.domainKey(parent, of: text))
        } else {
            self = .domain(try Self.domainKey(text, of: text))
        }
    }
}

/// Why a text is no pattern.
package struct PatternError: Error, Equatable, Sendable {
    /// What is wrong, as a clause that names the pattern.
    package var message: String

    init(_ message: String) { self.message = message }
}

extension RecipientPattern {
    private static func localPart(_ text: String, of pattern: String) throws(PatternError) -> LocalPart {
        guard !text.isEmpty else {
            throw PatternError("\"\(pattern)\" has no local-part; a domain is written without the @")
        }
        // RFC 5321 section 4.5.3.1.1.
        guard text.utf8.count <= 64 else { throw PatternError("\"\(pattern)\": a local-part has 64 octets at most") }
        let quote = UInt8(ascii: "\"")
        let isQuoted = text.utf8.count >= 2 && text.utf8.first == quote && text.utf8.last == quote
        guard isQuoted || text.utf8.allSatisfy(isDotStringOctet) else {
            throw PatternError("\"\(pattern)\": this local-part has to be quoted (RFC 5321 section 4.1.2)")
        }
        guard !text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
            throw PatternError("a pattern has a control character in it")
        }
        return LocalPart(text)
    }

    private static func domainKey(_ text: String, of pattern: String) throws(PatternError) -> String {
        if text.utf8.first == UInt8(ascii: "["), text.utf8.last == UInt8(ascii: "]"), text.utf8.count <= 255 {
            guard let key = DomainName.key(text) else {
                throw PatternError("\"\(pattern)\": an address literal is ASCII")
            }
            return key
        }
        if text.utf8.contains(UInt8(ascii: "*")) {
            throw PatternError("\"\(pattern)\": a star stands alone or before a domain, as in \"*.example.org\"")
        }
        if isASCII(text), let problem = DomainName.problem(text) {
            throw PatternError("\"\(pattern)\" is not a domain: \(problem)")
        }
        guard let key = DomainName.key(text) else {
            throw PatternError("\"\(pattern)\" is not a domain: it has no A-label (xn--…)")
        }
        return key
    }
}

extension RecipientPattern: CustomStringConvertible {
    /// The pattern as the configuration has it.
    package var description: String {
        switch self {
        case .everyone: "*"
        case .domain(let domain): domain
        case .subdomains(let parent): "*.\(parent)"
        case .localPart(let local): "\(local)@"
        case .mailbox(let local, let domain): "\(local)@\(domain)"
        case .expression(let expression): expression.description
        }
    }
}
