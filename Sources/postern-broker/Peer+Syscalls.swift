internal import CPosternSys

/// A request that is answered later: a GET that waits for its names, or a STORE that waits for the manager.
struct Pending {
    /// The slots asked for, in order; none for a STORE.
    var slots = InlineArray<32, UInt8>(repeating: 0)
    var count = 0
    /// The same slots, a bit each.
    var names: UInt64 = 0
    var isExclusive = false
    /// When it is answered whatever has happened.
    var deadline = 0
    /// Who came first is served first.
    var order = 0
    var tag = TextBuffer<8>()
}

/// One connection, as the kernel knows who made it.
struct Peer: ~Copyable {
    /// The connection; negative where there is none.
    var socket = Descriptor(owning: -1)
    /// Hangs up once the manager has what this peer stored; negative where nothing is awaited.
    var barrier = Descriptor(owning: -1)
    var uid: UInt32 = 0
    var gid: UInt32 = 0
    var pid: Int32 = 0
    var connectedAt = 0
    var hasSpoken = false
    /// HELLO was answered, and the peer may store: descriptors are let through.
    var mayStore = false
    /// How many descriptors it was sent, until it is known to have read them all.
    var unreadDescriptors = 0
    var pending: Pending?
}

/// What came on a connection.
struct Received: ~Copyable {
    var count = 0
    var isMalformed = false
    /// The real uid of the process that sent it.
    var sender: UInt32?
    var descriptors = DescriptorList()
}

extension Descriptor {
    /// The next connection, which does not block and is close-on-exec; nil where there is none, with the error.
    func acceptPeer(_ error: inout Int32) -> Descriptor? {
        let flags = Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let raw = cpostern_syscall(Int(SYS_accept4), Int(self.rawValue), 0, 0, Int(flags), 0)
        guard raw >= 0 else {
            error = cpostern_errno()
            return nil
        }
        return Descriptor(owning: Int32(raw))
    }

    /// Who connected: SO_PEERCRED.
    func peerCredentials() -> (pid: Int32, uid: UInt32, gid: UInt32)? {
        var credentials = InlineArray<3, UInt32>(repeating: 0)
        var length = socklen_t(12)
        let result = unsafe withUnsafeMutableBytes(of: &credentials) {
            unsafe getsockopt(self.rawValue, SOL_SOCKET, SO_PEERCRED, $0.baseAddress, &length)
        }
        guard result == 0 else { return nil }
        return (Int32(bitPattern: credentials[0]), credentials[1], credentials[2])
    }

    /// Adds the supplementary groups of who connected (SO_PEERGROUPS); where they are more than 256, none of them.
    func addPeerGroups(to identity: inout Identity) {
        var length = socklen_t(256 * 4)
        let result = unsafe withUnsafeMutableBytes(of: &identity.groups) {
            unsafe getsockopt(self.rawValue, SOL_SOCKET, SO_PEERGROUPS, $0.baseAddress, &length)
        }
        identity.groupCount = result == 0 ? Int(length) / 4 : 0
    }

    /// Receives one packet into `bytes`, with at most `room` descriptors. A count of 0 is the connection's end or an
    /// empty packet; a negative one an error, EAGAIN where nothing is there.
    func receive(into bytes: inout InlineArray<4097, UInt8>, room: Int32) -> Received {
        var result = Received()
        var received = cpostern_received()
        unsafe withUnsafeMutableBytes(of: &bytes) { buffer in
            unsafe cpostern_receive(self.rawValue, buffer.baseAddress, buffer.count, room, 0, &received)
        }
        result.count = received.bytes < 0 ? -Int(cpostern_errno()) : received.bytes
        guard received.bytes >= 0 else { return result }
        result.isMalformed = received.is_malformed != 0
        if received.has_sender != 0 { result.sender = received.sender.uid }
        unsafe withUnsafeBytes(of: &received.fds) { buffer in
            for index in 0..<Int(received.count) {
                let raw = unsafe buffer.loadUnaligned(fromByteOffset: index * MemoryLayout<Int32>.size, as: Int32.self)
                if !result.descriptors.append(Descriptor(owning: raw)) { result.isMalformed = true }
            }
        }
        return result
    }

    /// Sends one packet with descriptors that stay their owner's; 0, or the error: EAGAIN from a peer that never reads.
    func send(_ text: Span<UInt8>, _ descriptors: InlineArray<64, Int32>, count: Int) -> Int32 {
        let sent = unsafe text.withUnsafeBytes { bytes in
            unsafe descriptors.span.withUnsafeBufferPointer { numbers in
                unsafe cpostern_send(
                    self.rawValue, bytes.baseAddress, bytes.count, numbers.baseAddress, Int32(count),
                    Int32(MSG_DONTWAIT))
            }
        }
        return sent == text.count ? 0 : cpostern_errno()
    }

    /// Whether the other side has not read everything yet (SIOCOUTQ).
    func hasUnread() -> Bool {
        var length: Int32 = 0
        let result = unsafe withUnsafeMutableBytes(of: &length) {
            cpostern_syscall(
                Int(SYS_ioctl), Int(self.rawValue), Int(CPOSTERN_SIOCOUTQ), Int(bitPattern: $0.baseAddress), 0, 0)
        }
        return result == 0 && length > 0
    }

    /// Whether poll(2) says at once that a side of it was shut down (POLLRDHUP is 0x2000), or an error.
    func isHungUp() -> Bool {
        var waiting = pollfd(fd: self.rawValue, events: 0x2000, revents: 0)
        return unsafe poll(&waiting, 1, 0) > 0
    }
}

/// Waits for something to happen to the first `count` descriptors, `milliseconds` at most.
func wait(_ descriptors: inout InlineArray<772, pollfd>, count: Int, milliseconds: Int) {
    let result = unsafe withUnsafeMutableBytes(of: &descriptors) { bytes in
        unsafe poll(
            bytes.assumingMemoryBound(to: pollfd.self).baseAddress, nfds_t(count), Int32(max(0, milliseconds)))
    }
    // (EINTR cannot be: every signal is blocked or read. Whatever else it was: nothing is ready, and timers still run.)
    if result < 0 { for index in 0..<count { descriptors[index].revents = 0 } }
}

/// What the monotonic clock shows, in milliseconds; it cannot fail but for a bug.
func clock() -> Int { (try? monotonicMilliseconds()) ?? 0 }
