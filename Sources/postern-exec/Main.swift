internal import CPosternSys

/// postern-exec: starts any program with its listeners, in the dialect that it speaks.
@c(postern_exec_main)
public func execMain(_ count: CInt, _ vector: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    do throws(Failure) {
        try run(unsafe Arguments(count: count, vector: vector))
        return 0
    } catch {
        return CInt(error.status.rawValue)
    }
}

/// Returns only with what --help and --version print: all else ends in COMMAND, or fails.
private func run(_ arguments: Arguments) throws(Failure) {
    // (exec makes the process traceable again; there is no privilege here to protect, and a set-id bit's is refused.)
    try protectProcess()
    let options = try Options(arguments)
    if let output = options.output { return writeOutput(output) }
    // A wrong command line is found before anybody is asked for anything; which numbers there are, only behind that.
    let hasPlaceholders = try checkPlaceholders(arguments, options)
    do throws(SystemError) { try openStandardDescriptors() } catch { throw Failure(error) }

    let obtained = try Obtained(options, arguments)
    if options.speaksStdin, obtained.count > 1 {
        throw Failure(.usage, "--speak stdin: the NAME has more than one socket, and descriptor 0 is one")
    }
    guard hasPlaceholders else {
        try obtained.emit()
        return try arguments.execute(options.command)
    }
    let texts = try expandArguments(obtained)
    try obtained.emit()
    try arguments.execute(options, replacing: texts)
}
