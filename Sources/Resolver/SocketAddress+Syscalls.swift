package import NIOCore

extension SocketAddress {
    /// The octets of the IP address, 4 or 16; none for a Unix socket. An IPv4-mapped IPv6 address is the IPv4 address.
    package var ipOctets: [UInt8] {
        switch self {
        case .v4(let address):
            // sin_addr is behind the family and the port (sockaddr(3type)).
            return unsafe withUnsafeBytes(of: address.address) { unsafe Array($0[4..<8]) }
        case .v6(let address):
            // sin6_addr is behind the family, the port and sin6_flowinfo.
            let octets = unsafe withUnsafeBytes(of: address.address) { unsafe Array($0[8..<24]) }
            let isMapped = octets.prefix(10).allSatisfy { $0 == 0 } && octets[10] == 0xFF && octets[11] == 0xFF
            return isMapped ? Array(octets.suffix(4)) : octets
        case .unixDomainSocket:
            return []
        }
    }

    /// The name under which the DNS keeps this address's name (RFC 1035 section 3.5, RFC 3596 section 2.5); nil for a
    /// Unix socket.
    var reverseName: String? {
        let octets = self.ipOctets
        switch octets.count {
        case 4:
            return octets.reversed().map { String($0) }.joined(separator: ".") + ".in-addr.arpa"
        case 16:
            let nibbles = octets.reversed().flatMap { [$0 & 0x0F, $0 >> 4] }
            return nibbles.map { String($0, radix: 16) }.joined(separator: ".") + ".ip6.arpa"
        default:
            return nil
        }
    }
}
