/// A command that a client sent, parsed (RFC 5321 section 4.1.1).
public enum SMTPCommand: Equatable, Sendable {
    /// `HELO domain`.
    case helo(String)
    /// `EHLO domain`, or an address literal.
    case ehlo(String)
    /// `MAIL FROM:<reverse-path> [parameters]`.
    case mail(MailCommand)
    /// `RCPT TO:<forward-path>`.
    case rcpt(RecipientCommand)
    /// `DATA`.
    case data
    /// `RSET`.
    case rset
    /// `NOOP`, with any argument.
    case noop
    /// `VRFY`, whatever its argument.
    case vrfy
    /// `HELP`.
    case help
    /// `QUIT`.
    case quit
    /// `BDAT` (RFC 3030): known, because octets follow it that are no commands.
    case bdat
    /// A verb of some RFC that is not served here: EXPN, ETRN, TURN, STARTTLS, AUTH and the like.
    case unimplemented
}

/// MAIL: it opens a transaction.
public struct MailCommand: Hashable, Sendable {
    /// What BODY= says of the message (RFC 6152).
    public enum Body: String, Hashable, Sendable {
        /// Lines of US-ASCII.
        case sevenBit = "7BIT"
        /// Lines of octets.
        case eightBitMIME = "8BITMIME"
    }

    /// Where failures are to be reported.
    public var reversePath: ReversePath
    /// SIZE=, in octets, as the client estimates it (RFC 1870); nil where it did not say.
    public var size: UInt64?
    /// BODY=; nil where the client did not say.
    public var body: Body?

    /// Makes a MAIL command.
    public init(_ reversePath: ReversePath, size: UInt64? = nil, body: Body? = nil) {
        self.reversePath = reversePath
        self.size = size
        self.body = body
    }
}

/// RCPT: one recipient of the transaction.
public struct RecipientCommand: Hashable, Sendable {
    /// Whom the message is for.
    public var forwardPath: ForwardPath

    /// Makes a RCPT command.
    public init(_ forwardPath: ForwardPath) {
        self.forwardPath = forwardPath
    }
}

/// Why a line is no command, with the reply that says so.
public struct CommandSyntaxError: Error, Equatable, Sendable {
    /// What to answer.
    public var reply: SMTPReply
    /// Whether the peer is not speaking SMTP at all, and the channel should close.
    public var isForeignProtocol: Bool

    /// Makes an error with its reply.
    public init(reply: SMTPReply, isForeignProtocol: Bool = false) {
        self.reply = reply
        self.isForeignProtocol = isForeignProtocol
    }
}
