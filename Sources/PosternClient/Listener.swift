internal import BrokerCore
internal import BrokerIO
internal import CPosternSys

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

    /// The name that it was asked for by.
    public let name: String
    /// TCP or UDP.
    public let transport: Transport
    /// The address and port that it is bound to: `192.0.2.1:25` or `[::]:25`.
    public let address: String
    /// How many connections may wait to be accepted, as the listener was made; 0 with UDP.
    ///
    /// Who calls listen(2) on the descriptor again gives this number again, or the queue shrinks for every holder.
    public let backlog: Int32
    private let owned: Descriptor

    /// Checks and takes a descriptor; it is closed if it is no listener.
    init(name: String, descriptor: consuming Descriptor) throws(ListenerError) {
        let isTCP: Bool
        let bound: BoundAddress
        do throws(SocketMismatch) {
            isTCP = try descriptor.transport() == .tcp
            bound = try descriptor.boundAddress()
        } catch {
            throw ListenerError(.mismatch, "check the listener \"\(name)\": \(error.text)")
        }
        self.name = name
        self.transport = isTCP ? .tcp : .udp
        self.address = bound.text
        self.backlog = isTCP ? backlogOf(descriptor.rawValue) : 0
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
