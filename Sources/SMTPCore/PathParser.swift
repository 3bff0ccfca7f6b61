/// Parses a path (RFC 5321 section 4.1.2) at a place in a line.
///
/// A source route is accepted and forgotten (RFC 5321 appendix C). What is not a path is nil, and the cursor is then
/// anywhere.
enum PathParser {
    /// The longest local-part, domain and path, in octets (RFC 5321 sections 4.5.3.1.1 to 4.5.3.1.3).
    static let longestLocalPart = 64
    static let longestDomain = 255
    static let longestPath = 256

    static func reversePath(_ text: Span<UInt8>, _ cursor: inout Int) -> ReversePath? {
        if cursor + 1 < text.count, text[cursor] == UInt8(ascii: "<"), text[cursor + 1] == UInt8(ascii: ">") {
            cursor += 2
            return .null
        }
        return self.bracketed(text, &cursor, self.mailbox).map { .mailbox($0) }
    }

    static func forwardPath(_ text: Span<UInt8>, _ cursor: inout Int) -> ForwardPath? {
        self.bracketed(text, &cursor) { text, cursor in
            if self.isPostmaster(text, cursor) {
                cursor += 10
                return .postmaster
            }
            return self.mailbox(text, &cursor).map { .mailbox($0) }
        }
    }

    /// `<` path `>`, or a path without its brackets, which old clients send.
    private static func bracketed<Path>(
        _ text: Span<UInt8>, _ cursor: inout Int, _ path: (Span<UInt8>, inout Int) -> Path?
    ) -> Path? {
        let start = cursor
        let isBracketed = cursor < text.count && text[cursor] == UInt8(ascii: "<")
        if isBracketed {
            cursor += 1
            guard self.skipSourceRoute(text, &cursor) else { return nil }
        }
        guard let result = path(text, &cursor) else { return nil }
        if isBracketed {
            guard cursor < text.count, text[cursor] == UInt8(ascii: ">") else { return nil }
            cursor += 1
        }
        guard cursor - start <= self.longestPath else { return nil }
        return result
    }

    /// `postmaster` and no domain behind it (RFC 5321 section 4.1.1.3).
    private static func isPostmaster(_ text: Span<UInt8>, _ cursor: Int) -> Bool {
        guard cursor + 10 <= text.count, matches(text.extracting(cursor..<cursor + 10), "POSTMASTER") else {
            return false
        }
        return cursor + 10 == text.count || text[cursor + 10] == UInt8(ascii: ">")
            || text[cursor + 10] == UInt8(ascii: " ")
    }

    /// `@a,@b:` (RFC 5321 section 4.1.2, A-d-l).
    private static func skipSourceRoute(_ text: Span<UInt8>, _ cursor: inout Int) -> Bool {
        guard cursor < text.count, text[cursor] == UInt8(ascii: "@") else { return true }
        while cursor < text.count, text[cursor] == UInt8(ascii: "@") {
            cursor += 1
            guard self.domain(text, &cursor) != nil, cursor < text.count else { return false }
            if text[cursor] == UInt8(ascii: ":") {
                cursor += 1
                return true
            }
            guard text[cursor] == UInt8(ascii: ",") else { return false }
            cursor += 1
        }
        return false
    }

    static func mailbox(_ text: Span<UInt8>, _ cursor: inout Int) -> Mailbox? {
        guard let localPart = self.localPart(text, &cursor) else { return nil }
        guard cursor < text.count, text[cursor] == UInt8(ascii: "@") else { return nil }
        cursor += 1
        guard let domain = self.domain(text, &cursor) else { return nil }
        return Mailbox(
            localPart: string(text.extracting(localPart)), domain: string(text.extracting(domain)))
    }

    /// Dot-string or quoted-string. Dots in any number are let through: mailboxes with them exist.
    private static func localPart(_ text: Span<UInt8>, _ cursor: inout Int) -> Range<Int>? {
        let start = cursor
        if cursor < text.count, text[cursor] == UInt8(ascii: "\"") {
            cursor += 1
            while cursor < text.count, text[cursor] != UInt8(ascii: "\"") {
                if text[cursor] == UInt8(ascii: "\\") { cursor += 1 }
                guard cursor < text.count, isPrintable(text[cursor]) else { return nil }
                cursor += 1
            }
            guard cursor < text.count else { return nil }
            cursor += 1
        } else {
            while cursor < text.count, isAtext(text[cursor]) || text[cursor] == dot { cursor += 1 }
        }
        guard cursor > start, cursor - start <= self.longestLocalPart else { return nil }
        return start..<cursor
    }

    /// A domain or an address literal.
    private static func domain(_ text: Span<UInt8>, _ cursor: inout Int) -> Range<Int>? {
        let start = cursor
        if cursor < text.count, text[cursor] == UInt8(ascii: "[") {
            while cursor < text.count, text[cursor] != UInt8(ascii: "]") {
                guard isPrintable(text[cursor]), text[cursor] != UInt8(ascii: "\\"), text[cursor] != 0x20 else {
                    return nil
                }
                cursor += 1
            }
            guard cursor < text.count, cursor - start > 1 else { return nil }
            cursor += 1
        } else {
            // Labels of letters, digits, hyphens and (though RFC 5321 has none) underscores; none is empty.
            var labelLength = 0
            while cursor < text.count {
                let octet = text[cursor]
                if octet == dot {
                    guard labelLength > 0 else { return nil }
                    labelLength = 0
                } else if isLetter(octet) || isDigit(octet) || octet == UInt8(ascii: "-") || octet == UInt8(ascii: "_")
                {
                    labelLength += 1
                    guard labelLength <= 63 else { return nil }
                } else {
                    break
                }
                cursor += 1
            }
        }
        guard cursor > start, cursor - start <= self.longestDomain else { return nil }
        return start..<cursor
    }
}
