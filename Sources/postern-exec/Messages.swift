internal import CPosternSys

/// Why names were left to the binder.
enum Absence: UInt8 {
    case noBroker = 1
    case notStored

    /// Writes it behind a message of the binder's.
    func append(to output: inout TextBuffer<1024>) {
        output.append(self == .noBroker ? "; no broker listens at " : "; not all is with the broker at ")
        output.append(brokerPath())
    }
}

extension Obtained {
    /// Fails to get what is missing from `origin`: `get "smtp" from ORIGIN: `, and what `compose` writes.
    func failure(
        _ status: ExitStatus, _ origin: TextBuffer<128>, _ compose: (inout TextBuffer<1024>) -> Void
    ) -> Failure {
        Failure(status) {
            $0.append("get ")
            var named = 0
            for place in 0..<self.options.nameCount where self.isMissing(place) {
                named += 1
                guard named <= 4 else { continue }
                let name = self.options.name(place, self.arguments)
                $0.append(named == 1 ? "" : ", ")
                $0.append(quoted: name.storage.span, TextRange(0, name.count))
            }
            if named > 4 {
                $0.append(" and ")
                $0.append(decimal: named - 4)
                $0.append(" more")
            }
            $0.append(" from ")
            $0.append(origin)
            $0.append(": ")
            compose(&$0)
        }
    }
}

/// How the program ends where the broker answered with that code.
func exitStatus(ofCode code: Int) -> ExitStatus {
    switch code {
    case 403: .permission
    case 404, 408, 409, 429, 503, 505: .unavailable
    case 413: .usage
    default: .system
    }
}

extension ExchangeError {
    /// How the program ends: what no sound broker does, and no machine in order, is a system error.
    var exitStatus: ExitStatus {
        switch self {
        case .closed: .unavailable
        case .malformed: .system
        case .system(let error): error.errno == ETIMEDOUT ? .unavailable : .system
        }
    }
}

extension TextBuffer<1024> {
    /// Writes a failed call and its cause.
    mutating func append(_ error: SystemError) {
        self.append(error.operation)
        self.append(": ")
        self.append(errno: error.errno)
    }

    /// Writes what a refusal says: its code's meaning, its reason, and what to do.
    mutating func append(refusal grant: GrantReader, _ text: Span<UInt8>, _ options: Options) {
        switch grant.code {
        case 403: self.append("denied")
        case 404: self.append("missing")
        case 409: self.append("busy")
        default:
            self.append("refused with ")
            self.append(decimal: grant.code)
        }
        if let reason = grant.reason {
            self.append(": ")
            // (What is not printable was no packet; the rest of the line has to fit.)
            self.append(text, TextRange(reason.start, Swift.min(reason.end, reason.start + 400)))
        }
        if grant.code == 409, options.wait == nil { self.append("; --wait SECONDS waits until it is free") }
    }
}
