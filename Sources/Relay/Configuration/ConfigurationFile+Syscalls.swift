import Glibc

/// Reads a configuration file, or one that a configuration names.
enum ConfigurationFile {
    /// The most octets of a file that is read.
    static let maximumSize = 1024 * 1024

    /// Why a file cannot be read, as a clause.
    struct ReadError: Error, Equatable, Sendable {
        var message: String
    }

    /// The octets of a regular file of at most ``maximumSize``.
    ///
    /// - Parameter what: what the file is, for the message.
    static func read(_ path: String, as what: String = "the configuration") throws(ReadError) -> [UInt8] {
        // O_NONBLOCK: to open a pipe would wait for its other end.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw Self.failure("open", what, errno) }
        defer { close(descriptor) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw Self.failure("fstat", what, errno) }
        switch status.st_mode & S_IFMT {
        case S_IFREG: break
        case S_IFDIR: throw ReadError(message: "cannot read \(what): it is a directory")
        default: throw ReadError(message: "cannot read \(what): it is not a regular file")
        }
        var octets = [UInt8](repeating: 0, count: Self.maximumSize + 1)
        let (filled, error) = FileReading.fill(&octets, from: descriptor)
        guard error == 0 else { throw Self.failure("read", what, error) }
        guard filled <= Self.maximumSize else {
            throw ReadError(message: "cannot read \(what): it is longer than 1 MiB")
        }
        octets.removeLast(octets.count - filled)
        return octets
    }

    private static func failure(_ operation: String, _ what: String, _ error: Int32) -> ReadError {
        switch error {
        case ENOENT: return ReadError(message: "cannot read \(what): there is no such file")
        case EACCES: return ReadError(message: "cannot read \(what): permission denied")
        default:
            let words = unsafe String(cString: strerror(error))
            return ReadError(message: "cannot read \(what): \(operation): \(words)")
        }
    }
}
