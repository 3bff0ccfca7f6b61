import Glibc

/// The file of a Unix socket.
enum SocketFile {
    /// Lets every user connect.
    static func openToEverybody(_ path: String) throws(SocketFileError) {
        guard unsafe chmod(path, 0o666) == 0 else { throw SocketFileError(code: errno) }
    }
}

/// The mode of a socket cannot be changed.
struct SocketFileError: Error, CustomStringConvertible {
    let code: CInt
    var description: String { "chmod: \(unsafe String(cString: strerror(self.code)))" }
}
