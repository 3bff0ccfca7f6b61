import Routing

/// The binary form: a signature, a version and a command, a family, a length; addresses, then TLVs.
enum Version2 {
    static let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]
    /// The octets in front of the addresses.
    static let fixedLength = 16

    private enum Command { case local, proxy }

    /// How many octets the addresses of a family have.
    private enum Family {
        case unspecified, ip4, ip6, unix

        var addressLength: Int {
            switch self {
            case .unspecified: 0
            case .ip4: 12
            case .ip6: 36
            case .unix: 216
            }
        }
    }

    static func parse(_ octets: Span<UInt8>) throws(ProxyHeaderError) -> ProxyHeader.Parsed? {
        for index in 0..<min(octets.count, self.signature.count) where octets[index] != self.signature[index] {
            throw .missing
        }
        guard octets.count >= self.fixedLength else { return nil }
        guard octets[12] >> 4 == 2, let command = self.command(octets[12] & 15) else { throw .unsupported }
        let length = self.fixedLength + self.integer(octets, 14, 2)
        guard length <= ProxyHeader.longestVersion2 else { throw .tooLong }
        guard octets.count >= length else { return nil }
        let header = octets.extracting(0..<length)
        switch command {
        case .local:
            // The family and all that follows are to be ignored.
            return ProxyHeader.Parsed(header: ProxyHeader(.proxy), length: length)
        case .proxy:
            return ProxyHeader.Parsed(header: ProxyHeader(try self.subject(header)), length: length)
        }
    }

    private static func command(_ nibble: UInt8) -> Command? {
        switch nibble {
        case 0: .local
        case 1: .proxy
        default: nil
        }
    }

    private static func subject(_ header: Span<UInt8>) throws(ProxyHeaderError) -> ProxyHeader.Subject {
        let family: Family
        switch header[13] >> 4 {
        case 0: family = .unspecified
        case 1: family = .ip4
        case 2: family = .ip6
        case 3: family = .unix
        default: throw .unsupported
        }
        let transport = header[13] & 15
        guard transport <= 2 else { throw .unsupported }
        // Addresses of no known form: where they end nobody knows.
        guard family != .unspecified else { return .unknown }
        let end = self.fixedLength + family.addressLength
        guard header.count >= end else { throw .addressesCutShort }
        try TLV.check(header, from: end)
        // A datagram is not what has come.
        guard transport == 1 else { return .unknown }
        switch family {
        case .unspecified, .unix:
            return .unknown
        case .ip4:
            let source = IPAddress.v4(UInt32(self.integer(header, 16, 4)))
            let destination = IPAddress.v4(UInt32(self.integer(header, 20, 4)))
            return self.client(header, source, destination, ports: 24)
        case .ip6:
            return self.client(header, self.address6(header, 16), self.address6(header, 32), ports: 48)
        }
    }

    private static func client(
        _ header: Span<UInt8>, _ source: IPAddress, _ destination: IPAddress, ports: Int
    ) -> ProxyHeader.Subject {
        .client(
            .init(source, port: UInt16(self.integer(header, ports, 2))),
            to: .init(destination, port: UInt16(self.integer(header, ports + 2, 2))))
    }

    private static func address6(_ header: Span<UInt8>, _ start: Int) -> IPAddress {
        var (high, low) = (UInt64(0), UInt64(0))
        for index in 0..<8 {
            high = high << 8 | UInt64(header[start + index])
            low = low << 8 | UInt64(header[start + 8 + index])
        }
        let isMapped = high == 0 && low >> 32 == 0xFFFF
        return isMapped ? .v4(UInt32(truncatingIfNeeded: low)) : .v6(high, low)
    }

    /// A number of up to four octets, the most significant first.
    static func integer(_ octets: Span<UInt8>, _ start: Int, _ count: Int) -> Int {
        var value = 0
        for index in start..<start + count { value = value << 8 | Int(octets[index]) }
        return value
    }
}
