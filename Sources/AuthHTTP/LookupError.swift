/// Why a lookup gave no verdict; the client's answer is a 451 each time, never a 5xx.
package struct LookupError: Error, Equatable, Sendable {
    /// The kind of failure: for a metric's label, and to tell cases apart.
    package struct Code: Hashable, Sendable, CustomStringConvertible {
        /// No connection could be made.
        package static let refused = Code("refused")
        /// The answer's headers were not complete in time.
        package static let timedOut = Code("timed-out")
        /// What came is no answer of the protocol, or too long.
        package static let malformed = Code("malformed")
        /// The server closed the connection before its headers were complete.
        package static let closed = Code("closed")
        /// The server said WAIT for longer than it may.
        package static let waitedTooLong = Code("waited-too-long")
        /// A value of the request could forge a header; nothing was sent.
        package static let forbiddenOctet = Code("forbidden-octet")
        /// The answer names a server that it may not name: `allow` does not have it, or it is this relay.
        package static let forbiddenServer = Code("forbidden-server")
        /// The answer names a server by a name that has no address.
        package static let unknownServer = Code("unknown-server")
        /// The client was shut down.
        package static let shutDown = Code("shut-down")

        /// The name, for a metric's label.
        package let description: String
        private init(_ name: String) { self.description = name }
    }

    /// The kind of failure.
    package var code: Code
    /// What failed, on which server, in one line: without octets of the request or the answer.
    package var message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }
}

extension LookupError: CustomStringConvertible {
    /// The code and the message.
    package var description: String { "\(self.code): \(self.message)" }
}
