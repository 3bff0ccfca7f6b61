/// Parses a path (RFC 5321 section 4.1.2, RFC 6531 section 3.3) at a place in a line.
///
/// A source route is accepted and forgotten (RFC 5321 appendix C). What is not a path is nil, and the cursor is then
/// anywhere. Octets over 127 are let through wherever UTF-8 may stand: the line was found to be UTF-8 before.
enum PathParser {
    /// The longest local-part, domain and path, in octets (RFC 5321 sections 4.5.3.1.1 to 4.5.3.1.3).
    static let longestLocalPart = 64
    static let longestDomain = 255
    static let longestPath = 256
    /// The longest label (RFC 1035 section 2.3.4), and the longest U-label of an A-label of that length (RFC 5890 section
    /// 4.2).
    private static let longestLabel = 63
    private static let longestULabel = 252

    static func reversePath(_ text: Span<UInt8>, _ cursor: inout Int) -> PathSyntax? {
        if cursor + 1 < text.count, text[cursor] == UInt8(ascii: "<"), text[cursor + 1] == UInt8(ascii: ">") {
            cursor += 2
            return PathSyntax(kind: .null, mailbox: LineRange(cursor, cursor), at: 0, isASCII: true)
        }
        return self.path(text, &cursor, allowsPostmaster: false)
    }

    static func forwardPath(_ text: Span<UInt8>, _ cursor: inout Int) -> PathSyntax? {
        self.path(text, &cursor, allowsPostmaster: true)
    }

    /// `<` path `>`, or a mailbox without the brackets, which old clients send.
    private static func path(_ text: Span<UInt8>, _ cursor: inout Int, allowsPostmaster: Bool) -> PathSyntax? {
        let start = cursor
        let isBracketed = cursor < text.count && text[cursor] == UInt8(ascii: "<")
        if isBracketed { cursor += 1 }
        let result: PathSyntax
        if allowsPostmaster, self.isPostmaster(text, cursor, isBracketed: isBracketed) {
            result = PathSyntax(kind: .postmaster, mailbox: LineRange(cursor, cursor + 10), at: 0, isASCII: true)
            cursor += 10
        } else {
            if isBracketed { guard self.skipSourceRoute(text, &cursor) else { return nil } }
            guard let mailbox = self.mailbox(text, &cursor) else { return nil }
            result = mailbox
        }
        if isBracketed {
            guard cursor < text.count, text[cursor] == UInt8(ascii: ">") else { return nil }
            cursor += 1
        }
        // The brackets count (RFC 5321 section 4.5.3.1.3), and we write them where the client did not.
        guard cursor - start + (isBracketed ? 0 : 2) <= self.longestPath else { return nil }
        return result
    }

    /// `postmaster` and no domain behind it (RFC 5321 section 4.1.1.3).
    private static func isPostmaster(_ text: Span<UInt8>, _ cursor: Int, isBracketed: Bool) -> Bool {
        let end = cursor + 10
        guard end <= text.count, matches(text.extracting(cursor..<end), "POSTMASTER") else { return false }
        if isBracketed { return end < text.count && text[end] == UInt8(ascii: ">") }
        return end == text.count || isBlank(text[end])
    }

    /// `@a,@b:` (RFC 5321 section 4.1.2, A-d-l).
    private static func skipSourceRoute(_ text: Span<UInt8>, _ cursor: inout Int) -> Bool {
        guard cursor < text.count, text[cursor] == UInt8(ascii: "@") else { return true }
        while cursor < text.count, text[cursor] == UInt8(ascii: "@") {
            cursor += 1
            guard self.skipDomain(text, &cursor), cursor < text.count else { return false }
            if text[cursor] == UInt8(ascii: ":") {
                cursor += 1
                return true
            }
            guard text[cursor] == UInt8(ascii: ",") else { return false }
            cursor += 1
        }
        return false
    }

    private static func mailbox(_ text: Span<UInt8>, _ cursor: inout Int) -> PathSyntax? {
        let start = cursor
        guard self.skipLocalPart(text, &cursor) else { return nil }
        let at = cursor
        guard at < text.count, text[at] == UInt8(ascii: "@") else { return nil }
        cursor += 1
        guard self.skipDomain(text, &cursor) else { return nil }
        var isASCII = true
        for index in start..<cursor { isASCII = isASCII && text[index] < 0x80 }
        return PathSyntax(
            kind: .mailbox, mailbox: LineRange(start, cursor), at: UInt16(truncatingIfNeeded: at), isASCII: isASCII)
    }

    /// Dot-string or quoted-string.
    ///
    /// Deviates: dots in any number and at any place are let through: mailboxes with them exist.
    private static func skipLocalPart(_ text: Span<UInt8>, _ cursor: inout Int) -> Bool {
        let start = cursor
        if cursor < text.count, text[cursor] == UInt8(ascii: "\"") {
            guard self.skipQuotedString(text, &cursor) else { return false }
        } else {
            while cursor < text.count, isAtext(text[cursor]) || text[cursor] == dot || text[cursor] >= 0x80 {
                cursor += 1
            }
        }
        return cursor > start && cursor - start <= self.longestLocalPart
    }

    /// qtextSMTP and quoted-pairSMTP between quotes; it may be empty.
    private static func skipQuotedString(_ text: Span<UInt8>, _ cursor: inout Int) -> Bool {
        cursor += 1
        while cursor < text.count, text[cursor] != UInt8(ascii: "\"") {
            if text[cursor] == UInt8(ascii: "\\") {
                cursor += 1
                // RFC 6531 section 3.3 adds UTF-8 to qtextSMTP, not to what may be escaped.
                guard cursor < text.count, isPrintable(text[cursor]) else { return false }
            } else {
                guard isPrintable(text[cursor]) || text[cursor] >= 0x80 else { return false }
            }
            cursor += 1
        }
        guard cursor < text.count else { return false }
        cursor += 1
        return true
    }

    /// A domain or an address literal.
    private static func skipDomain(_ text: Span<UInt8>, _ cursor: inout Int) -> Bool {
        let start = cursor
        if cursor < text.count, text[cursor] == UInt8(ascii: "[") {
            while cursor < text.count, text[cursor] != UInt8(ascii: "]"), cursor - start < self.longestDomain {
                cursor += 1
            }
            guard cursor < text.count, text[cursor] == UInt8(ascii: "]"),
                AddressLiteral.isValid(text.extracting(start + 1..<cursor))
            else { return false }
            cursor += 1
        } else {
            guard self.skipDomainName(text, &cursor) else { return false }
        }
        return cursor > start && cursor - start <= self.longestDomain
    }

    /// Labels of letters, digits, hyphens, UTF-8 (RFC 6531 section 3.3) and underscores; none is empty, and a dot may end
    /// the last.
    ///
    /// Deviates: RFC 5321 has neither the underscore nor the dot at the end, nor a hyphen at either end of a label.
    private static func skipDomainName(_ text: Span<UInt8>, _ cursor: inout Int) -> Bool {
        guard self.skipLabel(text, &cursor) else { return false }
        while cursor < text.count, text[cursor] == dot {
            cursor += 1
            guard cursor < text.count, self.isLabelOctet(text[cursor]) else {
                return cursor == text.count || text[cursor] != dot
            }
            guard self.skipLabel(text, &cursor) else { return false }
        }
        return true
    }

    private static func skipLabel(_ text: Span<UInt8>, _ cursor: inout Int) -> Bool {
        let start = cursor
        var isASCII = true
        while cursor < text.count, self.isLabelOctet(text[cursor]) {
            isASCII = isASCII && text[cursor] < 0x80
            cursor += 1
        }
        return cursor > start && cursor - start <= (isASCII ? self.longestLabel : self.longestULabel)
    }

    @inline(__always)
    private static func isLabelOctet(_ octet: UInt8) -> Bool {
        isLetter(octet) || isDigit(octet) || octet == UInt8(ascii: "-") || octet == UInt8(ascii: "_") || octet >= 0x80
    }
}
