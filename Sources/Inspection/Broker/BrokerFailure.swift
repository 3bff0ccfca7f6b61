/// Why the broker did not do what it was asked to.
package struct BrokerFailure: Error, Equatable, Sendable {
    /// The operation and its object: `connect /run/postern/broker.sock`.
    package var operation: String
    /// What went wrong.
    package var cause: String
    /// What to do about it; empty if there is nothing to say.
    package var advice: String
    /// The exit status, of sysexits(3).
    package var status: UInt8
    /// PB1's code, where the broker refused.
    package var code: Int?

    /// Makes a failure.
    package init(_ operation: String, _ cause: String, advice: String = "", status: UInt8, code: Int? = nil) {
        self.operation = operation
        self.cause = cause
        self.advice = advice
        self.status = status
        self.code = code
    }

    /// `OPERATION: CAUSE; ADVICE`.
    package var message: String {
        "\(self.operation): \(self.cause)" + (self.advice.isEmpty ? "" : "; \(self.advice)")
    }

    /// A reply that is not 200 (PB1, "Codes").
    package init(_ operation: String, refusedBy reply: BrokerReply) {
        let reason = reply.value("text") ?? "it gave no reason"
        let words = "the broker refuses (\(reply.code)): \(reason)"
        let (advice, status): (String, UInt8) =
            switch reply.code {
            case 403: ("/etc/postern/sockets.conf says who may", 77)
            case 404: ("postern sockets list shows what the broker has; postern-binder NAME --store gives it more", 69)
            case 409:
                (
                    "somebody holds it, or it is stored already: postern sockets stat shows who; --replace stores anew",
                    69
                )
            case 413: ("ask for less at once", 69)
            case 415: ("give the socket that the name's line in /etc/postern/sockets.conf describes", 69)
            case 408, 429, 503: ("try again", 69)
            case 500: ("see the broker's log: journalctl -u postern-broker", 71)
            case 400, 501, 505: ("is the broker of the same version as this program?", 69)
            default: ("", 69)
            }
        let number = reply.number("errno").map { " (errno \($0))" } ?? ""
        self.init(operation, words + number, advice: advice, status: status, code: reply.code)
    }
}
