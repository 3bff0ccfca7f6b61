/// Why a session with a server cannot go on.
public struct ClientSessionError: Error, Hashable, Sendable {
    /// What happened.
    public enum Code: UInt8, Sendable {
        /// The server greeted with something else than 220, or refused EHLO and HELO.
        case refusedSession
        /// The server said 421: it is going away (RFC 5321 section 3.8).
        case serviceClosing
        /// A reply that the command cannot have, or one that nothing asked for.
        case unexpectedReply
        /// A reply came before the message was whole.
        case earlyReply
        /// The server offers no STARTTLS, or refused it, where the session may not go on in clear.
        case noTLS
    }

    /// What happened.
    public var code: Code
    /// The server's reply.
    public var reply: SMTPReply

    /// Makes an error of what happened and the reply that it happened with.
    public init(code: Code, reply: SMTPReply) {
        self.code = code
        self.reply = reply
    }
}
