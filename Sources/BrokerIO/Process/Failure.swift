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

/// Why one of the small programs ends. It says so on standard error when it is made, in one line, and is itself no more
/// than the exit status: a message that is passed on is copied, inlined, at every `throws` on its way (60 KB of program).
package struct Failure: Error {
    /// The exit status.
    package let status: ExitStatus

    /// Fails with the message that `compose` writes, without the program's name and the line end.
    @inline(never)
    package init(_ status: ExitStatus, _ compose: (inout TextBuffer<1024>) -> Void) {
        self.status = status
        var message = TextBuffer<1024>()
        message.begin()
        compose(&message)
        message.end()
    }

    /// Fails with a fixed message.
    @inline(never)
    package init(_ status: ExitStatus, _ text: StaticString) {
        self.init(status) { $0.append(text) }
    }

    /// Fails because of a system call whose failure has no use but the message: `OPERATION: CAUSE`.
    @inline(never)
    package init(_ error: SystemError) {
        self.init(.system) {
            $0.append(error.operation)
            $0.append(": ")
            $0.append(errno: error.errno)
        }
    }
}
