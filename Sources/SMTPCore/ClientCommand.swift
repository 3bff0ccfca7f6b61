/// A command to a server.
public enum ClientCommand: Hashable, Sendable {
    /// `EHLO name`.
    case ehlo(String)
    /// `HELO name`.
    case helo(String)
    /// `STARTTLS` (RFC 3207).
    case startTLS
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
}
