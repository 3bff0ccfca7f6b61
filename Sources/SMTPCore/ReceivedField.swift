/// The trace field that a relay puts on top of a message (RFC 5321 section 4.4).
///
///     Received: from mx.example.net (mail.example.net [192.0.2.1])
///     	by relay.example.org (Postern) with ESMTPS (TLSv1.3 TLS_AES_256_GCM_SHA384) id 1jq8x4v0k3m2
///     	for <b@example.org>;
///     	Mon, 23 Nov 2026 02:19:02 +0000
///
/// Whatever the client chose is written so that the field stays one field, and valid: a name that is no domain goes into
/// a comment, with what ends comments escaped, and octets that no comment may have are replaced. No line is longer than
/// 998 octets.
public struct ReceivedField: Hashable, Sendable {
    /// The protocol that a message came by (RFC 3848, RFC 6531 section 4.3), and so its keyword.
    public struct Transmission: Hashable, Sendable {
        /// Whether the client said EHLO.
        public var isExtended: Bool
        /// Whether it said AUTH, with success.
        public var isAuthenticated: Bool
        /// Whether the transaction asked for SMTPUTF8.
        public var usesSMTPUTF8: Bool
        /// Protocol version and cipher; nil in clear.
        public var tls: TLS?

        /// Makes one; without arguments it is SMTP with HELO, in clear.
        public init(
            isExtended: Bool = false, isAuthenticated: Bool = false, usesSMTPUTF8: Bool = false, tls: TLS? = nil
        ) {
            self.isExtended = isExtended
            self.isAuthenticated = isAuthenticated
            self.usesSMTPUTF8 = usesSMTPUTF8
            self.tls = tls
        }

        /// `ESMTPS` and the like. There is none for HELO with TLS: that is `SMTP`, and the comment says the rest.
        public var keyword: String {
            guard self.isExtended else { return "SMTP" }
            return (self.usesSMTPUTF8 ? "UTF8SMTP" : "ESMTP") + (self.tls == nil ? "" : "S")
                + (self.isAuthenticated ? "A" : "")
        }
    }

    /// How a connection was encrypted.
    public struct TLS: Hashable, Sendable {
        /// The protocol's version, such as `TLSv1.3`.
        public var version: String
        /// The cipher suite's name; nil where it is not known.
        public var cipher: String?

        /// Makes one.
        public init(version: String, cipher: String? = nil) {
            self.version = version
            self.cipher = cipher
        }
    }

    /// The most octets that are kept of a name of the client's; a domain has no more (RFC 5321 section 4.5.3.1.2).
    private static let longestName = 255

    /// The field as it stands in a message, its CRLF included.
    public let octets: [UInt8]

    /// How many octets the field adds to a message: for SIZE=.
    public var length: Int { self.octets.count }

    /// Makes the field.
    ///
    /// - Parameters:
    ///   - helo: what the client said in HELO or EHLO.
    ///   - clientName: the client's name as the DNS has it, forth and back; nil where it has none.
    ///   - clientAddress: the client's IP address, without brackets; anything else is left out.
    ///   - serverName: our own name.
    ///   - id: the transaction's id: letters and digits.
    ///   - recipient: the recipient where there is exactly one; with several, nobody is to learn of the others
    ///     (RFC 5321 section 7.2).
    ///   - unixTime: the moment, in seconds since 1970.
    public init(
        helo: String, clientName: String?, clientAddress: String, serverName: String, transmission: Transmission,
        id: String, recipient: ForwardPath?, unixTime: Int64
    ) {
        let allowsUTF8 = transmission.usesSMTPUTF8
        var field: [UInt8] = []
        field.reserveCapacity(384)
        field.append("Received: from ")
        let literal = Self.literal(clientAddress)
        let isNamed = Self.isDomain(helo, allowsUTF8) || Self.isLiteral(helo)
        field.append(isNamed ? helo : literal ?? "unknown")
        field.append(" (")
        field.append(clientName.flatMap { Self.isDomain($0, allowsUTF8) ? $0 : nil } ?? "unknown")
        if let literal {
            field.append(" ")
            field.append(literal)
        }
        field.append(")")
        if !isNamed {
            // RFC 5321 section 4.4 has a domain or an address there, and lets comments follow.
            field.append("\r\n\t(HELO ")
            field.append(Self.comment(helo, allowsUTF8))
            field.append(")")
        }
        field.append("\r\n\tby ")
        field.append(Self.isDomain(serverName, true) || Self.isLiteral(serverName) ? serverName : "unknown")
        field.append(" (Postern) with ")
        field.append(transmission.keyword)
        if let tls = transmission.tls {
            field.append(" (")
            field.append(Self.comment([tls.version, tls.cipher].compactMap { $0 }.joined(separator: " "), false))
            field.append(")")
        }
        field.append(" id ")
        for octet in id.utf8 where isLetter(octet) || isDigit(octet) { field.append(octet) }
        if let recipient, let path = Self.path(recipient, allowsUTF8) {
            field.append("\r\n\tfor <")
            field.append(path)
            field.append(">")
        }
        field.append(";\r\n\t")
        DateTime(unixTime: unixTime).append(to: &field)
        field.append("\r\n")
        self.octets = field
    }
}

extension [UInt8] {
    fileprivate mutating func append(_ text: String) { self.append(contentsOf: text.utf8) }
}

extension ReceivedField {
    /// Labels of letters, digits, hyphens and underscores; with SMTPUTF8 of octets over 127, too (RFC 6531 section 3.3).
    private static func isDomain(_ text: String, _ allowsUTF8: Bool) -> Bool {
        let octets = text.utf8Span.span
        guard (1...self.longestName).contains(octets.count) else { return false }
        var previous = dot
        for index in octets.indices {
            let octet = octets[index]
            let isAllowed =
                isLetter(octet) || isDigit(octet) || octet == UInt8(ascii: "-") || octet == UInt8(ascii: "_")
                || octet >= 0x80 && allowsUTF8 || octet == dot && previous != dot
            guard isAllowed else { return false }
            previous = octet
        }
        return previous != dot
    }

    /// `[192.0.2.1]` or `[IPv6:2001:db8::1]`; also the address without its tag, which some clients send.
    private static func isLiteral(_ text: String) -> Bool {
        guard text.utf8.count <= self.longestName, text.utf8.first == UInt8(ascii: "["),
            text.utf8.last == UInt8(ascii: "]")
        else { return false }
        let inside = text.utf8.dropFirst().dropLast()
        return !inside.isEmpty
            && inside.allSatisfy { isLetter($0) || isDigit($0) || $0 == dot || $0 == UInt8(ascii: ":") }
    }

    /// An address as RFC 5321 section 4.1.3 writes it; nil for what is none, such as the path of a Unix socket.
    private static func literal(_ address: String) -> String? {
        let octets = address.utf8Span.span
        guard (2...45).contains(octets.count) else { return nil }
        var isIPv6 = false
        for index in octets.indices {
            let octet = octets[index]
            if octet == UInt8(ascii: ":") { isIPv6 = true } else if hexValue(octet) == nil, octet != dot { return nil }
        }
        return isIPv6 ? "[IPv6:\(address)]" : "[\(address)]"
    }

    /// Text for a comment (RFC 5322 section 3.2.2): parentheses and backslashes are escaped.
    private static func comment(_ text: String, _ allowsUTF8: Bool) -> String {
        var octets: [UInt8] = []
        var source = Array(text.utf8.prefix(self.longestName))
        // The cut must not leave half a character.
        if source.count < text.utf8.count { while let last = source.last, last >= 0x80 { source.removeLast() } }
        for octet in source {
            switch octet {
            case UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "\\"): octets += [UInt8(ascii: "\\"), octet]
            case _ where isPrintable(octet) || octet >= 0x80 && allowsUTF8: octets.append(octet)
            default: octets.append(UInt8(ascii: "?"))
            }
        }
        return String(decoding: octets, as: UTF8.self)
    }

    /// The path where the field can have it: `Postmaster` alone is no mailbox, and UTF-8 needs SMTPUTF8.
    private static func path(_ recipient: ForwardPath, _ allowsUTF8: Bool) -> String? {
        guard case .mailbox(let mailbox) = recipient else { return nil }
        let path = mailbox.description
        let octets = path.utf8Span.span
        guard octets.count <= 512 else { return nil }
        for index in octets.indices {
            let octet = octets[index]
            guard isPrintable(octet) || octet >= 0x80 && allowsUTF8 else { return nil }
        }
        return path
    }
}
