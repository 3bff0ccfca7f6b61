import NIOCore

extension SocketAddress {
    /// The IPv4 address as a number, its first octet the highest; nil for any other address.
    ///
    /// (For each client and each backend of a lookup: inet_ntop(3) costs ten times as much as the digits do.)
    var ipv4Octets: UInt32? {
        guard case .v4(let address) = self else { return nil }
        // ip(7): the family and the port, of two octets each, then the address.
        return unsafe withUnsafeBytes(of: address.address) {
            UInt32(bigEndian: unsafe $0.load(fromByteOffset: 4, as: UInt32.self))
        }
    }
}
