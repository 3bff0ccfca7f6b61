/// Why a line is no command.
public enum CommandSyntaxError: UInt8, Error, Sendable {
    /// No such verb, or an empty line.
    case invalidCommand
    /// A control character, NUL, a bare CR, or an octet over 127 outside of MAIL, RCPT and VRFY.
    case invalidCharacter
    /// Over the limit of RFC 5321 section 4.5.3.1.4.
    case lineTooLong
    /// The line ended in LF alone.
    case bareLineFeed
    /// An argument is missing or wrong.
    case invalidArgument
    /// The reverse-path cannot be read.
    case badReversePath
    /// The forward-path cannot be read.
    case badForwardPath
    /// An address with octets over 127 that are not UTF-8 (RFC 6531 section 3.3).
    case invalidUTF8
    /// A parameter that no extension here has.
    case unknownParameter
    /// A parameter given twice.
    case duplicateParameter
    /// AUTH whose initial response is no base64.
    case invalidBase64
    /// BDAT whose size cannot be read: how many octets follow is not known, so nothing can be in sync any more.
    case badChunkSize
    /// The peer does not speak SMTP at all: HTTP, a TLS ClientHello, SSH and the like.
    case foreignProtocol

    /// What to answer.
    public var reply: SMTPReply {
        switch self {
        case .invalidCommand: .invalidCommand
        case .invalidCharacter: .invalidCharacter
        case .lineTooLong: .lineTooLong
        case .bareLineFeed: .bareLineFeed
        case .invalidArgument, .duplicateParameter, .badChunkSize: .invalidArgument
        case .badReversePath: .badReversePath
        case .badForwardPath: .badForwardPath
        case .invalidUTF8: .invalidUTF8
        case .unknownParameter: .unknownParameter
        case .invalidBase64: .invalidBase64
        case .foreignProtocol: .notSMTP
        }
    }

    /// Whether the channel closes behind the reply.
    public var endsSession: Bool {
        switch self {
        case .foreignProtocol, .badChunkSize: true
        case .invalidCommand, .invalidCharacter, .lineTooLong, .bareLineFeed, .invalidArgument, .badReversePath,
            .badForwardPath, .invalidUTF8, .unknownParameter, .duplicateParameter, .invalidBase64:
            false
        }
    }
}
