/// What carries a listener's traffic.
package enum Transport: UInt8, Sendable {
    case tcp = 1
    case udp

    /// The word that the policy and PB1 use.
    package var word: StaticString { self == .tcp ? "tcp" : "udp" }
}

/// Where a listener is bound: an address, or every address.
package struct Host: Equatable, Sendable {
    /// How the address was written.
    package enum Family: UInt8, Sendable {
        /// `*`: IPv4 and IPv6 by one dual-stack socket, `[::]` with IPV6_V6ONLY off; where the kernel has no IPv6,
        /// `0.0.0.0`. One socket, since two would be two listeners to accept on and could be half bound.
        case any = 1
        case ipv4
        case ipv6
    }

    /// How the address was written.
    package var family: Family
    /// The first 64 bits of an IPv6 address.
    package var high: UInt64 = 0
    /// The rest of an IPv6 address; the 32 bits of an IPv4 one.
    package var low: UInt64 = 0

    /// Makes a host; 0 for every address of its family.
    package init(family: Family, high: UInt64 = 0, low: UInt64 = 0) {
        (self.family, self.high, self.low) = (family, high, low)
    }
}

/// One socket of the policy: transport, address, port and options.
///
/// `[::]` gets IPV6_V6ONLY from ``isV6Only`` and never from the sysctl net.ipv6.bindv6only, so that a line means the
/// same on every machine.
package struct SocketSpec: Sendable {
    /// TCP or UDP.
    package var transport: Transport
    /// The address.
    package var host: Host
    /// The port, 1 to 65535.
    package var port: UInt16
    /// `backlog=`: the most connections that wait for accept(2), TCP only.
    package var backlog: Int32 = 4096
    /// `v6only`: an IPv6 socket takes no IPv4 traffic.
    package var isV6Only = false
    /// `freebind`: the address need not be there yet.
    package var isFreebind = false
    /// `keepalive`: accepted connections are probed, TCP only.
    package var hasKeepalive = false
    /// `device=`: the interface that the socket is bound to, at most 15 bytes; empty if none.
    package var device = TextBuffer<16>()
    /// `reuseport=`: how many sockets share the port; 0 if the port is not shared.
    package var siblings: UInt8 = 0

    /// Makes a socket without options.
    package init(transport: Transport, host: Host, port: UInt16) {
        self.transport = transport
        self.host = host
        self.port = port
    }

    /// How many descriptors the line gives.
    package var descriptorCount: Int { Swift.max(1, Int(self.siblings)) }

    /// Whether both name one socket, so that only one of them can be bound.
    package func isSameSocket(as other: SocketSpec) -> Bool {
        self.transport == other.transport && self.port == other.port && self.host == other.host
            && self.device.storage.span.isEqual(to: other.device.storage.span)
    }
}

extension Span where Element == UInt8 {
    /// Whether `range` is a network interface's name: 1 to 15 bytes without `/` and `:`. Linux would take any bytes there,
    /// but PB1, which has the name in its specs, has ASCII only.
    func isDevice(_ range: TextRange) -> Bool {
        guard 1...15 ~= range.count else { return false }
        for offset in range.start..<range.end {
            let byte = self[offset]
            guard 0x21...0x7E ~= byte, byte != UInt8(ascii: "/"), byte != UInt8(ascii: ":") else { return false }
        }
        return true
    }
}
