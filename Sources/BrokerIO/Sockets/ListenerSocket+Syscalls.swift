internal import CPosternSys

#if !hasFeature(Embedded)
package import BrokerCore
#endif

extension Descriptor {
    /// Makes an unbound socket with every option of `spec`, close-on-exec; needs no privilege.
    ///
    /// `*` becomes an IPv6 socket with IPV6_V6ONLY off, or an IPv4 one where the kernel has no IPv6. IPV6_V6ONLY is
    /// always set, so that net.ipv6.bindv6only does not matter. SO_REUSEADDR is set for TCP only: there it lets a
    /// service start again while old connections are in TIME_WAIT, while UDP sockets would share their port by it.
    package static func socket(for spec: SocketSpec) throws(SystemError) -> Descriptor {
        var isIPv6 = spec.host.family != .ipv4
        let type = Int32(spec.transport == .tcp ? SOCK_STREAM.rawValue : SOCK_DGRAM.rawValue)
        let flags = type | Int32(SOCK_CLOEXEC.rawValue)
        var raw = CPosternSys.socket(isIPv6 ? AF_INET6 : AF_INET, flags, 0)
        if raw < 0, cpostern_errno() == EAFNOSUPPORT, spec.host.family == .any {
            isIPv6 = false
            raw = CPosternSys.socket(AF_INET, flags, 0)
        }
        guard raw >= 0 else { throw SystemError("socket") }
        let socket = Descriptor(owning: raw)
        if isIPv6 { try socket.set(Int32(IPPROTO_IPV6), IPV6_V6ONLY, spec.isV6Only ? 1 : 0, "setsockopt IPV6_V6ONLY") }
        if spec.transport == .tcp { try socket.set(SOL_SOCKET, SO_REUSEADDR, 1, "setsockopt SO_REUSEADDR") }
        if spec.siblings > 0 { try socket.set(SOL_SOCKET, SO_REUSEPORT, 1, "setsockopt SO_REUSEPORT") }
        if spec.hasKeepalive { try socket.set(SOL_SOCKET, SO_KEEPALIVE, 1, "setsockopt SO_KEEPALIVE") }
        if spec.isFreebind {
            // One option for both families: an IPv6 socket takes the IPv4 one, too.
            try socket.set(Int32(IPPROTO_IP), IP_FREEBIND, 1, "setsockopt IP_FREEBIND")
        }
        if spec.device.count > 0 {
            let device = spec.device.storage
            let result = unsafe device.span.withUnsafeBytes { bytes in
                unsafe setsockopt(raw, SOL_SOCKET, SO_BINDTODEVICE, bytes.baseAddress, socklen_t(spec.device.count))
            }
            guard result == 0 else { throw SystemError("setsockopt SO_BINDTODEVICE") }
        }
        return socket
    }

    /// Binds the socket to the address and port of `spec`: the one call that a port below 1024 needs a privilege for.
    package func bind(to spec: SocketSpec) throws(SystemError) {
        let result: Int32
        if try self.option(SOL_SOCKET, SO_DOMAIN, "getsockopt SO_DOMAIN") == AF_INET6 {
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = spec.port.bigEndian
            let words: InlineArray<2, UInt64> = [spec.host.high.bigEndian, spec.host.low.bigEndian]
            unsafe withUnsafeMutableBytes(of: &address.sin6_addr) { target in
                unsafe words.span.withUnsafeBytes { unsafe target.copyMemory(from: $0) }
            }
            result = unsafe withUnsafeBytes(of: &address) { bytes in
                unsafe cpostern_bind(self.rawValue, bytes.baseAddress, socklen_t(bytes.count))
            }
        } else {
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = spec.port.bigEndian
            address.sin_addr.s_addr = UInt32(truncatingIfNeeded: spec.host.low).bigEndian
            result = unsafe withUnsafeBytes(of: &address) { bytes in
                unsafe cpostern_bind(self.rawValue, bytes.baseAddress, socklen_t(bytes.count))
            }
        }
        guard result == 0 else { throw SystemError("bind") }
    }

    /// Makes a TCP socket listen with the backlog of `spec`; a UDP socket needs nothing.
    package func listen(as spec: SocketSpec) throws(SystemError) {
        guard spec.transport == .tcp else { return }
        guard CPosternSys.listen(self.rawValue, spec.backlog) == 0 else { throw SystemError("listen") }
    }

    /// Reads a socket option of an integer's size.
    package func option(_ level: Int32, _ name: Int32, _ operation: StaticString) throws(SystemError) -> Int32 {
        var value: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        guard unsafe getsockopt(self.rawValue, level, name, &value, &length) == 0 else {
            throw SystemError(operation)
        }
        return value
    }

    private func set(
        _ level: Int32, _ name: Int32, _ value: Int32, _ operation: StaticString
    ) throws(SystemError) {
        var value = value
        let length = socklen_t(MemoryLayout<Int32>.size)
        guard unsafe setsockopt(self.rawValue, level, name, &value, length) == 0 else { throw SystemError(operation) }
    }
}
