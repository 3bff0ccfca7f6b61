import Routing

extension ProxyHeader {
    /// The line of version 1, as nginx writes it.
    ///
    /// Version 1 has no word for a connection of the proxy's own: that, too, is UNKNOWN.
    package var version1: [UInt8] {
        guard case .client(let source, let destination) = self.subject else { return Array("PROXY UNKNOWN\r\n".utf8) }
        let ports = "\(source.port) \(destination.port)\r\n"
        if case (.v4, .v4) = (source.address, destination.address) {
            return Array("PROXY TCP4 \(source.address) \(destination.address) \(ports)".utf8)
        }
        return Array("PROXY TCP6 \(source.address.text6) \(destination.address.text6) \(ports)".utf8)
    }

    /// The octets of version 2, without TLVs.
    package var version2: [UInt8] {
        var octets = Version2.signature
        switch self.subject {
        case .proxy:
            octets += [0x20, 0, 0, 0]
        case .unknown:
            octets += [0x21, 0, 0, 0]
        case .client(let source, let destination):
            if case (.v4(let from), .v4(let to)) = (source.address, destination.address) {
                octets += [0x21, 0x11, 0, 12]
                octets.append(number: from)
                octets.append(number: to)
            } else {
                octets += [0x21, 0x21, 0, 36]
                for (high, low) in [source.address.halves, destination.address.halves] {
                    octets.append(number: high)
                    octets.append(number: low)
                }
            }
            octets.append(number: source.port)
            octets.append(number: destination.port)
        }
        return octets
    }
}

extension IPAddress {
    /// The address as one of IPv6: where the two ends of a connection are of two families, one of them has to be.
    fileprivate var halves: (UInt64, UInt64) {
        switch self {
        case .v4(let value): (0, 0xFFFF_0000_0000 | UInt64(value))
        case .v6(let high, let low): (high, low)
        }
    }

    fileprivate var text6: String {
        switch self {
        case .v4: "::ffff:\(self)"
        case .v6: self.description
        }
    }
}

extension [UInt8] {
    /// Appends the octets of a number, the most significant first.
    fileprivate mutating func append(number: some FixedWidthInteger) {
        for shift in stride(from: number.bitWidth - 8, through: 0, by: -8) {
            self.append(UInt8(truncatingIfNeeded: number >> shift))
        }
    }
}
