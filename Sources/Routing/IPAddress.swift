/// An IPv4 or IPv6 address without port and scope, so that two spellings of one address are equal.
///
/// An IPv4-mapped IPv6 address (`::ffff:192.0.2.1`) is the IPv4 address: both reach the same socket.
package enum IPAddress: Hashable, Sendable {
    /// An IPv4 address, most significant octet first.
    case v4(UInt32)
    /// An IPv6 address: its network half and its interface half, most significant octet first.
    ///
    /// Not one UInt128: the alignment of 16 that it needs is not kept for a value inside an enum inside an array whose
    /// `contains(where:)` is called (Swift 6.3.1, x86-64, debug: a fault in the closure).
    case v6(UInt64, UInt64)

    /// Parses a literal: four decimal octets without leading zeros, or RFC 4291 section 2.2; no brackets, no scope.
    ///
    /// Returns nil for anything else, host names included.
    package init?(_ text: some StringProtocol) {
        if text.utf8.contains(UInt8(ascii: ":")) {
            guard let (high, low) = Self.parseV6(text) else { return nil }
            let isMapped = high == 0 && low >> 32 == 0xFFFF
            self = isMapped ? .v4(UInt32(truncatingIfNeeded: low)) : .v6(high, low)
        } else {
            guard let value = Self.parseV4(text) else { return nil }
            self = .v4(value)
        }
    }

    /// Takes an address of the wire: 4 octets, or 16; nil for any other number.
    package init?(octets: [UInt8]) {
        let number = { (octets: ArraySlice<UInt8>) in octets.reduce(UInt64(0)) { $0 << 8 | UInt64($1) } }
        switch octets.count {
        case 4:
            self = .v4(UInt32(truncatingIfNeeded: number(octets[...])))
        case 16:
            let (high, low) = (number(octets[..<8]), number(octets[8...]))
            self = high == 0 && low >> 32 == 0xFFFF ? .v4(UInt32(truncatingIfNeeded: low)) : .v6(high, low)
        default:
            return nil
        }
    }

    /// Whether this is `0.0.0.0` or `::`: as a listener every local address, as a destination this host.
    package var isUnspecified: Bool { self == .v4(0) || self == .v6(0, 0) }

    /// Whether this is in `127.0.0.0/8` or is `::1`.
    package var isLoopback: Bool {
        switch self {
        case .v4(let value): value >> 24 == 127
        case .v6(let high, let low): high == 0 && low == 1
        }
    }
}

extension IPAddress: CustomStringConvertible {
    /// The address in the canonical form, without brackets (RFC 5952).
    package var description: String {
        switch self {
        case .v4(let value):
            return (0..<4).map { String((value >> (24 - 8 * $0)) & 0xFF) }.joined(separator: ".")
        case .v6(let high, let low):
            let groups = (0..<8).map { UInt16(truncatingIfNeeded: ($0 < 4 ? high : low) >> (48 - 16 * ($0 % 4))) }
            let zeros = Self.longestRunOfZeros(groups)
            let hex = { (part: ArraySlice<UInt16>) in part.map { String($0, radix: 16) }.joined(separator: ":") }
            guard zeros.count > 1 else { return hex(groups[...]) }
            return hex(groups[..<zeros.lowerBound]) + "::" + hex(groups[zeros.upperBound...])
        }
    }
}

extension IPAddress {
    private static func parseV4(_ text: some StringProtocol) -> UInt32? {
        let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            // A leading zero means octal to some parsers and decimal to others: it is refused.
            guard (1...3).contains(part.count), part.count == 1 || part.first != UInt8(ascii: "0") else { return nil }
            var octet: UInt32 = 0
            for digit in part {
                guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
                octet = octet * 10 + UInt32(digit - UInt8(ascii: "0"))
            }
            guard octet <= 255 else { return nil }
            value = value << 8 | octet
        }
        return value
    }

    private static func parseV6(_ text: some StringProtocol) -> (UInt64, UInt64)? {
        let colon = UInt8(ascii: ":")
        let octets = Array(text.utf8)
        guard octets.count <= 45 else { return nil }
        let gap = octets.indices.dropLast().first { octets[$0] == colon && octets[$0 + 1] == colon }
        guard let gap else {
            guard let groups = Self.groups(octets[...]), groups.count == 8 else { return nil }
            return Self.join(groups)
        }
        let head = octets[..<gap]
        let tail = octets[(gap + 2)...]
        guard let left = head.isEmpty ? [] : Self.groups(head, mayEndInIPv4: false),
            let right = tail.isEmpty ? [] : Self.groups(tail),
            left.count + right.count < 8
        else { return nil }
        return Self.join(left + [UInt16](repeating: 0, count: 8 - left.count - right.count) + right)
    }

    private static func groups(_ octets: ArraySlice<UInt8>, mayEndInIPv4: Bool = true) -> [UInt16]? {
        let parts = octets.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard parts.count <= 8 else { return nil }
        var groups: [UInt16] = []
        for (index, part) in parts.enumerated() {
            if mayEndInIPv4, index == parts.count - 1, part.contains(UInt8(ascii: ".")) {
                guard let value = Self.parseV4(String(decoding: part, as: UTF8.self)) else { return nil }
                groups += [UInt16(truncatingIfNeeded: value >> 16), UInt16(truncatingIfNeeded: value)]
                continue
            }
            let isHex = part.allSatisfy { Character(Unicode.Scalar($0)).isHexDigit }
            guard (1...4).contains(part.count), isHex,
                let value = UInt16(String(decoding: part, as: UTF8.self), radix: 16)
            else { return nil }
            groups.append(value)
        }
        return groups
    }

    private static func join(_ groups: [UInt16]) -> (UInt64, UInt64) {
        let half = { (groups: ArraySlice<UInt16>) in groups.reduce(UInt64(0)) { $0 << 16 | UInt64($1) } }
        return (half(groups[..<4]), half(groups[4...]))
    }

    private static func longestRunOfZeros(_ groups: [UInt16]) -> Range<Int> {
        var longest = 0..<0
        var start = 0
        for (index, group) in groups.enumerated() {
            if group != 0 { start = index + 1 }
            if index + 1 - start > longest.count { longest = start..<index + 1 }
        }
        return longest
    }
}
