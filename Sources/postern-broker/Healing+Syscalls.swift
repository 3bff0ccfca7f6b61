internal import CPosternSys

/// What a look at a held socket showed.
enum Look: UInt8 {
    /// It is as it should be; the backlog is set again.
    case sound = 1
    /// It was not, and is now.
    case healed
    /// It is not, and nothing that needs no privilege helps.
    case spoiled
}

extension Descriptor {
    /// Looks whether the socket still is what the policy says, and makes it so again where a holder spoiled it. The port
    /// stays ours all the while: none of this needs a capability.
    ///
    /// - shutdown(2): listen again.
    /// - connect(2), to nowhere or elsewhere: listen(2) fails until the socket has been dissolved by connecting it to
    ///   AF_UNSPEC; a UDP socket hears everybody again by that alone, but is of no device then.
    /// - setsockopt(2) of SO_BINDTODEVICE: a UDP socket is dissolved and bound to its own device, if it has one; what
    ///   binds a TCP socket cannot be undone.
    /// - listen(2) with another backlog: listen again, at every look.
    ///
    /// `family` is the one that it had when it came: a holder can make an IPv4 socket of an IPv6 one (IPV6_ADDRFORM).
    func look(as spec: SocketSpec, family: Int32? = nil) -> Look {
        var isHealed = false
        switch spec.transport {
        case .tcp:
            let isListening = self.isListening()
            if CPosternSys.listen(self.rawValue, spec.backlog) != 0 {
                self.dissolve()
                _ = CPosternSys.listen(self.rawValue, spec.backlog)
            }
            isHealed = !isListening
        case .udp:
            if self.isConnected() || !self.isSound(as: spec) {
                self.dissolve()
                self.bindToDevice(of: spec)
                isHealed = true
            }
        }
        guard self.isSound(as: spec), family == nil || family == self.family else { return .spoiled }
        return isHealed ? .healed : .sound
    }

    /// Takes off what the last holder may have set that keeps clients out: packets of a low TTL or hop limit unheard
    /// (IP_MINTTL, IPV6_MINHOPCOUNT), connections held back until the client speaks (TCP_DEFER_ACCEPT), which a client of
    /// SMTP never does first. No look shows whether a holder means it so; so it ends with the last lease.
    func resetOptions() {
        _ = self.setOption(Int32(IPPROTO_IP), 21, 0)
        _ = self.setOption(Int32(IPPROTO_IPV6), 73, 0)
        _ = self.setOption(Int32(IPPROTO_TCP), 9, 0)
    }

    /// (One that the socket does not have, such as IPv6's of an IPv4 one, changes nothing.)
    private func setOption(_ level: Int32, _ name: Int32, _ value: Int32) -> Bool {
        var value = value
        return unsafe setsockopt(self.rawValue, level, name, &value, 4) == 0
    }

    /// Whether the socket is what the policy says, as it is now.
    func isSound(as spec: SocketSpec) -> Bool { (try? self.check(against: spec)) != nil }

    /// Whether it is a TCP socket that listens.
    func isListening() -> Bool { (try? self.option(SOL_SOCKET, SO_ACCEPTCONN, "getsockopt")) == 1 }

    private func isConnected() -> Bool {
        var address = sockaddr_in6()
        var length = Int(MemoryLayout<sockaddr_in6>.size)
        let result = unsafe withUnsafeMutableBytes(of: &address) { address in
            unsafe withUnsafeMutableBytes(of: &length) { length in
                cpostern_syscall(
                    Int(SYS_getpeername), Int(self.rawValue), Int(bitPattern: address.baseAddress),
                    Int(bitPattern: length.baseAddress), 0, 0)
            }
        }
        return result == 0
    }

    /// Binds the socket to its line's device, if there is one. What is bound to none needs no privilege (Linux 5.7).
    private func bindToDevice(of spec: SocketSpec) {
        guard spec.device.count > 0 else { return }
        _ = unsafe spec.device.storage.span.withUnsafeBytes {
            unsafe setsockopt(
                self.rawValue, SOL_SOCKET, SO_BINDTODEVICE, $0.baseAddress, socklen_t(spec.device.count))
        }
    }

    /// connect(2) to AF_UNSPEC, whose address is the family alone: no address of anybody's can be given so.
    private func dissolve() {
        var family = sa_family_t(AF_UNSPEC)
        _ = unsafe withUnsafeBytes(of: &family) { unsafe cpostern_connect(self.rawValue, $0.baseAddress, 2) }
    }

    /// SO_DOMAIN; nil if it is no socket.
    var family: Int32? { try? self.option(SOL_SOCKET, SO_DOMAIN, "getsockopt") }

    /// A number of 64 bits that the kernel knows a socket (SO_COOKIE) or its network namespace (SO_NETNS_COOKIE, Linux
    /// 5.14) by; 0 where it does not say.
    func cookie(_ option: Int32) -> UInt64 {
        var value: UInt64 = 0
        var length = socklen_t(8)
        guard unsafe getsockopt(self.rawValue, SOL_SOCKET, option, &value, &length) == 0 else { return 0 }
        return value
    }

    /// The connections that wait for accept(2); the bytes that wait, with UDP.
    func queueLength(_ transport: Transport) -> Int {
        if transport == .tcp {
            var info = tcp_info()
            var length = socklen_t(MemoryLayout<tcp_info>.size)
            let result = unsafe getsockopt(self.rawValue, Int32(IPPROTO_TCP), TCP_INFO, &info, &length)
            // (Of a listening socket these are its queue and its backlog: tcp_get_info in the kernel.)
            return result == 0 ? Int(info.tcpi_unacked) : 0
        }
        // SO_MEMINFO; the first number is what was received and not read.
        var memory = InlineArray<9, UInt32>(repeating: 0)
        var length = socklen_t(36)
        let result = unsafe withUnsafeMutableBytes(of: &memory) {
            unsafe getsockopt(self.rawValue, SOL_SOCKET, 55, $0.baseAddress, &length)
        }
        return result == 0 ? Int(memory[0]) : 0
    }
}
