/// Base64 as SASL has it on the wire (RFC 4954 section 4, RFC 4648 section 4): the one alphabet, whole groups of four, padded,
/// and nothing else in between.
public enum Base64 {
    /// The octets that a text stands for; nil where it is no base64.
    ///
    /// Strict: bits behind the last octet have to be zero (RFC 4648 section 3.5), so that every value has one spelling.
    /// The result is the caller's, who wipes it where it is a secret.
    public static func decode(_ text: Span<UInt8>) -> [UInt8]? {
        guard text.count & 3 == 0 else { return nil }
        var end = text.count
        for _ in 0..<2 where end > 0 && text[end - 1] == UInt8(ascii: "=") { end -= 1 }
        // All at once: an array that grows leaves copies of what was in it.
        var octets: [UInt8] = []
        octets.reserveCapacity(text.count / 4 * 3)
        var bits: UInt32 = 0
        var count = 0
        for index in 0..<end {
            guard let value = self.value(text[index]) else {
                Secret.wipe(&octets)
                return nil
            }
            bits = bits << 6 | UInt32(value)
            count += 6
            guard count >= 8 else { continue }
            count -= 8
            octets.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
        }
        guard bits & (1 << UInt32(count) - 1) == 0 else {
            Secret.wipe(&octets)
            return nil
        }
        return octets
    }

    /// The base64 of octets.
    public static func encode(_ octets: Span<UInt8>) -> String {
        var text: [UInt8] = []
        text.reserveCapacity((octets.count + 2) / 3 * 4)
        var index = 0
        while index < octets.count {
            let count = min(3, octets.count - index)
            var group: UInt32 = 0
            for offset in 0..<3 { group = group << 8 | (offset < count ? UInt32(octets[index + offset]) : 0) }
            for digit in 0..<4 {
                let value = UInt8(truncatingIfNeeded: group >> UInt32(18 - 6 * digit)) & 0x3F
                text.append(digit <= count ? self.digit(value) : UInt8(ascii: "="))
            }
            index += count
        }
        return String(decoding: text, as: UTF8.self)
    }

    private static func value(_ octet: UInt8) -> UInt8? {
        if octet &- 0x41 < 26 { return octet &- 0x41 }
        if octet &- 0x61 < 26 { return octet &- 0x61 + 26 }
        if isDigit(octet) { return octet &- 0x30 + 52 }
        switch octet {
        case UInt8(ascii: "+"): return 62
        case UInt8(ascii: "/"): return 63
        default: return nil
        }
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        switch value {
        case 0..<26: UInt8(ascii: "A") + value
        case 26..<52: UInt8(ascii: "a") + value - 26
        case 52..<62: UInt8(ascii: "0") + value - 52
        case 62: UInt8(ascii: "+")
        default: UInt8(ascii: "/")
        }
    }
}
