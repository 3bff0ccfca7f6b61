internal import CPosternSys

#if !hasFeature(Embedded)
package import BrokerCore
#endif

/// Why no packet was received. Whatever descriptors came are closed.
package struct ReceiveError: Error {
    /// What happened.
    package enum Code: UInt8, Sendable {
        /// The call failed; see the errno.
        case system = 1
        /// The other side closed, or sent an empty packet: the two cannot be told apart, and neither is PB1.
        case closed
        /// The packet or its descriptors were cut off, or a control message is of another kind or length.
        case malformed
        /// More descriptors than a reply may carry.
        case surplus
    }

    /// What happened.
    package var code: Code
    /// The error's number, with ``Code/system``.
    package var errno: Int32 = 0
}

/// One packet and the descriptors that came with it, all close-on-exec.
package struct ReceivedPacket: ~Copyable {
    /// The packet's bytes.
    package var text = TextBuffer<16384>()
    /// The descriptors, in the sender's order.
    package var descriptors = DescriptorList()
    /// The real uid of the process that sent it; nil where the socket does not ask for it (SO_PASSCRED).
    package var sender: UInt32?
}

/// Receives one packet from a SOCK_SEQPACKET socket; waits for one, unless the socket does not block.
package func receivePacket(from socket: borrowing Descriptor) throws(ReceiveError) -> ReceivedPacket {
    var packet = ReceivedPacket()
    var bytes = InlineArray<16384, UInt8>(repeating: 0)
    var received = cpostern_received()
    repeat {
        unsafe withUnsafeMutableBytes(of: &bytes) { buffer in
            unsafe cpostern_receive(
                socket.rawValue, buffer.baseAddress, buffer.count, CPOSTERN_MAX_FDS, 0, &received)
        }
    } while received.bytes < 0 && cpostern_errno() == EINTR
    guard received.bytes >= 0 else { throw ReceiveError(code: .system, errno: cpostern_errno()) }
    var isSurplus = false
    unsafe withUnsafeBytes(of: &received.fds) { buffer in
        for index in 0..<Int(received.count) {
            let raw = unsafe buffer.loadUnaligned(fromByteOffset: index * MemoryLayout<Int32>.size, as: Int32.self)
            // What the list has no room for is closed at once; what it has, when the packet goes.
            if !packet.descriptors.append(Descriptor(owning: raw)) { isSurplus = true }
        }
    }
    guard received.is_malformed == 0 else { throw ReceiveError(code: .malformed) }
    guard !isSurplus else { throw ReceiveError(code: .surplus) }
    guard received.bytes > 0 else { throw ReceiveError(code: .closed) }
    packet.text.append(bytes.span, TextRange(0, received.bytes))
    if received.has_sender != 0 { packet.sender = received.sender.uid }
    return packet
}

/// Sends one packet with descriptors; waits at most `milliseconds` for a peer that does not read (then ETIMEDOUT).
///
/// The socket's own flags stay as they are: its owner shares them.
package func sendPacket(
    _ text: Span<UInt8>, with descriptors: borrowing DescriptorList, on socket: Int32, milliseconds: Int32
) throws(SystemError) {
    let count = Int32(descriptors.count)
    var deadline = timespec()
    guard unsafe clock_gettime(CLOCK_MONOTONIC, &deadline) == 0 else { throw SystemError("clock_gettime") }
    let start = deadline
    while true {
        let sent = unsafe text.withUnsafeBytes { bytes in
            unsafe descriptors.rawValues.span.withUnsafeBufferPointer { numbers in
                unsafe cpostern_send(
                    socket, bytes.baseAddress, bytes.count, numbers.baseAddress, count, Int32(MSG_DONTWAIT))
            }
        }
        // A packet is sent whole or not at all.
        if sent == text.count { return }
        let error = cpostern_errno()
        guard sent < 0, error == EAGAIN || error == EINTR else { throw SystemError("send", errno: error) }
        var now = timespec()
        guard unsafe clock_gettime(CLOCK_MONOTONIC, &now) == 0 else { throw SystemError("clock_gettime") }
        let elapsed = (now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1_000_000
        guard elapsed < Int(milliseconds) else { throw SystemError("send", errno: ETIMEDOUT) }
        var waiting = pollfd(fd: socket, events: Int16(POLLOUT), revents: 0)
        _ = unsafe poll(&waiting, 1, milliseconds - Int32(elapsed))
    }
}
