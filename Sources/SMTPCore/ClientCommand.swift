/// A command to a server.
public enum ClientCommand: Hashable, Sendable {
    /// `EHLO name`.
    case ehlo(String)
    /// `HELO name`.
    case helo(String)
    /// `STARTTLS` (RFC 3207).
    case startTLS
    /// `XCLIENT`, with attributes of a client.
    case xclient([ClientAttribute])
    /// `XFORWARD`, with attributes of a client.
    case xforward([ClientAttribute])
    /// `AUTH mechanism`, with an initial response or without (RFC 4954 section 4).
    case auth(String, SASLResponse?)
    /// A line in a SASL exchange.
    case response(SASLResponse)
    /// `RSET`.
    case rset
    /// `MAIL FROM:`, with the parameters that the server knows.
    case mail(MailCommand)
    /// `RCPT TO:`, with the parameters that the server knows.
    case rcpt(RecipientCommand)
    /// `DATA`.
    case data
    /// `QUIT`.
    case quit

    /// Whether a password may be in it.
    public var isConfidential: Bool {
        switch self {
        case .auth, .response: true
        case .ehlo, .helo, .startTLS, .xclient, .xforward, .rset, .mail, .rcpt, .data, .quit: false
        }
    }
}
