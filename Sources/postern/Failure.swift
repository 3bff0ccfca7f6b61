import ArgumentParser

/// How a command ends when it fails: a message on standard error, and a status of sysexits(3).
enum Failure {
    /// EX_USAGE: the command line is wrong.
    static let usage = ExitCode(64)
    /// EX_DATAERR: what was given to read is not right.
    static let data = ExitCode(65)
    /// EX_NOINPUT: what was to be read is not there, or not for this user.
    static let input = ExitCode(66)
    /// EX_UNAVAILABLE: something that is needed is not to be had.
    static let unavailable = ExitCode(69)
    /// EX_OSERR: the system refused something.
    static let system = ExitCode(71)
    /// EX_CANTCREAT: a file cannot be written.
    static let output = ExitCode(73)
    /// EX_NOPERM: the user may not.
    static let permission = ExitCode(77)
    /// EX_CONFIG: the configuration cannot be used.
    static let configuration = ExitCode(78)

    /// Says what failed, on what, why and what to do; throw what comes back.
    static func saying(_ message: String, _ status: ExitCode) -> ExitCode {
        Output.errorLine(message)
        return status
    }
}
