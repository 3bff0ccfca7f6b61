/// Why a program did not get its listeners. No listener was handed over, and nothing is left open.
public struct ListenerError: Error, CustomStringConvertible, Sendable {
    /// What kind of failure it was; more may be added.
    public struct Code: Hashable, Sendable {
        private let number: UInt8

        /// The program asked for no name, for one twice, or for one that cannot be a listener's.
        public static let badName = Code(number: 1)
        /// LISTEN_FDS and its fellows are there and contradict each other.
        public static let badEnvironment = Code(number: 2)
        /// A descriptor is not the listener that it was promised to be.
        public static let mismatch = Code(number: 3)
        /// The binder could not be started.
        public static let notStarted = Code(number: 4)
        /// The binder refused, or failed: see ``ListenerError/exitStatus`` and the message, which carries its words. Or
        /// the broker did, for a reason that none of the codes below is for: see ``ListenerError/replyCode``.
        public static let refused = Code(number: 5)
        /// The broker did not answer in time, or the binder did not end in time, and was killed.
        public static let timedOut = Code(number: 6)
        /// The broker's or the binder's answer is not PB1, or not to what it was asked.
        public static let badReply = Code(number: 7)
        /// A system call failed that should not: see ``ListenerError/errno``.
        public static let system = Code(number: 8)
        /// There is no broker: nobody listens on its socket.
        public static let noBroker = Code(number: 9)
        /// The policy does not let this program's user have a name (403).
        public static let denied = Code(number: 10)
        /// Nobody who was asked has a listener under a name (the broker: 404).
        public static let missing = Code(number: 11)
        /// Another program holds a name, and one of the two wants it for itself (409).
        public static let busy = Code(number: 12)
        /// The broker is ending, has no room, or closed the connection (408, 429, 503): later it may go well.
        public static let unavailable = Code(number: 13)
    }

    /// What kind of failure it was.
    public var code: Code
    /// The error number of the system call that failed; 0 if none did.
    public var errno: Int32
    /// The binder's exit status (sysexits: 64 usage, 69 unavailable, 71 system, 77 permission, 78 policy); nil if it was
    /// not started or could not be waited for.
    public var exitStatus: Int32?
    /// The code of the broker's reply, as docs/pb1.md lists them; nil if it did not refuse.
    public var replyCode: Int?
    /// The operation, its object, the cause, and what to do.
    public var message: String

    init(_ code: Code, errno: Int32 = 0, exitStatus: Int32? = nil, _ message: String) {
        self.code = code
        self.errno = errno
        self.exitStatus = exitStatus
        self.message = message
    }

    /// The message.
    public var description: String { self.message }
}
