/// RCPT: one recipient of the transaction.
public struct RecipientCommand: Hashable, Sendable {
    /// When the client wants to be notified (RFC 3461 section 4.1).
    public struct Notify: OptionSet, Hashable, Sendable {
        /// A bit for each condition; none is NEVER.
        public let rawValue: UInt8
        /// Makes a set of its bits.
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// SUCCESS.
        public static let success = Notify(rawValue: 1)
        /// FAILURE.
        public static let failure = Notify(rawValue: 2)
        /// DELAY.
        public static let delay = Notify(rawValue: 4)
    }

    /// Whom the message is for.
    public var forwardPath: ForwardPath
    /// NOTIFY=; empty for NEVER, nil where the client did not say.
    public var notify: Notify?
    /// ORCPT=, address type and xtext as the client wrote them: `rfc822;a+2Bb@example.net` (RFC 3461 section 4.2).
    public var originalRecipient: String?

    /// Makes a RCPT command.
    public init(_ forwardPath: ForwardPath) {
        self.forwardPath = forwardPath
    }
}
