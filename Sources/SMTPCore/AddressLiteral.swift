/// What stands between the brackets of an address literal (RFC 5321 section 4.1.3).
enum AddressLiteral {
    /// Whether this is an IPv4 address, `IPv6:` and an IPv6 address, or a tag and what its standard says.
    static func isValid(_ text: Span<UInt8>) -> Bool {
        var colon = 0
        while colon < text.count, text[colon] != UInt8(ascii: ":") { colon += 1 }
        guard colon < text.count else { return self.isIPv4(text) }
        let content = text.extracting(colon + 1..<text.count)
        if matches(text.extracting(0..<colon), "IPV6") { return self.isIPv6(content) }
        return self.isTag(text.extracting(0..<colon)) && self.isContent(content)
    }

    /// Ldh-str: letters, digits and hyphens, no hyphen at the end.
    private static func isTag(_ text: Span<UInt8>) -> Bool {
        guard !text.isEmpty, text[text.count - 1] != UInt8(ascii: "-") else { return false }
        for index in 0..<text.count {
            guard isLetter(text[index]) || isDigit(text[index]) || text[index] == UInt8(ascii: "-") else {
                return false
            }
        }
        return true
    }

    /// dcontent, one at least.
    private static func isContent(_ text: Span<UInt8>) -> Bool {
        for index in 0..<text.count {
            guard isPrintable(text[index]), text[index] != 0x20, !(0x5B...0x5D).contains(text[index]) else {
                return false
            }
        }
        return !text.isEmpty
    }

    /// Four numbers from 0 to 255.
    ///
    /// Deviates: RFC 5321's Snum may have leading zeros; to some readers they make it octal, which is another address.
    static func isIPv4(_ text: Span<UInt8>) -> Bool {
        var numbers = 0
        var cursor = 0
        while true {
            let start = cursor
            var value = 0
            while cursor < text.count, cursor - start < 3, isDigit(text[cursor]) {
                value = value * 10 + Int(text[cursor] - UInt8(ascii: "0"))
                cursor += 1
            }
            guard cursor > start, value <= 255, cursor - start == 1 || text[start] != UInt8(ascii: "0") else {
                return false
            }
            numbers += 1
            if cursor == text.count { return numbers == 4 }
            guard text[cursor] == dot, numbers < 4 else { return false }
            cursor += 1
        }
    }

    /// RFC 4291 section 2.2: eight groups, or fewer and one `::` for the others; an IPv4 address may be the last two.
    ///
    /// Deviates: `::` may stand for one group alone, as RFC 4291 has it, where RFC 5321 asks for two.
    static func isIPv6(_ text: Span<UInt8>) -> Bool {
        var groups = 0
        var isCompressed = false
        var cursor = 0
        if text.count >= 2, text[0] == UInt8(ascii: ":"), text[1] == UInt8(ascii: ":") {
            isCompressed = true
            cursor = 2
            if cursor == text.count { return true }
        }
        while true {
            let start = cursor
            while cursor < text.count, cursor - start < 5, hexValue(text[cursor]) != nil { cursor += 1 }
            if cursor < text.count, text[cursor] == dot {
                guard self.isIPv4(text.extracting(start..<text.count)) else { return false }
                groups += 2
                break
            }
            guard (1...4).contains(cursor - start) else { return false }
            groups += 1
            if cursor == text.count { break }
            guard text[cursor] == UInt8(ascii: ":"), groups < 8 else { return false }
            cursor += 1
            if cursor < text.count, text[cursor] == UInt8(ascii: ":") {
                guard !isCompressed else { return false }
                isCompressed = true
                cursor += 1
                if cursor == text.count { break }
            }
        }
        return isCompressed ? groups <= 7 : groups == 8
    }
}
