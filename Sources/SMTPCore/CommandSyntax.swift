/// A command as its line has it: which one, and where in the line its parts stand.
///
/// A trivial value, made without the heap; ``SMTPCommand/init(_:in:)`` makes the command that can leave its line behind.
public enum CommandSyntax: Hashable, Sendable, BitwiseCopyable {
    /// `HELO domain`.
    case helo(LineRange)
    /// `EHLO domain`, or an address literal.
    case ehlo(LineRange)
    /// `MAIL FROM:<reverse-path> [parameters]`.
    case mail(MailSyntax)
    /// `RCPT TO:<forward-path> [parameters]`.
    case rcpt(RecipientSyntax)
    /// `DATA`.
    case data
    /// `BDAT size [LAST]`.
    case bdat(size: UInt64, isLast: Bool)
    /// `RSET`.
    case rset
    /// `NOOP`, with any argument.
    case noop
    /// `VRFY`, whatever its argument.
    case vrfy
    /// `HELP`, with any argument.
    case help
    /// `QUIT`.
    case quit
    /// `STARTTLS`.
    case startTLS
    /// `AUTH mechanism [initial-response]`.
    case auth(mechanism: LineRange, initialResponse: LineRange?)
    /// A verb of some RFC that is not served here.
    case unimplemented
}

/// A path as its line has it.
public struct PathSyntax: Hashable, Sendable, BitwiseCopyable {
    /// What stands in a path.
    public enum Kind: UInt8, Sendable, BitwiseCopyable {
        /// `<>`.
        case null
        /// `<Postmaster>`, without a domain.
        case postmaster
        /// A mailbox.
        case mailbox
    }

    /// What stands in the path.
    public let kind: Kind
    /// The mailbox, without angle brackets and source route; empty for the null reverse-path.
    public let mailbox: LineRange
    /// The offset of the mailbox's `@` in the line; of no meaning where there is none.
    public let at: UInt16
    /// Whether every octet of the mailbox is ASCII.
    public let isASCII: Bool
}

/// MAIL as its line has it; ``MailCommand`` says what the parts mean.
public struct MailSyntax: Hashable, Sendable, BitwiseCopyable {
    /// Where failures are to be reported.
    public var reversePath: PathSyntax
    /// SIZE=.
    public var size: UInt64?
    /// BODY=.
    public var body: MailCommand.Body?
    /// SMTPUTF8.
    public var usesSMTPUTF8 = false
    /// RET=.
    public var returnContent: MailCommand.ReturnContent?
    /// ENVID='s value, in xtext.
    public var envelopeID: LineRange?
    /// AUTH='s value, in xtext.
    public var authorization: LineRange?

    /// Makes MAIL without parameters.
    init(_ reversePath: PathSyntax) {
        self.reversePath = reversePath
    }

    /// Whether every octet is ASCII.
    public var isASCII: Bool { self.reversePath.isASCII }
}

/// RCPT as its line has it; ``RecipientCommand`` says what the parts mean.
public struct RecipientSyntax: Hashable, Sendable, BitwiseCopyable {
    /// Whom the message is for.
    public var forwardPath: PathSyntax
    /// NOTIFY=.
    public var notify: RecipientCommand.Notify?
    /// ORCPT='s value.
    public var originalRecipient: LineRange?

    /// Makes RCPT without parameters.
    init(_ forwardPath: PathSyntax) {
        self.forwardPath = forwardPath
    }
}
