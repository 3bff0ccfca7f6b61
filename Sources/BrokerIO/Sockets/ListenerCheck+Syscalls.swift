internal import CPosternSys

#if !hasFeature(Embedded)
package import BrokerCore
#endif

/// How a descriptor differs from the socket that it should be.
package enum SocketMismatch: UInt8, Error {
    case notASocket = 1
    case family
    case transport
    case notListening
    case address
    case v6Only
    case device

    /// The difference in words.
    package var text: StaticString {
        switch self {
        case .notASocket: "not a socket"
        case .family: "neither IPv4 nor IPv6"
        case .transport: "another kind of socket"
        case .notListening: "not listening"
        case .address: "bound elsewhere"
        case .v6Only: "another IPV6_V6ONLY"
        case .device: "bound to another device"
        }
    }
}

/// What a socket is bound to, as getsockname(2) says.
package struct BoundAddress: Sendable {
    /// The address; never ``Host/Family-swift.enum/any``.
    package var host: Host
    /// The port; 0 if the socket is not bound.
    package var port: UInt16
}

extension Descriptor {
    /// Checks that the descriptor is what `spec` promises: SO_DOMAIN, SO_TYPE, SO_PROTOCOL, SO_ACCEPTCONN, the address
    /// of getsockname(2), IPV6_V6ONLY and the bound device.
    package func check(against spec: SocketSpec) throws(SocketMismatch) {
        let transport = try self.transport()
        guard transport == spec.transport else { throw .transport }
        let bound = try self.boundAddress()
        guard bound.port == spec.port else { throw .address }
        if spec.host.family == .any {
            guard bound.host.high == 0, bound.host.low == 0 else { throw .address }
        } else {
            guard bound.host == spec.host else { throw .address }
        }
        // (For any other address the kernel turns IPV6_V6ONLY on by itself.)
        if bound.host == Host(family: .ipv6) {
            let isV6Only = (try? self.option(Int32(IPPROTO_IPV6), IPV6_V6ONLY, "getsockopt")) ?? -1
            guard isV6Only == (spec.isV6Only ? 1 : 0) else { throw .v6Only }
        }
        var device = InlineArray<16, UInt8>(repeating: 0)
        var length = socklen_t(16)
        let result = unsafe withUnsafeMutableBytes(of: &device) { bytes in
            unsafe getsockopt(self.rawValue, SOL_SOCKET, SO_BINDTODEVICE, bytes.baseAddress, &length)
        }
        guard result == 0, device.span.isEqual(to: spec.device.storage.span) else { throw .device }
    }

    /// TCP, listening, or UDP; anything else is a mismatch.
    package func transport() throws(SocketMismatch) -> Transport {
        guard let domain = try? self.option(SOL_SOCKET, SO_DOMAIN, "getsockopt") else { throw .notASocket }
        guard domain == AF_INET || domain == AF_INET6 else { throw .family }
        let type = try? self.option(SOL_SOCKET, SO_TYPE, "getsockopt")
        let kind = try? self.option(SOL_SOCKET, SO_PROTOCOL, "getsockopt")
        if type == Int32(SOCK_DGRAM.rawValue), kind == Int32(IPPROTO_UDP) { return .udp }
        guard type == Int32(SOCK_STREAM.rawValue), kind == Int32(IPPROTO_TCP) else { throw .transport }
        guard (try? self.option(SOL_SOCKET, SO_ACCEPTCONN, "getsockopt")) == 1 else { throw .notListening }
        return .tcp
    }

    /// The address that the socket is bound to.
    package func boundAddress() throws(SocketMismatch) -> BoundAddress {
        var storage = sockaddr_in6()
        var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let result = unsafe withUnsafeMutableBytes(of: &storage) { bytes in
            unsafe cpostern_getsockname(self.rawValue, bytes.baseAddress, &length)
        }
        guard result == 0 else { throw .notASocket }
        return try unsafe withUnsafeBytes(of: &storage) { bytes throws(SocketMismatch) in
            let family = Int32(unsafe bytes.loadUnaligned(as: sa_family_t.self))
            // Port at offset 2 in both; sin_addr at 4, sin6_addr at 8.
            let port = UInt16(bigEndian: unsafe bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
            if family == AF_INET {
                let address = UInt32(bigEndian: unsafe bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
                return BoundAddress(host: Host(family: .ipv4, low: UInt64(address)), port: port)
            }
            guard family == AF_INET6 else { throw .family }
            let high = UInt64(bigEndian: unsafe bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            let low = UInt64(bigEndian: unsafe bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
            return BoundAddress(host: Host(family: .ipv6, high: high, low: low), port: port)
        }
    }
}

/// Whether binding port 1 is refused, where an unprivileged process may not do so; true where it may.
package func isBindRefused() -> Bool {
    let file = unsafe cpostern_openat(
        AT_FDCWD, ("/proc/sys/net/ipv4/ip_unprivileged_port_start" as StaticString).cString, O_RDONLY | O_CLOEXEC)
    // Without /proc there is nothing to compare with; the sets have been read.
    guard file >= 0 else { return true }
    let setting = Descriptor(owning: file)
    var bytes = InlineArray<16, UInt8>(repeating: 0)
    let count = unsafe withUnsafeMutableBytes(of: &bytes) { unsafe read(setting.rawValue, $0.baseAddress, 16) }
    let digits = bytes.span.firstOffset(of: UInt8(ascii: "\n"), in: TextRange(0, max(0, count)))
    guard let start = bytes.span.decimal(at: TextRange(0, digits), upTo: 65536), start > 1 else { return true }
    var probe = SocketSpec(transport: .tcp, host: Host(family: .ipv4, low: 0x7F00_0001), port: 1)
    probe.isFreebind = true
    do throws(SystemError) {
        try Descriptor.socket(for: probe).bind(to: probe)
        return false
    } catch {
        // (EPERM is a control group's refusal, as systemd's SocketBindDeny= has it; a kernel without IPv4 has no such socket.)
        return error.errno == EACCES || error.errno == EPERM || error.errno == EAFNOSUPPORT
    }
}
