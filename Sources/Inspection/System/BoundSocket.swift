package import BrokerCore

/// A socket that has a port, as /proc/net/tcp, tcp6, udp and udp6 show it.
package struct BoundSocket: Equatable, Sendable {
    /// TCP or UDP.
    package var transport: Transport
    /// The address; never ``Host/Family-swift.enum/any``.
    package var host: Host
    /// The port.
    package var port: UInt16
    /// Who made it.
    package var uid: UInt32
    /// Its inode number, which the holder's descriptor shows as `socket:[INODE]`.
    package var inode: UInt64

    /// Makes an entry by its parts.
    package init(transport: Transport, host: Host, port: UInt16, uid: UInt32, inode: UInt64) {
        self.transport = transport
        self.host = host
        self.port = port
        self.uid = uid
        self.inode = inode
    }

    /// Reads one of the four files. Of TCP only listeners are taken: what is connected keeps nobody from the port
    /// (SO_REUSEADDR). A line that cannot be read, the heading for one, is left out.
    package static func read(_ text: [UInt8], _ transport: Transport) -> [BoundSocket] {
        text.split(separator: UInt8(ascii: "\n")).compactMap { BoundSocket(line: $0, transport) }
    }

    /// `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …`
    private init?(line: ArraySlice<UInt8>, _ transport: Transport) {
        let words = line.split(separator: UInt8(ascii: " "), maxSplits: 10).map { String(decoding: $0, as: UTF8.self) }
        guard words.count >= 10, let uid = UInt32(words[7]), let inode = UInt64(words[9]) else { return nil }
        // (0A is TCP_LISTEN of <net/tcp_states.h>.)
        guard transport == .udp || words[3] == "0A" else { return nil }
        let local = words[1].split(separator: ":")
        guard local.count == 2, let port = UInt16(local[1], radix: 16),
            let host = Host(kernelText: Array(local[0].utf8))
        else { return nil }
        self.init(transport: transport, host: host, port: port, uid: uid, inode: inode)
    }

    /// How much a socket is in another's way.
    package enum Conflict: UInt8, Sendable {
        /// Both can be bound.
        case none = 1
        /// It depends on what the files do not show: whether `[::]` is IPv6 only, what device it is bound to.
        case possible
        /// The port is taken.
        case certain
    }

    /// Whether this is in the way of `spec`.
    package func conflict(with spec: SocketSpec) -> Conflict {
        guard self.transport == spec.transport, self.port == spec.port else { return .none }
        let isSameAddress: Conflict =
            switch (self.host.family, spec.host.family) {
            case (_, .any), (.any, _): .certain
            case (.ipv4, .ipv4), (.ipv6, .ipv6):
                self.host == spec.host || self.host.isWildcard || spec.host.isWildcard ? .certain : .none
            case (.ipv6, .ipv4): self.host.isWildcard ? .possible : .none
            case (.ipv4, .ipv6): spec.host.isWildcard && !spec.isV6Only ? .certain : .none
            }
        return isSameAddress == .certain && spec.device.count > 0 ? .possible : isSameAddress
    }
}

extension Host {
    /// Whether this is every address of its family.
    fileprivate var isWildcard: Bool { self.high == 0 && self.low == 0 }

    /// Reads an address as the kernel prints it: words of 32 bits in its own byte order, eight hexadecimal digits each.
    fileprivate init?(kernelText digits: [UInt8]) {
        guard digits.count == 8 || digits.count == 32 else { return nil }
        var words: [UInt64] = []
        for start in stride(from: 0, to: digits.count, by: 8) {
            guard let word = UInt32(String(decoding: digits[start..<start + 8], as: UTF8.self), radix: 16) else {
                return nil
            }
            words.append(UInt64(UInt32(bigEndian: word)))
        }
        if words.count == 1 {
            self.init(family: .ipv4, low: words[0])
        } else {
            self.init(family: .ipv6, high: words[0] << 32 | words[1], low: words[2] << 32 | words[3])
        }
    }
}
