package import NIOCore
import Resolver

/// A kind of servers that an answer may name.
package enum LookupAllowance: Hashable, Sendable {
    /// Addresses that begin with these bits.
    case network([UInt8], bits: Int)
    /// A Unix socket; a path that ends in a slash is every socket below that folder.
    case unix(path: String)

    /// Parses `10.0.0.0/8`, `2001:db8::/32`, an address alone, or `unix:/run/apps/`.
    ///
    /// Fails with what is wrong, as a clause.
    package init(parsing text: String) throws(LookupConfigurationError) {
        if text.hasPrefix("unix:") {
            let path = text.dropFirst("unix:".utf8.count)
            guard path.hasPrefix("/"), !path.split(separator: "/").contains("..") else {
                throw LookupConfigurationError("\"\(text)\" is not an absolute path: write unix:/run/apps/")
            }
            self = .unix(path: String(path))
            return
        }
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let isScoped = text.utf8.contains(UInt8(ascii: "%"))
        guard let first = parts.first, !isScoped,
            let address = try? SocketAddress(ipAddress: String(first), port: 0)
        else {
            throw LookupConfigurationError(
                "\"\(text)\" is not an address, a network such as 10.0.0.0/8, or unix:/run/apps/")
        }
        let octets = address.ipOctets
        guard parts.count == 2 else {
            self = .network(octets, bits: octets.count * 8)
            return
        }
        let longest = octets.count * 8
        let isNumber = !parts[1].isEmpty && parts[1].utf8.allSatisfy { (0x30...0x39).contains($0) }
        guard isNumber, let bits = Int(parts[1]), bits <= longest else {
            throw LookupConfigurationError("\"\(parts[1])\" is not a number of bits from 0 to \(longest)")
        }
        guard Self.masked(octets, bits) == octets else {
            throw LookupConfigurationError("\"\(text)\" has bits behind its first \(bits)")
        }
        self = .network(octets, bits: bits)
    }

    /// Whether it is one of them.
    package func contains(_ server: SocketAddress) -> Bool {
        switch self {
        case .network(let octets, let bits):
            let other = server.ipOctets
            return other.count == octets.count && Self.masked(other, bits) == octets
        case .unix(let path):
            guard let other = server.pathname else { return false }
            return path.hasSuffix("/") ? other.hasPrefix(path) && other != path : other == path
        }
    }

    private static func masked(_ octets: [UInt8], _ bits: Int) -> [UInt8] {
        octets.enumerated().map { index, octet in
            let kept = min(max(bits - 8 * index, 0), 8)
            return octet & ~UInt8(truncatingIfNeeded: 0xFF >> kept)
        }
    }
}

extension LookupAllowance: CustomStringConvertible {
    /// As the configuration has it.
    package var description: String {
        switch self {
        case .network(let octets, let bits):
            let address = try? SocketAddress(packedIPAddress: ByteBuffer(bytes: octets), port: 0)
            return "\(address?.ipAddress ?? "?")/\(bits)"
        case .unix(let path):
            return "unix:\(path)"
        }
    }
}
