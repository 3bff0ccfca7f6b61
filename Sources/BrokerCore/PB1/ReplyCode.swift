/// The code of a PB1 reply.
package enum ReplyCode: UInt16, Sendable {
    case ok = 200
    case malformed = 400
    case denied = 403
    case missing = 404
    case slow = 408
    case busy = 409
    case tooBig = 413
    case mismatch = 415
    case tooMany = 429
    case `internal` = 500
    case unknownVerb = 501
    case draining = 503
    case version = 505

    /// The word behind the code, for people.
    package var word: StaticString {
        switch self {
        case .ok: "OK"
        case .malformed: "MALFORMED"
        case .denied: "DENIED"
        case .missing: "MISSING"
        case .slow: "SLOW"
        case .busy: "BUSY"
        case .tooBig: "TOO-BIG"
        case .mismatch: "MISMATCH"
        case .tooMany: "TOO-MANY"
        case .internal: "INTERNAL"
        case .unknownVerb: "UNKNOWN-VERB"
        case .draining: "DRAINING"
        case .version: "VERSION"
        }
    }
}
