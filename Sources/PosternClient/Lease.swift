internal import BrokerIO

/// What a program holds of the broker's listeners, and for how long: until the last copy of this connection is closed.
///
/// The listeners themselves work without it. What ends with it is the broker's knowledge that somebody uses them: an
/// exclusive name becomes free for the next program, and `postern status` warns of a port that nobody serves. So a
/// program keeps the lease for as long as it accepts.
///
/// The connection is close-on-exec. A child of fork(2) has a copy of it, and holds the lease as well as its parent does; a
/// program that is exec'd instead of this one gets it only if close-on-exec is cleared on ``descriptor`` before.
///
/// When the broker ends, the connection does: ``descriptor`` becomes readable, and ``isHeld`` false. The listeners go on
/// working; the program calls ``renew(wait:timeout:)``, again and again with a pause between, until the broker is back.
///
/// ```swift
/// if !lease.isHeld {
///     var others = try lease.renew()      // Other sockets than this program has; mostly none.
///     while let listener = try others.takeFirst() { … }
/// }
/// ```
public struct Lease: ~Copyable, Sendable {
    /// With whom the names may be shared; more may be added.
    public struct Mode: Hashable, Sendable, CustomStringConvertible {
        private let word: String

        /// Whoever the policy lets have them may hold them too: for workers, and for an upgrade without a gap.
        public static let shared = Mode(word: "shared")
        /// Nobody else may hold them at the same time.
        public static let exclusive = Mode(word: "exclusive")

        /// `shared` or `exclusive`.
        public var description: String { self.word }
    }

    /// The names that are held, in the order in which they were asked for.
    public private(set) var names: [String] = []
    /// With whom they are shared.
    public let mode: Mode
    private var held = HeldSockets()
    private var session: BrokerSession

    /// Takes over a session on which nothing has been granted yet.
    init(_ session: consuming BrokerSession, mode: Mode) {
        self.mode = mode
        self.session = session
    }

    /// What the broker calls its present run, 16 hexadecimal digits: another after each start.
    public var generation: String { self.session.generation }

    /// The connection, close-on-exec, which the lease goes on owning: for poll(2). Nothing is to be read from it, and
    /// whenever it is readable, the lease has ended.
    public var descriptor: CInt { self.session.descriptor }

    /// Whether the broker still knows of the lease, as far as the connection shows at this moment. Does not block.
    public var isHeld: Bool { self.session.isOpen }

    /// The sockets that the names stand for, as ``Listener/cookie`` has them: what a program got under one of the names
    /// and is not among these, the broker has replaced.
    public var cookies: [UInt64] { self.held.sockets.map(\.cookie) }

    /// Gives the connection up, and with it the lease; the caller closes it.
    public consuming func releaseDescriptor() -> CInt { self.session.releaseDescriptor() }

    /// Asks for more names on the same connection, in the same mode; all or none. Blocks.
    ///
    /// - Parameters:
    ///   - names: names of /etc/postern/sockets.conf, each once, 32 at most.
    ///   - wait: how long the broker may wait until each can be granted, 60 s at most.
    ///   - timeout: how long the broker may take otherwise.
    /// - Returns: their listeners; the lease on them is this one.
    /// - Throws: ``ListenerError``; then the lease is as it was, unless the connection has ended.
    public mutating func add(
        _ names: [String], wait: Duration = .zero, timeout: Duration = .seconds(10)
    ) throws(ListenerError) -> Listeners {
        try Listeners.checkNames(names)
        return try self.add(names, wait: wait, until: .now + timeout)
    }

    mutating func add(
        _ names: [String], wait: Duration, until deadline: ContinuousClock.Instant
    ) throws(ListenerError) -> Listeners {
        let listeners = try self.session.get(names, mode: self.mode, wait: wait, until: deadline)
        self.names += names.filter { !self.names.contains($0) }
        self.held.grant(listeners.sockets, for: names)
        return listeners
    }

    /// Gives some names back, before the end. Their listeners are to be closed by whoever has them. Blocks.
    ///
    /// - Parameters:
    ///   - names: some of ``names``.
    ///   - timeout: how long the broker may take.
    /// - Throws: ``ListenerError``, of code ``ListenerError/Code/missing`` where one is not held; then all of them still
    ///   are, unless the connection has ended.
    public mutating func release(_ names: [String], timeout: Duration = .seconds(10)) throws(ListenerError) {
        try Listeners.checkNames(names)
        try self.session.release(names, until: .now + timeout)
        self.names.removeAll { names.contains($0) }
        self.held.release(names)
    }

    /// Gets the lease anew, after the broker has ended or closed the connection: on a new one, to the same names, in the
    /// same mode. Where the connection is well, the names are asked for again on it: so a program learns of sockets that
    /// have been replaced. Blocks.
    ///
    /// The listeners that the program has stay in use. What the broker hands out again is compared with them
    /// (SO_COOKIE): descriptors of the same sockets are closed, and only those of others are returned, mostly none. With
    /// them ``cookies`` says which of the old ones are not the broker's any more.
    ///
    /// - Parameters:
    ///   - wait: how long the broker may wait until every name can be granted, 60 s at most: another program may have
    ///     taken an exclusive one meanwhile.
    ///   - timeout: how long the broker may take otherwise, from connecting on.
    /// - Returns: listeners of sockets that this lease has not handed out.
    /// - Throws: ``ListenerError``; then the lease is as it was, and this may be called again.
    public mutating func renew(
        wait: Duration = .zero, timeout: Duration = .seconds(10)
    ) throws(ListenerError) -> Listeners {
        let deadline = ContinuousClock.now + timeout
        if !self.session.isOpen {
            let session = try Broker(path: self.session.path).connect(until: deadline)
            guard !self.names.isEmpty else {
                self.session = session
                return Listeners()
            }
            let listeners = try session.get(self.names, mode: self.mode, wait: wait, until: deadline)
            // Only now: a failure leaves an ended connection behind, by which the next call knows.
            self.session = session
            return self.held.others(in: listeners, for: self.names)
        }
        guard !self.names.isEmpty else { return Listeners() }
        let listeners = try self.session.get(self.names, mode: self.mode, wait: wait, until: deadline)
        return self.held.others(in: listeners, for: self.names)
    }
}

/// The sockets that a lease has handed out, by name and SO_COOKIE.
struct HeldSockets: Sendable {
    /// One of them.
    struct Socket: Equatable, Sendable {
        var name: String
        /// 0 where the kernel does not say: then it is equal to no other.
        var cookie: UInt64
    }

    private(set) var sockets: [Socket] = []

    /// Notes what was granted for `names`, in place of what was under them.
    ///
    /// - Returns: for each whether it is another socket than those that were handed out before.
    @discardableResult
    mutating func grant(_ granted: [Socket], for names: [String]) -> [Bool] {
        let isOther = granted.map { $0.cookie == 0 || !self.sockets.contains($0) }
        self.sockets.removeAll { names.contains($0.name) }
        self.sockets += granted
        return isOther
    }

    /// Forgets the names.
    mutating func release(_ names: [String]) { self.sockets.removeAll { names.contains($0.name) } }

    /// The same with their listeners: closes those of sockets that were handed out before, and returns the others.
    fileprivate mutating func others(in listeners: consuming Listeners, for names: [String]) -> Listeners {
        let isOther = self.grant(listeners.sockets, for: names)
        var listeners = listeners
        listeners.keep(only: isOther)
        return listeners
    }
}
