/// Reads the values of directives as nginx does.
enum NginxValue {
    /// Digits only; nil also where it is too large (`ngx_atoi`).
    static func number(_ text: some StringProtocol) -> Int? {
        guard !text.isEmpty, text.utf8.allSatisfy({ 0x30...0x39 ~= $0 }) else { return nil }
        return Int(text)
    }

    /// `on` or `off`, in any case.
    static func flag(_ text: String) -> Bool? {
        switch text.lowercased() {
        case "on": true
        case "off": false
        default: nil
        }
    }

    /// Octets: a number, perhaps with `k` or `m` (`ngx_parse_size`).
    static func size(_ text: String) -> Int? {
        let scale: Int
        switch text.utf8.last {
        case UInt8(ascii: "k"), UInt8(ascii: "K"): scale = 1024
        case UInt8(ascii: "m"), UInt8(ascii: "M"): scale = 1024 * 1024
        default: scale = 1
        }
        guard let number = Self.number(scale == 1 ? text[...] : text.dropLast()) else { return nil }
        let (octets, isTooLarge) = number.multipliedReportingOverflow(by: scale)
        return isTooLarge ? nil : octets
    }

    /// A step of a time: each unit has to be smaller than the one before.
    private static let units: [(unit: String, rank: Int, milliseconds: Int)] = [
        // (nginx takes "y" only where it stands first, and nothing larger than months behind it.)
        ("ms", 8, 1), ("M", 2, 2_592_000_000), ("w", 3, 604_800_000), ("d", 4, 86_400_000), ("h", 5, 3_600_000),
        ("m", 6, 60_000), ("s", 7, 1000), (" ", 9, 1000),
    ]

    /// Milliseconds: `90`, `1m30s`, `1h 30m`, `500ms`; a number alone is seconds (`ngx_parse_time`).
    static func milliseconds(_ text: String) -> Int? {
        var rest = Substring(text)
        var (total, rank) = (0, 1)
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            guard let number = Self.number(digits) else { return nil }
            rest = rest.dropFirst(digits.count)
            let scale: Int
            if rest.isEmpty {
                scale = 1000
            } else if let found = Self.units.first(where: { rest.hasPrefix($0.unit) }) {
                // A blank behind a number makes it seconds, and nothing may stand behind seconds but milliseconds.
                guard found.unit == " " ? rank < 7 : rank < found.rank else { return nil }
                (rank, scale) = (found.rank, found.milliseconds)
                rest = rest.dropFirst(found.unit.count).drop { $0 == " " }
            } else {
                return nil
            }
            let (value, isTooLarge) = number.multipliedReportingOverflow(by: scale)
            let (sum, isSumTooLarge) = total.addingReportingOverflow(value)
            guard !isTooLarge, !isSumTooLarge else { return nil }
            total = sum
        }
        return text.isEmpty ? nil : total
    }
}

/// IP addresses as nginx reads them, in one spelling.
enum NginxAddress {
    /// Four numbers up to 255, written without leading zeros.
    static func ipv4(_ text: some StringProtocol) -> String? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var numbers: [String] = []
        for part in parts {
            guard let number = NginxValue.number(part), number <= 255 else { return nil }
            numbers.append(String(number))
        }
        return numbers.joined(separator: ".")
    }

    /// The sixteen octets of an IPv6 address without brackets (RFC 4291 section 2.2).
    static func ipv6(_ text: some StringProtocol) -> [UInt8]? {
        guard text.utf8.count <= 45 else { return nil }
        let halves = String(text).split(separator: "::", maxSplits: 1, omittingEmptySubsequences: false)
        guard let head = Self.groups(halves[0]) else { return nil }
        guard halves.count == 2 else { return head.count == 16 ? head : nil }
        guard let tail = Self.groups(halves[1]), head.count + tail.count <= 14 else { return nil }
        return head + [UInt8](repeating: 0, count: 16 - head.count - tail.count) + tail
    }

    private static func groups(_ text: Substring) -> [UInt8]? {
        if text.isEmpty { return [] }
        var octets: [UInt8] = []
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            if index == parts.count - 1, part.contains("."), let last = Self.ipv4(part) {
                octets += last.split(separator: ".").compactMap { UInt8($0) }
                continue
            }
            guard (1...4).contains(part.utf8.count), part.utf8.allSatisfy({ Self.isHexDigit($0) }),
                let number = UInt16(part, radix: 16)
            else { return nil }
            octets += [UInt8(number >> 8), UInt8(truncatingIfNeeded: number)]
        }
        return octets
    }

    private static func isHexDigit(_ octet: UInt8) -> Bool {
        0x30...0x39 ~= octet || 0x41...0x46 ~= octet || 0x61...0x66 ~= octet
    }

    /// A network with the bits behind its prefix cleared: `10.1.2.3/8` is `10.0.0.0/8`. An address alone stands for itself.
    static func network(_ text: String) -> String? {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        var prefix: Int?
        if parts.count == 2 {
            guard let number = NginxValue.number(parts[1]) else { return nil }
            prefix = number
        }
        if let address = Self.ipv4(parts[0]) {
            let bits = prefix ?? 32
            guard bits <= 32 else { return nil }
            let octets = address.split(separator: ".").compactMap { UInt8($0) }
            return Self.masked(octets, bits).map { String($0) }.joined(separator: ".") + "/\(bits)"
        }
        guard let octets = Self.ipv6(parts[0]) else { return nil }
        let bits = prefix ?? 128
        guard bits <= 128 else { return nil }
        let masked = Self.masked(octets, bits)
        let groups = stride(from: 0, to: 16, by: 2).map {
            String(UInt16(masked[$0]) << 8 | UInt16(masked[$0 + 1]), radix: 16)
        }
        return groups.joined(separator: ":") + "/\(bits)"
    }

    private static func masked(_ octets: [UInt8], _ bits: Int) -> [UInt8] {
        octets.enumerated().map { index, octet in
            let kept = min(max(bits - index * 8, 0), 8)
            return octet & UInt8(truncatingIfNeeded: 0xFF00 >> kept)
        }
    }
}
