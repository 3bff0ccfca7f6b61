/// RCPT: one recipient of the transaction.
public struct RecipientCommand: Hashable, Sendable {
    /// When the client wants to be notified (RFC 3461 section 4.1).
    public struct Notify: OptionSet, Hashable, Sendable, BitwiseCopyable {
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
    /// ORCPT=, address type and xtext as the client wrote them: `rfc822;a+2Bb@example.net` (RFC 3461 section 4.2); of the
    /// type `utf-8` it may hold UTF-8 (RFC 6533 section 3).
    public var originalRecipient: String?

    /// Makes a RCPT command.
    public init(_ forwardPath: ForwardPath) {
        self.forwardPath = forwardPath
    }
}

extension RecipientCommand {
    /// Whether every octet is ASCII, those of ORCPT= included: without SMTPUTF8 it has to be (RFC 6531 section 3.3).
    public var isASCII: Bool {
        self.forwardPath.isASCII && self.originalRecipient?.utf8.allSatisfy { $0 < 0x80 } != false
    }

    /// Whether both are the same, octet by octet.
    public static func == (left: RecipientCommand, right: RecipientCommand) -> Bool {
        guard left.forwardPath == right.forwardPath, left.notify == right.notify else { return false }
        switch (left.originalRecipient, right.originalRecipient) {
        case (nil, nil): return true
        case (let left?, let right?): return sameOctets(left, right)
        case (nil, _?), (_?, nil): return false
        }
    }

    /// Feeds the octets, since equality goes by them.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(self.forwardPath)
        hasher.combine(self.notify)
        hasher.combineOctets(of: self.originalRecipient ?? "")
    }
}
