/// Why a message may not pass.
public enum MessageRefusal: UInt8, Hashable, Sendable {
    /// A bare CR or LF, where the policy has none.
    case bareLineEndInMessage
    /// A NUL, where the policy has none.
    case nulInMessage
    /// A line over the policy's limit.
    case messageLineTooLong
    /// More Received fields than the policy's limit (RFC 5321 section 6.3).
    case routingLoop
    /// More octets than the limit (RFC 1870).
    case messageTooBig

    /// What to answer.
    public var reply: SMTPReply {
        switch self {
        case .bareLineEndInMessage: .bareLineEndInMessage
        case .nulInMessage: .nulInMessage
        case .messageLineTooLong: .messageLineTooLong
        case .routingLoop: .routingLoop
        case .messageTooBig: .messageTooBig
        }
    }
}
