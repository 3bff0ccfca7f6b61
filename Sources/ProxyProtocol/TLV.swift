/// What may stand behind the addresses of version 2: a type, a length of two octets and a value, any number of times.
///
/// Nothing in them is used; but a header whose parts do not fit into it is no header.
enum TLV {
    private static let checksum: UInt8 = 0x03
    private static let ssl: UInt8 = 0x20
    private static let headLength = 3
    /// What stands in front of the TLVs within an SSL TLV: an octet of flags, four of a verdict.
    private static let sslHeadLength = 5

    /// Checks the TLVs of a header from `start` to its end.
    static func check(_ header: Span<UInt8>, from start: Int) throws(ProxyHeaderError) {
        var checksum: Int?
        var cursor = start
        while cursor < header.count {
            let (type, value) = try self.next(header, &cursor, end: header.count)
            switch type {
            case self.checksum:
                guard value.count == 4, checksum == nil else { throw .badTLV }
                checksum = value.lowerBound
            case self.ssl:
                guard value.count >= self.sslHeadLength else { throw .badTLV }
                var inner = value.lowerBound + self.sslHeadLength
                while inner < value.upperBound { _ = try self.next(header, &inner, end: value.upperBound) }
            default:
                break
            }
        }
        guard let checksum else { return }
        // Computed as if its own octets were zero.
        let said = UInt32(Version2.integer(header, checksum, 4))
        guard crc32c(header, zeroing: checksum..<checksum + 4) == said else { throw .badChecksum }
    }

    private static func next(
        _ header: Span<UInt8>, _ cursor: inout Int, end: Int
    ) throws(ProxyHeaderError) -> (type: UInt8, value: Range<Int>) {
        guard end - cursor >= self.headLength else { throw .badTLV }
        let type = header[cursor]
        let start = cursor + self.headLength
        let length = Version2.integer(header, cursor + 1, 2)
        guard length <= end - start else { throw .badTLV }
        cursor = start + length
        return (type, start..<cursor)
    }
}

/// CRC-32C (RFC 3720 section 12.1, appendix B.4) with some octets counted as zero. A header is short: no table is kept.
func crc32c(_ octets: Span<UInt8>, zeroing zeros: Range<Int> = 0..<0) -> UInt32 {
    var crc: UInt32 = .max
    for index in 0..<octets.count {
        crc ^= zeros.contains(index) ? 0 : UInt32(octets[index])
        for _ in 0..<8 { crc = crc & 1 == 0 ? crc >> 1 : crc >> 1 ^ 0x82F6_3B78 }
    }
    return ~crc
}
