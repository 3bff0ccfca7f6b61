/// A network of IP addresses, in CIDR notation: `192.0.2.0/24`, `2001:db8::/32`, or one address.
package struct IPNetwork: Hashable, Sendable {
    /// The first address: every bit behind the prefix is zero.
    package let address: IPAddress
    /// The bits that all addresses of the network have in common.
    package let prefix: Int

    /// Parses a network; fails with what is wrong as a clause. `192.0.2.1/24`, an address inside of a network, is refused:
    /// whoever wrote it meant either the one or the other.
    package init(parsing text: String) throws(AddressError) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = parts.first.flatMap({ IPAddress($0) }) else {
            throw AddressError("\"\(text)\" is not an IP address or a network: write 192.0.2.0/24 or 2001:db8::/32")
        }
        // (`::ffff:192.0.2.0/120` would be a network of the other family.)
        let longest = if case .v4 = address { 32 } else { 128 }
        guard parts.count == 2 else {
            self.address = address
            self.prefix = longest
            return
        }
        let digits = parts[1].utf8
        guard (1...3).contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) }),
            let prefix = Int(parts[1]), prefix <= longest, !(longest == 32 && text.utf8.contains(UInt8(ascii: ":")))
        else { throw AddressError("the prefix of \"\(text)\" is not a number from 0 to \(longest)") }
        let first = address.masked(prefix)
        guard first == address else {
            throw AddressError("\"\(text)\" has bits behind its prefix: write \(first)/\(prefix) or \(address)")
        }
        self.address = address
        self.prefix = prefix
    }

    /// Whether the address is in the network.
    package func contains(_ address: IPAddress) -> Bool {
        switch (self.address, address) {
        case (.v4, .v4), (.v6, .v6): address.masked(self.prefix) == self.address
        case (.v4, .v6), (.v6, .v4): false
        }
    }
}

extension IPNetwork: CustomStringConvertible {
    /// The network as it is written; one address without its prefix.
    package var description: String {
        let longest = if case .v4 = self.address { 32 } else { 128 }
        return self.prefix == longest ? self.address.description : "\(self.address)/\(self.prefix)"
    }
}

extension IPAddress {
    /// The address with every bit behind the prefix zero.
    fileprivate func masked(_ prefix: Int) -> IPAddress {
        // (Swift's `<<` gives zero for shifts by all bits and more.)
        switch self {
        case .v4(let value): .v4(value & UInt32.max << UInt32(32 - prefix))
        case .v6(let high, let low):
            .v6(high & UInt64.max << UInt64(max(64 - prefix, 0)), low & UInt64.max << UInt64(min(128 - prefix, 64)))
        }
    }
}
