import Foundation
import Glibc

/// What went wrong in a test's own tools: which operation on which object, and why.
struct HarnessError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }

    init(_ operation: String, errno code: Int32) {
        self.description = unsafe "\(operation): \(String(cString: strerror(code)))"
    }
}

/// Two calls that Glibc's module does not show.
private enum GNU {
    typealias Accept4 = @convention(c) (Int32, UnsafeMutableRawPointer?, UnsafeMutableRawPointer?, Int32) -> Int32
    typealias SetNS = @convention(c) (Int32, Int32) -> Int32

    static let accept4 = unsafe unsafeBitCast(dlsym(nil, "accept4"), to: Accept4.self)
    static let setns = unsafe unsafeBitCast(dlsym(nil, "setns"), to: SetNS.self)
}

/// A TCP socket on loopback, closed with its last reference. Every wait has an end.
final class Socket: Sendable {
    private let descriptor: Int32

    private init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { _ = Glibc.close(descriptor) }

    /// A client's connection to 127.0.0.1.
    ///
    /// - Parameter receiveBuffer: bytes of receive buffer, for a peer that reads slowly; nil leaves the system's.
    static func connect(port: UInt16, receiveBuffer: Int32? = nil) throws -> Socket {
        let socket = try make()
        if let receiveBuffer { try socket.set(SO_RCVBUF, receiveBuffer) }
        var address = loopback(port)
        let result = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                unsafe Glibc.connect(socket.descriptor, pointer, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw HarnessError("connect 127.0.0.1:\(port)", errno: errno) }
        // What a test sends apart shall travel apart.
        try socket.set(Int32(TCP_NODELAY), 1, level: Int32(IPPROTO_TCP))
        return socket
    }

    /// A listener on 127.0.0.1.
    /// - Parameter host: the last octet of an address of 127.0.0.0/24.
    static func listen(port: UInt16, host: UInt8 = 1, receiveBuffer: Int32? = nil) throws -> Socket {
        let socket = try make()
        try socket.set(SO_REUSEADDR, 1)
        if let receiveBuffer { try socket.set(SO_RCVBUF, receiveBuffer) }
        var address = loopback(port, host: host)
        let result = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                unsafe Glibc.bind(socket.descriptor, pointer, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw HarnessError("bind 127.0.0.\(host):\(port)", errno: errno) }
        guard Glibc.listen(socket.descriptor, 512) == 0 else {
            throw HarnessError("listen 127.0.0.\(host):\(port)", errno: errno)
        }
        return socket
    }

    /// The next connection; nil once the listener has been interrupted.
    func accept() -> Socket? {
        while true {
            let connection = GNU.accept4(descriptor, nil, nil, Int32(SOCK_CLOEXEC.rawValue))
            if connection >= 0 { return Socket(descriptor: connection) }
            guard errno == EINTR || errno == ECONNABORTED else { return nil }
        }
    }

    /// Ends whoever waits in accept() or receive() on this socket, and tells the peer that no more will come.
    func interrupt() { _ = shutdown(descriptor, Int32(SHUT_RDWR)) }

    /// The port of this end.
    func localPort() throws -> UInt16 {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                unsafe getsockname(descriptor, pointer, &length)
            }
        }
        guard result == 0 else { throw HarnessError("getsockname", errno: errno) }
        return UInt16(bigEndian: address.sin_port)
    }

    /// Tells the peer that no more will come, and goes on reading.
    func finishSending() { _ = shutdown(descriptor, Int32(SHUT_WR)) }

    /// Makes closing this socket reset the connection instead of ending it politely.
    func resetOnClose() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<linger>.size))
    }

    /// Sends every byte; fails when the peer does not take them in time.
    func send(_ bytes: [UInt8], patience: Duration = .seconds(60)) throws {
        let deadline = ContinuousClock.now + patience
        var sent = 0
        while sent < bytes.count {
            guard wait(for: Int16(POLLOUT), until: deadline) else {
                throw HarnessError("send: the peer took \(sent) of \(bytes.count) bytes in \(patience)")
            }
            let count = unsafe bytes.withUnsafeBytes { buffer in
                unsafe Glibc.send(
                    descriptor, buffer.baseAddress?.advanced(by: sent), bytes.count - sent,
                    Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
            }
            if count > 0 {
                sent += count
            } else if errno != EAGAIN && errno != EINTR {
                throw HarnessError("send", errno: errno)
            }
        }
    }

    /// The next bytes; none at the end of the connection (a reset is one too), nil when none came in time.
    func receive(upTo limit: Int = 65536, until deadline: ContinuousClock.Instant) throws -> [UInt8]? {
        while true {
            guard wait(for: Int16(POLLIN), until: deadline) else { return nil }
            var buffer = [UInt8](repeating: 0, count: limit)
            let count = unsafe buffer.withUnsafeMutableBytes { buffer in
                unsafe recv(descriptor, buffer.baseAddress, limit, Int32(MSG_DONTWAIT))
            }
            if count >= 0 { return Array(buffer[..<count]) }
            switch errno {
            case EAGAIN, EINTR: continue
            case ECONNRESET: return []
            default: throw HarnessError("recv", errno: errno)
            }
        }
    }

    /// Whether nothing is there to be received, and nothing comes within the time; the end of the connection is something.
    func isQuiet(for time: Duration) -> Bool { !wait(for: Int16(POLLIN), until: .now + time) }

    private func wait(for event: Int16, until deadline: ContinuousClock.Instant) -> Bool {
        while true {
            let left = max(.zero, deadline - .now)
            let milliseconds = left.components.seconds * 1000 + left.components.attoseconds / 1_000_000_000_000_000
            var entry = pollfd(fd: descriptor, events: event, revents: 0)
            let ready = unsafe poll(&entry, 1, Int32(clamping: milliseconds + 1))
            if ready > 0 { return true }
            if ready == 0 || errno != EINTR { return false }
        }
    }

    private func set(_ option: Int32, _ value: Int32, level: Int32 = SOL_SOCKET) throws {
        var value = value
        guard unsafe setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size)) == 0
        else { throw HarnessError("setsockopt \(option)", errno: errno) }
    }

    private static func make() throws -> Socket {
        let descriptor = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw HarnessError("socket", errno: errno) }
        return Socket(descriptor: descriptor)
    }

    private static func loopback(_ port: UInt16, host: UInt8 = 1) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = (0x7F00_0000 + UInt32(host)).bigEndian
        return address
    }
}

/// Runs `body` on a thread that has entered the network of process `pid`: sockets made there stay there.
func inNetwork<Value: Sendable>(of pid: pid_t, _ body: @escaping @Sendable () throws -> Value) throws -> Value {
    let answer = Box<Result<Value, any Error>>()
    let thread = Thread {
        answer.set(
            Result {
                let namespace = unsafe open("/proc/\(pid)/ns/net", O_RDONLY | O_CLOEXEC)
                guard namespace >= 0 else { throw HarnessError("open /proc/\(pid)/ns/net", errno: errno) }
                defer { _ = Glibc.close(namespace) }
                guard GNU.setns(namespace, 0) == 0 else { throw HarnessError("setns", errno: errno) }
                return try body()
            })
    }
    thread.start()
    return try answer.wait().get()
}

/// A value that one thread gives and another waits for.
final class Box<Value: Sendable>: Sendable {
    private let condition = NSCondition()
    private nonisolated(unsafe) var value: Value?

    func set(_ new: Value) {
        condition.lock()
        defer { condition.unlock() }
        unsafe value = new
        condition.broadcast()
    }

    func wait() -> Value {
        condition.lock()
        defer { condition.unlock() }
        while true {
            if let value = unsafe value { return value }
            condition.wait()
        }
    }
}
