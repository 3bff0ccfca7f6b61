// The replies that a server of ours gives of its own accord. Their texts are nginx's where nginx has such a reply, so
// that who replaces its mail proxy sees the same words.

extension SMTPReply {
    /// `250 2.0.0 OK`.
    public static let ok = SMTPReply(250, .init(2, 0, 0), "OK")
    /// `221 2.0.0 Bye`, then the channel closes (RFC 5321 section 4.1.1.10).
    public static let bye = SMTPReply(221, .init(2, 0, 0), "Bye")
    /// `354`: the message may come.
    public static let startMailInput = SMTPReply(354, nil, "End data with <CR><LF>.<CR><LF>")
    /// `252`: VRFY tells nothing (RFC 5321 section 7.3).
    public static let cannotVerify = SMTPReply(252, .init(2, 0, 0), "Cannot VRFY user, but will accept message")
    /// `214`: HELP.
    public static let help = SMTPReply(214, .init(2, 0, 0), "See RFC 5321")
    /// `500 5.5.1`: no such verb.
    public static let invalidCommand = SMTPReply(500, .init(5, 5, 1), "Invalid command")
    /// `500 5.5.2`: a line over the limit.
    public static let lineTooLong = SMTPReply(500, .init(5, 5, 2), "Line too long")
    /// `500 5.5.2`: a line with a control character, NUL, a bare CR or an octet over 127 in it.
    public static let invalidCharacter = SMTPReply(500, .init(5, 5, 2), "Invalid character in command")
    /// `500 5.5.2`: a line that ended in LF alone (RFC 5321 section 2.3.8).
    public static let bareLineFeed = SMTPReply(500, .init(5, 5, 2), "Lines end in CRLF")
    /// `501 5.5.4`: an argument is missing or wrong.
    public static let invalidArgument = SMTPReply(501, .init(5, 5, 4), "Invalid argument")
    /// `501 5.5.2`: an initial response that is no base64 (RFC 4954 section 4).
    public static let invalidBase64 = SMTPReply(501, .init(5, 5, 2), "Invalid base64 data")
    /// `502 5.5.1`: a verb that is known and not served.
    public static let notImplemented = SMTPReply(502, .init(5, 5, 1), "Command not implemented")
    /// `503 5.5.1`: not now.
    public static let badSequence = SMTPReply(503, .init(5, 5, 1), "Bad sequence of commands")
    /// `501 5.1.7`: the reverse-path cannot be read.
    public static let badReversePath = SMTPReply(501, .init(5, 1, 7), "Bad sender address syntax")
    /// `501 5.1.3`: the forward-path cannot be read.
    public static let badForwardPath = SMTPReply(501, .init(5, 1, 3), "Bad recipient address syntax")
    /// `501 5.6.7`: octets over 127 that are not UTF-8 (RFC 6531 section 3.3).
    public static let invalidUTF8 = SMTPReply(501, .init(5, 6, 7), "Invalid UTF-8 in address")
    /// `555 5.5.4`: a parameter that EHLO did not offer (RFC 5321 section 4.1.1.11).
    public static let unknownParameter = SMTPReply(555, .init(5, 5, 4), "Parameter not recognized")
    /// `554 5.5.1`: DATA, though every recipient was refused (RFC 5321 section 3.3).
    public static let noValidRecipients = SMTPReply(554, .init(5, 5, 1), "No valid recipients")
    /// `552 5.3.4`: the message is over the limit (RFC 1870).
    public static let messageTooBig = SMTPReply(552, .init(5, 3, 4), "Message size exceeds fixed limit")
    /// `452 4.5.3`: over the limit of recipients (RFC 5321 section 4.5.3.1.10).
    public static let tooManyRecipients = SMTPReply(452, .init(4, 5, 3), "Too many recipients")
    /// `452 4.5.3`: this recipient goes elsewhere than those before it.
    public static let oneDestination = SMTPReply(
        452, .init(4, 5, 3), "One destination per transaction: send this recipient a copy of its own")
    /// `421 4.7.0`: too many errors, then the channel closes.
    public static let tooManyErrors = SMTPReply(421, .init(4, 7, 0), "Too many errors")
    /// `421 4.7.0`: enough transactions on one connection, then the channel closes.
    public static let tooManyTransactions = SMTPReply(421, .init(4, 7, 0), "Too many transactions, connect again")
    /// `421 4.4.2`: the client was silent for too long, then the channel closes.
    public static let timeout = SMTPReply(421, .init(4, 4, 2), "Timeout, closing connection")
    /// `421 4.3.2`: the server stops, then the channel closes.
    public static let shuttingDown = SMTPReply(421, .init(4, 3, 2), "Service shutting down, try again")
    /// `421 4.3.2`: over the limit of connections, then the channel closes.
    public static let tooManyConnections = SMTPReply(421, .init(4, 3, 2), "Too many connections, try again")
    /// `521 5.5.1`: whoever this is does not speak SMTP (RFC 7504), then the channel closes.
    public static let notSMTP = SMTPReply(521, .init(5, 5, 1), "This is an SMTP server")
    /// `503 5.5.1`: BDAT behind HELO, which offered no CHUNKING.
    public static let chunkingNotOffered = SMTPReply(503, .init(5, 5, 1), "CHUNKING not offered")
    /// `250 2.0.0`: a chunk has come, and is not the last.
    public static let chunkReceived = SMTPReply(250, .init(2, 0, 0), "Chunk received")
    /// `554 5.5.0`: input behind a command whose reply the client had to wait for, then the channel closes.
    public static let earlyInput = SMTPReply(554, .init(5, 5, 0), "SMTP protocol synchronization error")
    /// `503 5.5.0`: input in front of a greeting that waits, then the channel closes. The words are nginx's.
    public static let earlyTalker = SMTPReply(503, .init(5, 5, 0), "Improper use of SMTP command pipelining")
    /// `554 5.7.1`: the greeting of a server that does not serve this client (RFC 5321 section 3.1).
    public static let noService = SMTPReply(554, .init(5, 7, 1), "No SMTP service for you here")
    /// `553 5.6.7`: an address that is not ASCII, without SMTPUTF8 (RFC 6531 section 3.5).
    public static let addressNotASCII = SMTPReply(
        553, .init(5, 6, 7), "Address is not ASCII, and SMTPUTF8 was not asked for")
    /// `220 2.0.0`: TLS begins (RFC 3207).
    public static let readyForTLS = SMTPReply(220, .init(2, 0, 0), "Start TLS")
    /// `530 5.7.0`: nothing is served in clear (RFC 3207 section 4).
    public static let mustStartTLS = SMTPReply(530, .init(5, 7, 0), "Must issue a STARTTLS command first")
    /// `454 4.7.0`: TLS cannot begin now (RFC 3207 section 4).
    public static let tlsUnavailable = SMTPReply(454, .init(4, 7, 0), "TLS not available now")
    /// `504 5.5.4`: a mechanism that was not announced (RFC 4954 section 4).
    public static let mechanismNotSupported = SMTPReply(504, .init(5, 5, 4), "Mechanism not supported")
    /// `421 4.7.1`: the client's certificate is not to be trusted, then the channel closes.
    public static let clientCertificateError = SMTPReply(421, .init(4, 7, 1), "SSL certificate error")
    /// `421 4.7.1`: the client showed no certificate, then the channel closes.
    public static let noClientCertificate = SMTPReply(421, .init(4, 7, 1), "No required SSL certificate")
    /// `501 5.7.0`: the client sent `*` (RFC 4954 section 4).
    public static let authenticationCancelled = SMTPReply(501, .init(5, 7, 0), "Authentication cancelled")
}

// Why a message is refused at its end.
extension SMTPReply {
    /// `554 5.6.0`: CR or LF alone, where neither may be (RFC 5321 section 2.3.8).
    public static let bareLineEndInMessage = SMTPReply(554, .init(5, 6, 0), "Bare CR or LF in message")
    /// `554 5.6.0`: a NUL, where none may be.
    public static let nulInMessage = SMTPReply(554, .init(5, 6, 0), "NUL in message")
    /// `554 5.6.0`: a line of the message is over the limit (RFC 5321 section 4.5.3.1.6).
    public static let messageLineTooLong = SMTPReply(554, .init(5, 6, 0), "Line too long")
    /// `554 5.4.6`: too many `Received:` fields (RFC 5321 section 6.3).
    public static let routingLoop = SMTPReply(554, .init(5, 4, 6), "Routing loop detected")
}
