internal import BrokerCore
internal import BrokerIO

/// A socket that is bound and, with TCP, listening. Owns its descriptor, which is close-on-exec.
public struct Listener: ~Copyable, Sendable {
    /// What carries the listener's traffic; more may be added.
    public struct Transport: Hashable, Sendable, CustomStringConvertible {
        private let word: String

        /// A TCP listener.
        public static let tcp = Transport(word: "tcp")
        /// A UDP socket.
        public static let udp = Transport(word: "udp")

        /// `tcp` or `udp`.
        public var description: String { self.word }
    }

    /// Who gave it; more may be added.
    public struct Source: Hashable, Sendable, CustomStringConvertible {
        private let word: String

        /// The environment, LISTEN_FDS: systemd, or whoever speaks like it.
        public static let environment = Source(word: "LISTEN_FDS")
        /// postern-broker.
        public static let broker = Source(word: "broker")
        /// postern-binder, started for it.
        public static let binder = Source(word: "binder")

        /// `LISTEN_FDS`, `broker` or `binder`.
        public var description: String { self.word }
    }

    /// The name that it was asked for by.
    public let name: String
    /// Who gave it.
    public let source: Source
    /// TCP or UDP.
    public let transport: Transport
    /// The address and port that it is bound to: `192.0.2.1:25` or `[::]:25`.
    public let address: String
    /// How many connections may wait to be accepted, as the listener was made; 0 with UDP.
    ///
    /// Who calls listen(2) on the descriptor again gives this number again, or the queue shrinks for every holder.
    public let backlog: Int32
    /// The socket's number in the kernel (SO_COOKIE): that of every descriptor of the same socket, and of no other until
    /// the machine starts again. 0 where the kernel does not say.
    public let cookie: UInt64
    private let owned: Descriptor

    /// Checks and takes a descriptor; it is closed if it is no listener.
    init(name: String, source: Source, descriptor: consuming Descriptor) throws(ListenerError) {
        let isTCP: Bool
        let bound: BoundAddress
        do throws(SocketMismatch) {
            isTCP = try descriptor.transport() == .tcp
            bound = try descriptor.boundAddress()
        } catch {
            throw ListenerError(.mismatch, "check the listener \"\(name)\": \(error.text)")
        }
        self.name = name
        self.source = source
        self.transport = isTCP ? .tcp : .udp
        self.address = bound.text
        self.backlog = isTCP ? backlogOf(descriptor.rawValue) : 0
        self.cookie = cookieOf(descriptor.rawValue)
        self.owned = descriptor
    }

    /// The descriptor, which the listener goes on owning: not to be closed, nor to be used once the listener is gone.
    public var descriptor: CInt { self.owned.rawValue }

    /// Gives the descriptor up; the caller closes it.
    public consuming func releaseDescriptor() -> CInt { self.owned.release() }
}

extension BoundAddress {
    /// `192.0.2.1:25` or `[2001:db8::1]:25`.
    var text: String { "\(self.host.text):\(self.port)" }
}
