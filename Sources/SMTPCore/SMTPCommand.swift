/// A command that a client sent, parsed (RFC 5321 section 4.1.1).
public enum SMTPCommand: Equatable, Sendable {
    /// `HELO domain`.
    case helo(String)
    /// `EHLO domain`, or an address literal.
    case ehlo(String)
    /// `MAIL FROM:<reverse-path> [parameters]`.
    case mail(MailCommand)
    /// `RCPT TO:<forward-path> [parameters]`.
    case rcpt(RecipientCommand)
    /// `DATA`.
    case data
    /// `BDAT size [LAST]` (RFC 3030): so many octets of the message follow the line.
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
    /// `STARTTLS` (RFC 3207).
    case startTLS
    /// `AUTH mechanism [initial-response]` (RFC 4954).
    case auth(AuthCommand)
    /// A verb of some RFC that is not served here: EXPN, ETRN, TURN, SEND and the like.
    case unimplemented
}

/// AUTH: a SASL exchange begins (RFC 4954 section 4).
public struct AuthCommand: Equatable, Sendable {
    /// The mechanism's name, in upper case.
    public var mechanism: String
    /// The initial response in base64, as the client wrote it; `=` stands for an empty one. Nil where there is none.
    public var initialResponse: Secret?

    /// Makes an AUTH command.
    public init(mechanism: String, initialResponse: Secret? = nil) {
        self.mechanism = mechanism
        self.initialResponse = initialResponse
    }
}
