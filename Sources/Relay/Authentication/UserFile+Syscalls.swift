import Glibc

/// Reads a users file, and sees whether it has changed.
enum UserFile {
    /// The most octets of a file that is read.
    static let maximumSize = 16 << 20

    /// Why a file cannot be read: "open /etc/postern/users: Permission denied".
    struct ReadError: Error, Equatable, Sendable {
        var message: String
    }

    /// What tells one version of a file from another, and who may read it.
    struct Status: Equatable, Sendable {
        var device: UInt64
        var inode: UInt64
        var size: Int64
        var changed: [Int]
        var mode: UInt32

        /// Whether everybody may read it.
        var isReadableByOthers: Bool { self.mode & 0o004 != 0 }
        /// Whether more than its owner may write to it.
        var isWritableByOthers: Bool { self.mode & 0o022 != 0 }
    }

    /// What the file at a path is now.
    static func status(_ path: String) throws(ReadError) -> Status {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { throw Self.failure("stat", path, errno) }
        return Status(status)
    }

    /// The octets of a regular file of at most ``maximumSize``, and what it was when it was opened.
    static func read(_ path: String) throws(ReadError) -> (octets: [UInt8], status: Status) {
        // O_NONBLOCK: to open a pipe would wait for its other end.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw Self.failure("open", path, errno) }
        defer { close(descriptor) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw Self.failure("fstat", path, errno) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw ReadError(message: "read \(path): it is not a regular file")
        }
        guard status.st_size <= Self.maximumSize else {
            throw ReadError(message: "read \(path): it is longer than 16 MiB")
        }
        // One more than it has: whether it grew meanwhile is seen by that.
        var octets = [UInt8](repeating: 0, count: Int(status.st_size) + 1)
        let (filled, error) = FileReading.fill(&octets, from: descriptor)
        guard error == 0 else { throw Self.failure("read", path, error) }
        guard filled < octets.count else {
            throw ReadError(message: "read \(path): it is being written to; write a new file and rename it")
        }
        octets.removeLast(octets.count - filled)
        return (octets, Status(status))
    }

    private static func failure(_ operation: String, _ path: String, _ error: Int32) -> ReadError {
        unsafe ReadError(message: "\(operation) \(path): \(String(cString: strerror(error)))")
    }
}

extension UserFile.Status {
    fileprivate init(_ status: stat) {
        self.device = UInt64(status.st_dev)
        self.inode = UInt64(status.st_ino)
        self.size = Int64(status.st_size)
        self.changed = [status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec, status.st_ctim.tv_nsec]
        self.mode = UInt32(status.st_mode)
    }
}
