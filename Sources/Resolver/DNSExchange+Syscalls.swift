import CAres
import Glibc
import NIOCore

/// One question to the DNS: c-ares asks, in its own state machine, over channels of the event loop.
///
/// A c-ares channel for each question gives each a UDP port of its own, so that who forges an answer has to guess that
/// beside the identifier, and lets one be given up without the others (decision 0012). Confined to its event loop; ``finish(_:)`` or
/// ``giveUp()`` ends it, and has to come before it is let go.
@safe final class DNSExchange {
    /// What came of it.
    enum Outcome: Equatable {
        case reply(DNSReply)
        /// Nobody answered, or nothing that can be used.
        case failed
    }

    private let eventLoop: any EventLoop
    private let type: DNSReply.RecordType
    private var channel: ares_channel?
    private var sockets: [Int32: DNSSocket] = [:]
    private var lastNumber = DNSExchange.firstNumber
    private var timer: Scheduled<Void>?
    private var limit: Scheduled<Void>?
    private var outcome: Outcome?
    private var isInside = false
    private var completion: ((Outcome) -> Void)?

    /// No descriptor is as large: should c-ares ever take one of our numbers for its own, the kernel says EBADF.
    private static let firstNumber: Int32 = 1 << 28
    private static let isReady = ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS

    init(eventLoop: any EventLoop, type: DNSReply.RecordType) {
        self.eventLoop = eventLoop
        self.type = type
    }

    /// Asks for the records of `name`; `completion` is called once, on the event loop, never before this returns, and not
    /// at all after ``giveUp()``.
    func start(_ name: String, configuration: ResolverConfiguration, completion: @escaping (Outcome) -> Void) {
        self.completion = completion
        self.limit = self.eventLoop.assumeIsolated().scheduleTask(in: configuration.timeout) { self.finish(.failed) }
        guard Self.isReady, self.open(configuration) else {
            return self.eventLoop.assumeIsolated().execute { self.finish(.failed) }
        }
        unsafe self.inside { channel in
            unsafe ares_query(
                channel, name, 1, Int32(self.type.rawValue),
                { context, status, _, octets, count in
                    guard let context = unsafe context else { return }
                    let exchange = unsafe Unmanaged<DNSExchange>.fromOpaque(context).takeUnretainedValue()
                    var copy: [UInt8] = []
                    if let octets = unsafe octets, count > 0 {
                        copy = unsafe Array(UnsafeBufferPointer(start: octets, count: Int(count)))
                    }
                    exchange.answered(status, copy)
                }, Unmanaged.passUnretained(self).toOpaque())
        }
    }

    /// Nobody waits for the answer any more.
    func giveUp() {
        self.completion = nil
        self.finish(.failed)
    }

    /// The status and the reply, which may be empty, are c-ares's.
    private func answered(_ status: Int32, _ octets: [UInt8]) {
        guard self.outcome == nil else { return }
        switch status {
        case ARES_SUCCESS, ARES_ENOTFOUND, ARES_ENODATA:
            do {
                self.outcome = .reply(try DNSReply(octets, type: self.type))
            } catch {
                self.outcome = .failed
            }
        default:
            self.outcome = .failed
        }
    }

    private func finish(_ outcome: Outcome) {
        self.timer?.cancel()
        self.limit?.cancel()
        if let channel = unsafe self.channel {
            unsafe self.channel = nil
            self.isInside = true
            unsafe ares_destroy(channel)
            self.isInside = false
        }
        for socket in self.sockets.values { socket.close() }
        self.sockets = [:]
        let completion = self.completion
        self.completion = nil
        completion?(outcome)
    }
}

// MARK: c-ares

extension DNSExchange {
    private func open(_ configuration: ResolverConfiguration) -> Bool {
        var options = unsafe ares_options()
        // All that /etc/resolv.conf would say is said here, so that it is not read.
        unsafe options.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES
        let share = configuration.timeout.nanoseconds / 6_000_000
        unsafe options.timeout = Int32(truncatingIfNeeded: min(max(share, 50), 2000))
        unsafe options.tries = 3
        unsafe options.ndots = 1
        let mask =
            ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS | ARES_OPT_LOOKUPS | ARES_OPT_DOMAINS
            | ARES_OPT_SERVERS | ARES_OPT_SORTLIST | ARES_OPT_NOROTATE
        var lookups: [CChar] = [CChar(bitPattern: UInt8(ascii: "b")), 0]
        var channel: ares_channel?
        let status = unsafe lookups.withUnsafeMutableBufferPointer { lookups in
            unsafe options.lookups = lookups.baseAddress
            return unsafe ares_init_options(&channel, &options, mask)
        }
        guard status == ARES_SUCCESS, let channel = unsafe channel else { return false }
        unsafe self.channel = channel
        unsafe ares_set_socket_functions(channel, Self.functions, Unmanaged.passUnretained(self).toOpaque())
        let servers = configuration.servers.compactMap { server -> String? in
            guard let ip = server.ipAddress, let port = server.port else { return nil }
            return ip.utf8.contains(UInt8(ascii: ":")) ? "[\(ip)]:\(port)" : "\(ip):\(port)"
        }
        return unsafe ares_set_servers_ports_csv(channel, servers.joined(separator: ",")) == ARES_SUCCESS
    }

    /// Lets c-ares do something, and then does what follows from it: nothing of ours may run inside.
    private func inside(_ body: (ares_channel) -> Void) {
        guard let channel = unsafe self.channel else { return }
        self.isInside = true
        unsafe body(channel)
        self.isInside = false
        if let outcome = self.outcome {
            // Who asked has not got its exchange back yet where this is the question itself.
            return self.eventLoop.assumeIsolated().execute { self.finish(outcome) }
        }
        self.timer?.cancel()
        var wait = timeval()
        guard unsafe ares_timeout(channel, nil, &wait) != nil else { return }
        let delay = TimeAmount.microseconds(Int64(wait.tv_sec) * 1_000_000 + Int64(wait.tv_usec))
        self.timer = self.eventLoop.assumeIsolated().scheduleTask(in: delay) {
            self.process(readable: ARES_SOCKET_BAD, writable: ARES_SOCKET_BAD)
        }
    }

    private func process(readable: Int32, writable: Int32) {
        guard !self.isInside else {
            return self.eventLoop.assumeIsolated().execute { self.process(readable: readable, writable: writable) }
        }
        unsafe self.inside { channel in
            unsafe ares_process_fd(channel, readable, writable)
            // Of a stream c-ares takes one read at a time, a length or what follows it, and counts on a poll(2) that
            // reports the rest again. It closes what has ended.
            while self.outcome == nil, let more = self.sockets.values.first(where: \.hasInput) {
                unsafe ares_process_fd(channel, more.number, ARES_SOCKET_BAD)
            }
        }
    }

    private func makeSocket(isStream: Bool) -> Int32 {
        self.lastNumber += 1
        self.sockets[self.lastNumber] = DNSSocket(
            number: self.lastNumber, isStream: isStream,
            onReadable: { [weak self] in self?.process(readable: $0, writable: ARES_SOCKET_BAD) },
            onWritable: { [weak self] in self?.process(readable: ARES_SOCKET_BAD, writable: $0) })
        return self.lastNumber
    }

    private static func exchange(_ context: UnsafeMutableRawPointer?) -> DNSExchange? {
        guard let context = unsafe context else { return nil }
        return unsafe Unmanaged<DNSExchange>.fromOpaque(context).takeUnretainedValue()
    }

    private static func fail(_ code: Int32) -> Int {
        errno = code
        return -1
    }

    /// Kept for ever: c-ares keeps the pointer.
    private nonisolated(unsafe) static let functions: UnsafeMutablePointer<ares_socket_functions> = {
        let functions = UnsafeMutablePointer<ares_socket_functions>.allocate(capacity: 1)
        unsafe functions.initialize(
            to: ares_socket_functions(
                asocket: { _, type, _, context in
                    guard let exchange = unsafe DNSExchange.exchange(context) else { return ARES_SOCKET_BAD }
                    return exchange.makeSocket(isStream: type == Int32(SOCK_STREAM.rawValue))
                },
                aclose: { number, context in
                    unsafe DNSExchange.exchange(context)?.sockets.removeValue(forKey: number)?.close()
                    return 0
                },
                aconnect: { number, address, length, context in
                    guard let exchange = unsafe DNSExchange.exchange(context), let socket = exchange.sockets[number],
                        let address = unsafe address
                    else { return Int32(DNSExchange.fail(EBADF)) }
                    let peer = unsafe Array(UnsafeRawBufferPointer(start: address, count: Int(length)))
                    guard let server = unsafe DNSExchange.socketAddress(address) else {
                        return Int32(DNSExchange.fail(EAFNOSUPPORT))
                    }
                    socket.connect(to: server, peer: peer, on: exchange.eventLoop)
                    return socket.isStream ? Int32(DNSExchange.fail(EINPROGRESS)) : 0
                },
                arecvfrom: { number, octets, count, _, from, fromLength, context in
                    guard let socket = unsafe DNSExchange.exchange(context)?.sockets[number], let octets = unsafe octets
                    else { return DNSExchange.fail(EBADF) }
                    switch socket.receive(count) {
                    case .octets(let received):
                        unsafe octets.copyMemory(from: received, byteCount: received.count)
                        if let from = unsafe from, let fromLength = unsafe fromLength {
                            let size = min(socket.peer.count, Int(unsafe fromLength.pointee))
                            unsafe UnsafeMutableRawPointer(from).copyMemory(from: socket.peer, byteCount: size)
                            unsafe fromLength.pointee = socklen_t(size)
                        }
                        return received.count
                    case .nothing: return DNSExchange.fail(EAGAIN)
                    case .end: return 0
                    case .error: return DNSExchange.fail(ECONNREFUSED)
                    }
                },
                asendv: { number, vectors, count, context in
                    guard let socket = unsafe DNSExchange.exchange(context)?.sockets[number],
                        let vectors = unsafe vectors
                    else { return DNSExchange.fail(EBADF) }
                    var octets: [UInt8] = []
                    for index in 0..<Int(count) {
                        let vector = unsafe vectors[index]
                        unsafe octets += UnsafeRawBufferPointer(start: vector.iov_base, count: vector.iov_len)
                    }
                    return socket.send(octets) ? octets.count : DNSExchange.fail(EAGAIN)
                }))
        return unsafe functions
    }()

    private static func socketAddress(_ address: UnsafePointer<sockaddr>) -> SocketAddress? {
        switch Int32(unsafe address.pointee.sa_family) {
        case AF_INET:
            unsafe UnsafeRawPointer(address).withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                unsafe SocketAddress($0.pointee)
            }
        case AF_INET6:
            unsafe UnsafeRawPointer(address).withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
                unsafe SocketAddress($0.pointee)
            }
        default:
            nil
        }
    }
}
