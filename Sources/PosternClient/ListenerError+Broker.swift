internal import BrokerCore
internal import BrokerIO
internal import CPosternSys

extension ListenerError.Code {
    /// What a refusal of the broker's is here.
    init(replyCode: Int) {
        switch replyCode {
        case 403: self = .denied
        case 404: self = .missing
        case 409: self = .busy
        case 408, 429, 503: self = .unavailable
        default: self = .refused
        }
    }
}

extension ListenerError {
    /// Whether a binder may be asked instead: the broker is not there, or has nothing under a name. Whatever else it
    /// says is its verdict.
    var permitsBinder: Bool { self.code == .noBroker || self.code == .missing }

    /// A refusal, in the broker's own words.
    init(_ asked: String, replyCode: Int, _ reason: String) {
        self.init(Code(replyCode: replyCode), "\(asked): \(replyCode): \(reason)")
        self.replyCode = replyCode
    }

    /// A connection that was not made.
    init(connectingTo path: String, _ error: SystemError) {
        var cause = TextBuffer<128>()
        cause.append(errno: error.errno)
        let asked = "\(error.operation) to the broker \(path): \(cause.string)"
        switch error.errno {
        case ENOENT, ECONNREFUSED:
            self.init(.noBroker, errno: error.errno, "\(asked); is postern-broker running?")
        case EACCES:
            self.init(.system, errno: error.errno, "\(asked); may this program's user enter the folder?")
        case ETIMEDOUT:
            self.init(.timedOut, errno: error.errno, asked)
        default:
            self.init(.system, errno: error.errno, asked)
        }
    }

    /// A request that had no reply.
    init(_ asked: String, _ error: ExchangeError) {
        var cause = TextBuffer<128>()
        error.append(to: &cause)
        let code: Code =
            switch error {
            case .system(let error) where error.errno == ETIMEDOUT: .timedOut
            case .system: .system
            case .malformed: .badReply
            case .closed: .unavailable
            }
        self.init(code, errno: error.errno, "\(asked): \(cause.string)")
    }

    /// The same, of a binder that was asked because the broker had nothing.
    func after(_ broker: ListenerError?) -> ListenerError {
        // (Who runs no broker wants to hear of it only where there is no binder either.)
        guard let broker, broker.code == .missing || self.code == .notStarted else { return self }
        var both = self
        both.message += "; and before: \(broker.message)"
        return both
    }
}

extension TextBuffer {
    /// The text.
    var string: String { self.storage.span.extracting(first: self.count).string(TextRange(0, self.count)) }
}
