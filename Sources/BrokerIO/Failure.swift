#if !hasFeature(Embedded)
package import BrokerCore
#endif

/// How one of the small programs ends, as in sysexits.h.
package enum ExitStatus: UInt8 {
    /// The command line is wrong.
    case usage = 64
    /// Something that is needed is not there: a port, an address, a peer.
    case unavailable = 69
    /// A system call failed that should not.
    case system = 71
    /// The caller may not do this.
    case permission = 77
    /// The policy is wrong.
    case configuration = 78
}

/// Why one of the small programs ends: a status, and one line for standard error.
package struct Failure: Error {
    /// The exit status.
    package let status: ExitStatus
    /// The message.
    package private(set) var message = TextBuffer<768>()

    /// Makes a failure whose message `compose` writes, without the program's name and without the line end.
    package init(_ status: ExitStatus, _ compose: (inout TextBuffer<768>) -> Void) {
        self.status = status
        compose(&self.message)
    }

    /// Makes a failure with a fixed message.
    package init(_ status: ExitStatus, _ text: StaticString) {
        self.init(status) { $0.append(text) }
    }

    /// Makes a failure of a system call, which nobody has any use for but the message: `OPERATION: CAUSE`.
    package init(_ error: SystemError) {
        self.init(.system) {
            $0.append(error.operation)
            $0.append(": ")
            $0.append(errno: error.errno)
        }
    }
}
