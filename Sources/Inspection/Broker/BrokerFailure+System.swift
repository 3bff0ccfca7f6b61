internal import BrokerIO
internal import CPosternSys

extension BrokerFailure {
    /// The broker could not be connected to.
    init(_ operation: String, _ error: SystemError) {
        let doctor = "postern doctor says more"
        let (cause, advice, status): (String, String, UInt8) =
            switch error.errno {
            case ENOENT:
                ("no broker there", "is postern-broker running? systemctl status postern-broker; \(doctor)", 69)
            case ECONNREFUSED:
                (
                    "the socket is there, but nobody listens",
                    "start postern-broker again: systemctl status postern-broker; \(doctor)", 69
                )
            case EACCES:
                (Unreadable(errno: error.errno).text, "the socket and its folder have to let you in; \(doctor)", 77)
            case ETIMEDOUT: ("the broker does not answer", "see its log: journalctl -u postern-broker", 69)
            case EPROTOTYPE: ("not a socket of postern-broker's", "look who listens there: ss -lxp", 69)
            case ENAMETOOLONG: ("the path is longer than 107 bytes", "", 64)
            default: ("\(error.operation): \(Unreadable(errno: error.errno).text)", doctor, 71)
            }
        self.init(operation, cause, advice: advice, status: status)
    }

    /// There was no reply, or none that can be read.
    init(_ operation: String, _ error: ExchangeError) {
        switch error {
        case .system(let error) where error.errno == EPERM:
            // (The kernel's own words for descriptors that the broker does not want, since Linux 6.16.)
            self.init(operation, "the broker takes no descriptors from here", status: 77)
        case .system(let error): self.init(operation, error)
        case .malformed, .closed:
            self.init(
                operation, String(writing: { error.append(to: &$0) }),
                advice: "see its log: journalctl -u postern-broker",
                status: 69)
        }
    }
}
