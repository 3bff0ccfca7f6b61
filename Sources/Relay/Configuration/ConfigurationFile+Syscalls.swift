import Glibc

/// Reads a configuration file.
enum ConfigurationFile {
    /// The most octets of a file that is read.
    static let maximumSize = 1024 * 1024

    /// Why a file cannot be read, as a clause.
    struct ReadError: Error, Equatable, Sendable {
        var message: String
    }

    /// The octets of a regular file of at most ``maximumSize``.
    static func read(_ path: String) throws(ReadError) -> [UInt8] {
        // O_NONBLOCK: to open a pipe would wait for its other end.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw Self.failure("open", path, errno) }
        defer { close(descriptor) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw Self.failure("fstat", path, errno) }
        switch status.st_mode & S_IFMT {
        case S_IFREG: break
        case S_IFDIR: throw ReadError(message: "cannot read the configuration: it is a directory")
        default: throw ReadError(message: "cannot read the configuration: it is not a regular file")
        }
        var octets = [UInt8](repeating: 0, count: Self.maximumSize + 1)
        var filled = 0
        while filled < octets.count {
            let count = unsafe octets.withUnsafeMutableBytes { buffer in
                let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
                return unsafe Glibc.read(descriptor, rest.baseAddress, rest.count)
            }
            let error = errno
            if count == 0 { break }
            if count < 0, error == EINTR { continue }
            guard count > 0 else { throw Self.failure("read", path, error) }
            filled += count
        }
        guard filled <= Self.maximumSize else {
            throw ReadError(message: "cannot read the configuration: it is longer than 1 MiB")
        }
        octets.removeLast(octets.count - filled)
        return octets
    }

    private static func failure(_ operation: String, _ path: String, _ error: Int32) -> ReadError {
        switch error {
        case ENOENT: return ReadError(message: "cannot read the configuration: there is no such file")
        case EACCES: return ReadError(message: "cannot read the configuration: permission denied")
        default:
            let words = unsafe String(cString: strerror(error))
            return ReadError(message: "cannot read the configuration: \(operation): \(words)")
        }
    }
}
