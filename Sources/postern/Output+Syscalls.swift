import Glibc

/// Standard output and standard error, a line at a time and unbuffered: a line that was written has left.
enum Output {
    /// Writes a line to standard output.
    static func line(_ text: String) { self.write(text + "\n", to: STDOUT_FILENO) }

    /// Writes lines to standard output, each with its end.
    static func text(_ text: String) { self.write(text, to: STDOUT_FILENO) }

    /// Writes a line to standard error.
    static func errorLine(_ text: String) { self.write(text + "\n", to: STDERR_FILENO) }

    /// Writes octets to standard error.
    static func errorOctets(_ octets: [UInt8]) { self.write(octets, to: STDERR_FILENO) }

    private static func write(_ text: String, to descriptor: CInt) {
        self.write(Array(text.utf8), to: descriptor)
    }

    private static func write(_ all: [UInt8], to descriptor: CInt) {
        var octets = all[...]
        while !octets.isEmpty {
            let count = unsafe octets.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return }  // nobody reads: there is nothing else to tell it to
            octets = octets.dropFirst(count)
        }
    }
}
