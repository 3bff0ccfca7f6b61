extension SocketSpec {
    /// Reads `address:port`: `192.0.2.1:25`, `[2001:db8::1]:25` or `*:25`.
    ///
    /// Fails with the reason and the offset that it was found at.
    package init(
        transport: Transport, addressAt range: TextRange, in text: Span<UInt8>
    ) throws(PolicyError) {
        var colon = text.firstOffset(of: UInt8(ascii: ":"), in: range)
        var host = Host(family: .any)
        if text[range.start] == UInt8(ascii: "[") {
            let close = text.firstOffset(of: UInt8(ascii: "]"), in: range)
            guard close < range.end else { throw .init("the address's ] is missing", range) }
            host = try Host(ipv6At: TextRange(range.start + 1, close), in: text)
            colon = close + 1
            guard colon == range.end || text[colon] == UInt8(ascii: ":") else {
                throw .init("a port is 1 to 65535", colon, range.end)
            }
        } else if text[range.start] != UInt8(ascii: "*") {
            let rest = TextRange(Swift.min(colon + 1, range.end), range.end)
            guard text.firstOffset(of: UInt8(ascii: ":"), in: rest) == range.end else {
                throw .init("more than one colon: an IPv6 address stands in brackets", range)
            }
            guard let ipv4 = Host.ipv4(at: TextRange(range.start, colon), in: text) else {
                throw .init("not an address: write 192.0.2.1:25, [2001:db8::1]:25 or *:25", range.start, colon)
            }
            host = Host(family: .ipv4, low: UInt64(ipv4))
        } else if colon > range.start + 1 {
            throw .init("not an address: write 192.0.2.1:25, [2001:db8::1]:25 or *:25", range.start, colon)
        }
        guard colon + 1 < range.end else { throw .init("the port is missing", range.end, range.end) }
        guard let port = text.decimal(at: TextRange(colon + 1, range.end), upTo: 65535), port > 0 else {
            throw .init("a port is 1 to 65535", colon + 1, range.end)
        }
        self.init(transport: transport, host: host, port: UInt16(port))
    }
}

extension Host {
    /// Reads four decimal numbers of 0 to 255 with dots between them.
    static func ipv4(at range: TextRange, in text: Span<UInt8>) -> UInt32? {
        var value: UInt32 = 0
        var start = range.start
        for part in 0..<4 {
            let end = part < 3 ? text.firstOffset(of: UInt8(ascii: "."), in: TextRange(start, range.end)) : range.end
            guard part == 3 || end < range.end, let number = text.decimal(at: TextRange(start, end), upTo: 255)
            else { return nil }
            value = value << 8 | UInt32(number)
            start = end + 1
        }
        return value
    }

    /// Reads an IPv6 address (RFC 4291 section 2.2), the mixed form with dots included, a zone not.
    init(ipv6At range: TextRange, in text: Span<UInt8>) throws(PolicyError) {
        let colon = UInt8(ascii: ":")
        let bad = PolicyError("not an address: write 192.0.2.1:25, [2001:db8::1]:25 or *:25", range)
        let zone = text.firstOffset(of: UInt8(ascii: "%"), in: range)
        guard zone == range.end else { throw .init("an address has no zone here: use device=", zone, range.end) }
        var groups = InlineArray<8, UInt64>(repeating: 0)
        var count = 0
        var gap: Int?
        var start = range.start
        if range.count >= 2, text[start] == colon {
            guard text[start + 1] == colon else { throw bad }
            gap = 0
            start += 2
        }
        while start < range.end {
            let end = text.firstOffset(of: colon, in: TextRange(start, range.end))
            if end == start {
                // Only the second colon of `::` may stand where a group would, and only once.
                guard gap == nil, count > 0 else { throw bad }
                gap = count
            } else if end == range.end, count <= 6, let ipv4 = Host.ipv4(at: TextRange(start, end), in: text) {
                groups[count] = UInt64(ipv4 >> 16)
                groups[count + 1] = UInt64(ipv4 & 0xFFFF)
                count += 2
            } else {
                guard count < 8, end - start <= 4,
                    let group = text.number(at: TextRange(start, end), radix: 16, upTo: 0xFFFF)
                else { throw bad }
                groups[count] = group
                count += 1
                // A single colon at the end promises a group that is not there.
                guard end + 1 != range.end else { throw bad }
            }
            start = end + 1
        }
        guard gap == nil ? count == 8 : count < 8 else { throw bad }
        self.init(family: .ipv6)
        for index in 0..<count {
            let place = index < gap ?? 8 ? index : index + 8 - count
            if place < 4 {
                self.high |= groups[index] << UInt64(48 - 16 * place)
            } else {
                self.low |= groups[index] << UInt64(48 - 16 * (place - 4))
            }
        }
    }
}
