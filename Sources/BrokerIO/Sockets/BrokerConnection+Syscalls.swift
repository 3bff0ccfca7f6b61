internal import CPosternSys

#if !hasFeature(Embedded)
package import BrokerCore
#endif

/// Why there was no reply, or none that can be used. What came with it is closed.
package enum ExchangeError: Error {
    /// A system call failed; ETIMEDOUT where the broker did not answer in time.
    case system(SystemError)
    /// The reply was cut off, or its descriptors were.
    case malformed
    /// The broker closed the connection.
    case closed

    /// The error's number; 0 if there is none.
    package var errno: Int32 {
        switch self {
        case .system(let error): error.errno
        case .malformed, .closed: 0
        }
    }

    /// Writes what happened: `connect: no such file or directory`.
    package func append<let size: Int>(to output: inout TextBuffer<size>) {
        switch self {
        case .system(let error):
            output.append(error.operation)
            output.append(": ")
            output.append(errno: error.errno)
        case .malformed: output.append("the reply was cut off on its way")
        case .closed: output.append("the broker closed the connection")
        }
    }
}

/// A connection to the broker. While any copy of it is open, in whatever process, what was granted on it is held.
package struct BrokerConnection: ~Copyable {
    /// Where the broker listens, unless somebody says otherwise; the binder knows no other place.
    package static var defaultPath: StaticString { "/run/postern/broker.sock" }

    private let socket: Descriptor

    /// The connection's descriptor, close-on-exec; the connection goes on owning it.
    package var rawValue: Int32 { self.socket.rawValue }

    /// Connects to the broker at an absolute path, of 107 bytes at most.
    package init(to path: Span<UInt8>, milliseconds: Int32) throws(SystemError) {
        let type = Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let raw = CPosternSys.socket(AF_UNIX, type, 0)
        guard raw >= 0 else { throw SystemError("socket") }
        let socket = Descriptor(owning: raw)
        // While the broker's queue is full connect(2) waits, but no longer than this.
        var limit = timeval(tv_sec: Int(milliseconds / 1000), tv_usec: Int(milliseconds % 1000) * 1000)
        let length = socklen_t(MemoryLayout<timeval>.size)
        guard unsafe setsockopt(raw, SOL_SOCKET, SO_SNDTIMEO, &limit, length) == 0 else {
            throw SystemError("setsockopt SO_SNDTIMEO")
        }
        var address = sockaddr_un()
        guard path.count < 108 else { throw SystemError("connect", errno: ENAMETOOLONG) }
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { target in
            unsafe path.withUnsafeBytes { unsafe target.copyMemory(from: $0) }
        }
        let result = unsafe withUnsafeBytes(of: &address) { bytes in
            unsafe cpostern_connect(raw, bytes.baseAddress, socklen_t(bytes.count))
        }
        // (A full queue shows as EAGAIN once the time is over.)
        guard result == 0 else {
            let error = cpostern_errno()
            throw SystemError("connect", errno: error == EAGAIN ? ETIMEDOUT : error)
        }
        self.socket = socket
    }

    /// Takes over a connection that somebody else made.
    package init(owning socket: consuming Descriptor) {
        self.socket = socket
    }

    /// The effective uid of whoever made the socket that was connected to (SO_PEERCRED).
    package borrowing func peerUser() throws(SystemError) -> UInt32 {
        var credentials = InlineArray<3, UInt32>(repeating: 0)
        var length = socklen_t(12)
        let result = unsafe withUnsafeMutableBytes(of: &credentials) {
            unsafe getsockopt(self.socket.rawValue, SOL_SOCKET, SO_PEERCRED, $0.baseAddress, &length)
        }
        guard result == 0 else { throw SystemError("getsockopt SO_PEERCRED") }
        return credentials[1]
    }

    /// Has the kernel say with each reply who sent it (SO_PASSCRED).
    package borrowing func askForSender() throws(SystemError) {
        var value: Int32 = 1
        guard unsafe setsockopt(self.socket.rawValue, SOL_SOCKET, SO_PASSCRED, &value, socklen_t(4)) == 0 else {
            throw SystemError("setsockopt SO_PASSCRED")
        }
    }

    /// Sends a request and waits for its reply, `milliseconds` for each at most.
    package borrowing func exchange(
        _ request: Span<UInt8>, with descriptors: borrowing DescriptorList, milliseconds: Int32
    ) throws(ExchangeError) -> ReceivedPacket {
        do throws(SystemError) {
            try sendPacket(request, with: descriptors, on: self.socket.rawValue, milliseconds: milliseconds)
            try self.socket.waitForInput(milliseconds, "wait for the reply")
        } catch {
            if error.errno == EPIPE || error.errno == ECONNRESET { throw .closed }
            throw .system(error)
        }
        do throws(ReceiveError) {
            return try receivePacket(from: self.socket)
        } catch {
            switch error.code {
            case .system where error.errno == ECONNRESET: throw .closed
            case .system: throw .system(SystemError("receive", errno: error.errno))
            case .closed: throw .closed
            case .malformed, .surplus: throw .malformed
            }
        }
    }

    /// Gives the connection up as a descriptor, which the caller closes.
    package consuming func release() -> Int32 { self.socket.release() }
}

extension Descriptor {
    /// Waits until there is something to read, or the end; fails with ETIMEDOUT after `milliseconds`.
    package func waitForInput(_ milliseconds: Int32, _ operation: StaticString) throws(SystemError) {
        let start = try monotonicMilliseconds()
        while true {
            let left = Int(milliseconds) - (try monotonicMilliseconds() - start)
            guard left > 0 else { throw SystemError(operation, errno: ETIMEDOUT) }
            var waiting = pollfd(fd: self.rawValue, events: Int16(POLLIN), revents: 0)
            let count = unsafe poll(&waiting, 1, Int32(left))
            if count > 0 { return }
            guard count == 0 || cpostern_errno() == EINTR else { throw SystemError("poll") }
        }
    }
}

/// What the monotonic clock shows, in milliseconds.
package func monotonicMilliseconds() throws(SystemError) -> Int {
    var now = timespec()
    guard unsafe clock_gettime(CLOCK_MONOTONIC, &now) == 0 else { throw SystemError("clock_gettime") }
    return now.tv_sec * 1000 + now.tv_nsec / 1_000_000
}
