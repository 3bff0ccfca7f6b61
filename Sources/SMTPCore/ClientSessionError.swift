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
        /// The server did not announce what it was to be told with: XCLIENT, XFORWARD or AUTH. It was not asked, and the
        /// reply is none of its own.
        case notAnnounced
        /// The server refused XCLIENT or XFORWARD: this relay may not speak for others there.
        case refusedIntroduction
        /// The server refused the client that it was told of, in its reply to the client's own greeting.
        case refusedClient
        /// The server refused AUTH.
        case refusedAuthentication
    }

    /// What happened.
    public var code: Code
    /// The server's reply; ours where it was not asked.
    public var reply: SMTPReply

    /// Makes an error of what happened and the reply that it happened with.
    public init(code: Code, reply: SMTPReply) {
        self.code = code
        self.reply = reply
    }
}
