internal import CPosternSys

/// The service manager, where there is one: sd_notify(3), its descriptor store and its watchdog, without its library.
/// What it was told is a datagram that it may read later; only a barrier says that it did.
struct Manager: ~Copyable {
    /// Connected to the manager; negative where there is none.
    private let socket: Descriptor
    /// How many descriptors it keeps for us; 0 if it keeps none.
    let storeLimit: Int
    /// Half of the watchdog's time, in milliseconds; 0 if there is no watchdog.
    let watchdogInterval: Int

    /// Reads NOTIFY_SOCKET, FDSTORE, WATCHDOG_USEC and WATCHDOG_PID, and connects.
    init() throws(Failure) {
        let socket = try Self.connect()
        let isThere = socket.rawValue >= 0
        self.socket = socket
        self.storeLimit = isThere ? Self.number("FDSTORE") : 0
        let watched = Self.number("WATCHDOG_PID")
        let isOurs = watched == 0 || watched == Int(getpid())
        self.watchdogInterval = isThere && isOurs ? Self.number("WATCHDOG_USEC") / 2000 : 0
    }

    private static func number(_ variable: StaticString) -> Int {
        guard let value = unsafe getenv(variable.cString) else { return 0 }
        var text = TextBuffer<32>()
        unsafe text.append(cString: value)
        return Int(text.storage.span.decimal(at: TextRange(0, text.count), upTo: UInt64(Int32.max) * 1000) ?? 0)
    }

    private static func connect() throws(Failure) -> Descriptor {
        guard let value = unsafe getenv(("NOTIFY_SOCKET" as StaticString).cString) else {
            return Descriptor(owning: -1)
        }
        var path = TextBuffer<128>()
        unsafe path.append(cString: value)
        var address = sockaddr_un()
        let first = path.storage[0]
        guard first == UInt8(ascii: "/") || first == UInt8(ascii: "@"), 2...107 ~= path.count else {
            throw Failure(.configuration, "NOTIFY_SOCKET: neither a path nor an abstract name, of 107 bytes at most")
        }
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { target in
            unsafe path.storage.span.extracting(first: path.count).withUnsafeBytes {
                unsafe target.copyMemory(from: $0)
            }
            if first == UInt8(ascii: "@") { unsafe target[0] = 0 }
        }
        let socket = Descriptor(
            owning: CPosternSys.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0))
        guard socket.rawValue >= 0 else { throw Failure(SystemError("socket")) }
        // An abstract name ends where it ends: a length beyond it would be another name. (sun_path is at offset 2.)
        let length = socklen_t(2 + path.count + (first == UInt8(ascii: "/") ? 1 : 0))
        let result = unsafe withUnsafeBytes(of: &address) { bytes in
            unsafe cpostern_connect(socket.rawValue, bytes.baseAddress, length)
        }
        guard result == 0 else { throw Failure(SystemError("connect to NOTIFY_SOCKET")) }
        return socket
    }

    /// Tells the manager; nothing happens where there is none. Returns whether it was sent.
    func notify(_ text: TextBuffer<256>, with descriptors: InlineArray<8, Int32>, count: Int) -> Bool {
        let socket = self.socket.rawValue
        guard socket >= 0 else { return false }
        let sent = unsafe text.storage.span.withUnsafeBytes { bytes in
            unsafe descriptors.span.withUnsafeBufferPointer { numbers in
                unsafe cpostern_send(
                    socket, bytes.baseAddress, text.count, numbers.baseAddress, Int32(count), Int32(MSG_DONTWAIT))
            }
        }
        return sent == text.count
    }

    /// Tells the manager a fixed text.
    func notify(_ text: StaticString) {
        var buffer = TextBuffer<256>()
        buffer.append(text)
        _ = self.notify(buffer, with: InlineArray(repeating: -1), count: 0)
    }

    /// Tells the manager that a reload begins, and when; READY=1 ends it.
    func notifyReloading() {
        var now = timespec()
        guard unsafe clock_gettime(CLOCK_MONOTONIC, &now) == 0 else { return }
        var text = TextBuffer<256>()
        text.append("RELOADING=1\nMONOTONIC_USEC=")
        text.append(decimal: now.tv_sec * 1_000_000 + now.tv_nsec / 1000)
        _ = self.notify(text, with: InlineArray(repeating: -1), count: 0)
    }

    /// Puts descriptors into the store. FDPOLL=0: one that hangs up for a moment must not be thrown out.
    func store(_ name: TextBuffer<64>, _ descriptors: InlineArray<8, Int32>, count: Int) -> Bool {
        var text = TextBuffer<256>()
        text.append("FDSTORE=1\nFDPOLL=0\nFDNAME=")
        text.append(name)
        return self.notify(text, with: descriptors, count: count)
    }

    /// Takes every descriptor of that name out of the store.
    func removeStored(_ name: TextBuffer<64>) {
        guard self.storeLimit > 0 else { return }
        var text = TextBuffer<256>()
        text.append("FDSTOREREMOVE=1\nFDNAME=")
        text.append(name)
        _ = self.notify(text, with: InlineArray(repeating: -1), count: 0)
    }

    /// Asks for a sign that everything sent so far was read: the descriptor hangs up then. Nil if it cannot be asked.
    func barrier() -> Descriptor? {
        var ends: InlineArray<2, Int32> = [-1, -1]
        let result = unsafe withUnsafeMutableBytes(of: &ends) { ends in
            unsafe cpostern_pipe(ends.assumingMemoryBound(to: Int32.self).baseAddress)
        }
        guard result == 0 else { return nil }
        let first = Descriptor(owning: ends[0])
        let second = Descriptor(owning: ends[1])
        var text = TextBuffer<256>()
        text.append("BARRIER=1")
        var descriptors = InlineArray<8, Int32>(repeating: -1)
        descriptors[0] = second.rawValue
        guard self.notify(text, with: descriptors, count: 1) else { return nil }
        return first
    }
}
