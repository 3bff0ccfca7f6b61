internal import BrokerIO
internal import CPosternSys

extension Listener {
    /// Another descriptor of the same socket, close-on-exec, which the caller owns; negative on failure.
    package func duplicateDescriptor() -> CInt { cpostern_fcntl(self.descriptor, F_DUPFD_CLOEXEC, 3) }

    /// Sets the backlog of a listening socket, and closes the descriptor.
    package static func setBacklog(_ backlog: CInt, ofOwned descriptor: CInt) {
        let owned = Descriptor(owning: descriptor)
        // (A UDP socket has none, and refuses.)
        _ = listen(owned.rawValue, backlog)
    }
}

extension Lease {
    /// Another descriptor of the connection, close-on-exec, which the caller owns, and by which the lease is held as well;
    /// negative on failure.
    package func duplicateDescriptor() -> CInt { cpostern_fcntl(self.descriptor, F_DUPFD_CLOEXEC, 3) }
}

/// The listener's backlog: a listening socket's TCP_INFO has it as tcpi_sacked (tcp_get_info in the kernel).
func backlogOf(_ descriptor: CInt) -> Int32 {
    var info = tcp_info()
    var length = socklen_t(MemoryLayout<tcp_info>.size)
    guard unsafe getsockopt(descriptor, Int32(IPPROTO_TCP), TCP_INFO, &info, &length) == 0, info.tcpi_sacked > 0 else {
        return 128
    }
    return Int32(clamping: info.tcpi_sacked)
}

/// The socket's number (SO_COOKIE), which no other socket has until the machine starts again; 0 if it has none to say.
func cookieOf(_ descriptor: CInt) -> UInt64 {
    var cookie: UInt64 = 0
    var length = socklen_t(MemoryLayout<UInt64>.size)
    guard unsafe getsockopt(descriptor, SOL_SOCKET, SO_COOKIE, &cookie, &length) == 0 else { return 0 }
    return cookie
}

extension Broker {
    /// Where the broker is: POSTERN_BROKER in the environment, or /run/postern/broker.sock.
    static var defaultPath: String {
        guard let path = unsafe cpostern_secure_getenv("POSTERN_BROKER") else {
            return "\(BrokerConnection.defaultPath)"
        }
        return unsafe String(cString: path)
    }
}

extension BrokerSession {
    /// Whether the broker has neither closed the connection nor said anything that it was not asked. Does not block.
    var isOpen: Bool {
        var waiting = pollfd(fd: self.descriptor, events: Int16(POLLIN), revents: 0)
        while true {
            let count = unsafe poll(&waiting, 1, 0)
            guard count < 0, cpostern_errno() == EINTR else { return count == 0 }
        }
    }
}
