import BrokerCore
import BrokerIO
import CPosternSys
import Testing

/// A connected pair of SOCK_SEQPACKET sockets.
struct SocketPair: ~Copyable {
    let left: Descriptor
    let right: Descriptor
}

/// Makes one.
func socketPair() throws -> SocketPair {
    var pair: [Int32] = [-1, -1]
    try #require(
        unsafe socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &pair) == 0)
    return SocketPair(left: Descriptor(owning: pair[0]), right: Descriptor(owning: pair[1]))
}

/// A loopback socket's description; port 0 lets the kernel choose.
func spec(_ address: String, _ transport: Transport = .tcp) throws -> SocketSpec {
    let bytes = Array(address.utf8)
    return try SocketSpec(transport: transport, addressAt: TextRange(0, bytes.count), in: bytes.span)
}

/// How many descriptors of this process are of that socket.
func openDescriptors(of socket: Int32) -> Int {
    var wanted = stat()
    guard unsafe fstat(socket, &wanted) == 0 else { return -1 }
    return (0..<1024).filter { number in
        var found = stat()
        return unsafe fstat(Int32(number), &found) == 0 && found.st_ino == wanted.st_ino
            && found.st_dev == wanted.st_dev
    }.count
}

@Suite(.serialized) struct RightsPassingTests {
    @Test("A packet arrives with its descriptors, in order, close-on-exec")
    func roundTrip() throws {
        let pair = try socketPair()
        let before = openDescriptors(of: pair.left.rawValue)
        do {
            var list = DescriptorList()
            for _ in 0..<3 { _ = list.append(Descriptor(owning: dup(pair.left.rawValue))) }
            let text = Array("PB1 200 OK a\n".utf8)
            try sendPacket(text.span, with: list, on: pair.left.rawValue, milliseconds: 1000)
            let packet = try receivePacket(from: pair.right)
            let (count, length) = (packet.descriptors.count, packet.text.count)
            #expect(count == 3)
            #expect(length == text.count)
            for index in 0..<3 {
                let flags = cpostern_fcntl(packet.descriptors.rawValues[index], F_GETFD, 0)
                #expect(flags == FD_CLOEXEC)
            }
        }
        #expect(before == 1)
        let after = openDescriptors(of: pair.left.rawValue)
        #expect(after == before)
    }

    @Test("More descriptors than a reply may carry are an error, and every one is closed")
    func surplus() throws {
        let pair = try socketPair()
        let before = openDescriptors(of: pair.left.rawValue)
        let numbers = [Int32](repeating: pair.left.rawValue, count: 65)
        let left = pair.left.rawValue
        try #require(unsafe cpostern_send(left, "x", 1, numbers, 65, 0) == 1)
        do throws(ReceiveError) {
            _ = try receivePacket(from: pair.right)
            Issue.record("it was received")
        } catch {
            #expect(error.code == .surplus)
        }
        #expect(before == 1)
        let after = openDescriptors(of: pair.left.rawValue)
        #expect(after == before)
    }

    @Test("A packet that is cut off is an error, and its descriptors are closed")
    func truncated() throws {
        let pair = try socketPair()
        let before = openDescriptors(of: pair.left.rawValue)
        let bytes = [UInt8](repeating: 0x61, count: 16385)
        let left = pair.left.rawValue
        try #require(unsafe cpostern_send(left, bytes, bytes.count, [left], 1, 0) == bytes.count)
        do throws(ReceiveError) {
            _ = try receivePacket(from: pair.right)
            Issue.record("it was received")
        } catch {
            #expect(error.code == .malformed)
        }
        #expect(before == 1)
        let after = openDescriptors(of: pair.left.rawValue)
        #expect(after == before)
    }

    @Test("An empty packet and an end of file are the same: closed")
    func empty() throws {
        let pair = try socketPair()
        let left = pair.left.rawValue
        try #require(unsafe cpostern_send(left, "", 0, nil, 0, 0) == 0)
        do throws(ReceiveError) {
            _ = try receivePacket(from: pair.right)
            Issue.record("it was received")
        } catch {
            #expect(error.code == .closed)
        }
    }

    @Test("A control message of another kind makes a packet malformed")
    func credentials() throws {
        let pair = try socketPair()
        var on: Int32 = 1
        let right = pair.right.rawValue
        // (SO_PASSPIDFD, of Linux 6.5: a pidfd of the sender's, in a message that nobody here asks for.)
        guard unsafe setsockopt(right, SOL_SOCKET, 76, &on, 4) == 0 else { return }
        let left = pair.left.rawValue
        try #require(unsafe cpostern_send(left, "x", 1, nil, 0, 0) == 1)
        do throws(ReceiveError) {
            _ = try receivePacket(from: pair.right)
            Issue.record("it was received")
        } catch {
            #expect(error.code == .malformed)
        }
    }

    @Test("Who sent a packet is known where the socket asks for it")
    func sender() throws {
        let pair = try socketPair()
        let (left, right) = (pair.left.rawValue, pair.right.rawValue)
        try #require(unsafe cpostern_send(left, "x", 1, nil, 0, 0) == 1)
        let before = try receivePacket(from: pair.right)
        #expect(before.sender == nil)
        var on: Int32 = 1
        try #require(unsafe setsockopt(right, SOL_SOCKET, SO_PASSCRED, &on, 4) == 0)
        try #require(unsafe cpostern_send(left, "x", 1, nil, 0, 0) == 1)
        let after = try receivePacket(from: pair.right)
        #expect(after.sender == getuid())
    }

    @Test("A peer that does not read ends the sender's patience, not its life")
    func fullPeer() throws {
        let pair = try socketPair()
        let bytes = [UInt8](repeating: 0x61, count: 1000)
        let list = DescriptorList()
        var error: SystemError?
        for _ in 0..<10_000 {
            do throws(SystemError) {
                try sendPacket(bytes.span, with: list, on: pair.left.rawValue, milliseconds: 20)
            } catch let caught {
                error = caught
                break
            }
        }
        #expect(error?.errno == ETIMEDOUT)
        _ = consume pair
    }
}

// (One at a time: `*` and 127.0.0.1 cannot both listen on one port.)
@Suite(.serialized) struct ListenerSocketTests {
    @Test(
        "A socket that was bound for a spec passes its check, and no other's", arguments: ["127.0.0.1", "[::1]", "*"])
    func check(address: String) throws {
        let port = UInt16(20000 + Int(getpid()) % 20000)
        let wanted = try spec("\(address):\(port)")
        let socket = try Descriptor.socket(for: wanted)
        try socket.bind(to: wanted)
        var mismatch: SocketMismatch?
        do throws(SocketMismatch) { try socket.check(against: wanted) } catch { mismatch = error }
        #expect(mismatch == .notListening)
        try socket.listen(as: wanted)
        try socket.check(against: wanted)
        for (other, expected) in [
            ("127.0.0.2:\(port)", SocketMismatch.address), ("[::2]:\(port)", .address), ("\(address):1", .address),
        ] {
            let other = try spec(other)
            mismatch = nil
            do throws(SocketMismatch) { try socket.check(against: other) } catch { mismatch = error }
            #expect(mismatch == expected)
        }
        var device = wanted
        device.device.append("lo")
        do throws(SocketMismatch) { try socket.check(against: device) } catch { mismatch = error }
        #expect(mismatch == .device)
        var udp = wanted
        udp.transport = .udp
        do throws(SocketMismatch) { try socket.check(against: udp) } catch { mismatch = error }
        #expect(mismatch == .transport)
    }

    @Test("[::] has IPV6_V6ONLY as its line says, whatever the sysctl says", arguments: [false, true])
    func v6Only(isV6Only: Bool) throws {
        var wanted = try spec("[::]:1")
        wanted.isV6Only = isV6Only
        let socket = try Descriptor.socket(for: wanted)
        let value = try socket.option(Int32(IPPROTO_IPV6), IPV6_V6ONLY, "getsockopt")
        #expect(value == (isV6Only ? 1 : 0))
    }

    @Test("Every option of a line reaches the socket")
    func options() throws {
        var wanted = try spec("127.0.0.1:1")
        wanted.hasKeepalive = true
        wanted.isFreebind = true
        wanted.siblings = 2
        let socket = try Descriptor.socket(for: wanted)
        do {
            let value = try socket.option(SOL_SOCKET, SO_KEEPALIVE, "getsockopt")
            #expect(value == 1)
        }
        do {
            let value = try socket.option(Int32(IPPROTO_IP), IP_FREEBIND, "getsockopt")
            #expect(value == 1)
        }
        do {
            let value = try socket.option(SOL_SOCKET, SO_REUSEPORT, "getsockopt")
            #expect(value == 1)
        }
        do {
            let value = try socket.option(SOL_SOCKET, SO_REUSEADDR, "getsockopt")
            #expect(value == 1)
        }
        let udp = try Descriptor.socket(for: spec("127.0.0.1:1", .udp))
        do {
            let value = try udp.option(SOL_SOCKET, SO_REUSEADDR, "getsockopt")
            #expect(value == 0)
        }
    }

    @Test("What is no IP socket is a mismatch")
    func otherKinds() throws {
        let pair = try socketPair()
        let file = Descriptor(owning: unsafe cpostern_openat(AT_FDCWD, "/dev/null", O_RDONLY))
        let wanted = try spec("127.0.0.1:1")
        var mismatch: SocketMismatch?
        do throws(SocketMismatch) { try pair.left.check(against: wanted) } catch { mismatch = error }
        #expect(mismatch == .family)
        do throws(SocketMismatch) { try file.check(against: wanted) } catch { mismatch = error }
        #expect(mismatch == .notASocket)
    }
}

// (One at a time: they look whether a number is free again.)
@Suite(.serialized) struct DescriptorTests {
    @Test("A descriptor closes itself, and not once it was given up")
    func ownership() throws {
        // (High numbers: tests that run beside this one take the lowest.)
        let number = cpostern_fcntl(0, F_DUPFD, 900)
        do { _ = Descriptor(owning: number) }
        #expect(cpostern_fcntl(number, F_GETFD, 0) < 0)
        let kept = Descriptor(owning: cpostern_fcntl(0, F_DUPFD, 900)).release()
        #expect(cpostern_fcntl(kept, F_GETFD, 0) >= 0)
        close(kept)
    }

    @Test("A full list closes what it has no room for")
    func fullList() {
        var list = DescriptorList()
        for _ in 0..<64 { _ = list.append(Descriptor(owning: dup(0))) }
        let surplus = cpostern_fcntl(0, F_DUPFD, 900)
        let isAppended = list.append(Descriptor(owning: surplus))
        #expect(!isAppended)
        #expect(cpostern_fcntl(surplus, F_GETFD, 0) < 0)
    }
}
