import Glibc

/// The place of a Unix socket that the relay listens on.
package enum UnixListener {
    /// Why it is not to be had.
    package struct Failure: Error, CustomStringConvertible {
        /// The operation, the object and the cause.
        package let description: String

        fileprivate init(_ operation: String, _ path: String, _ error: Int32) {
            self.description = "\(operation) \(path): \(unsafe String(cString: strerror(error)))"
        }

        fileprivate init(_ path: String, _ cause: String) {
            self.description = "bind \(path): \(cause)"
        }
    }

    /// Removes the socket that an earlier process left at the path, if nobody listens there any more.
    ///
    /// What is no socket stays, and so does a socket that somebody answers at: both are failures.
    package static func makeRoom(at path: String) throws(Failure) {
        var status = stat()
        guard unsafe lstat(path, &status) == 0 else {
            let error = errno
            if error == ENOENT { return }
            throw Failure("lstat", path, error)
        }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw Failure(path, "something that is no socket is there; remove it, or listen elsewhere")
        }
        let descriptor = socket(
            AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { throw Failure("socket for", path, errno) }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let fits = unsafe withUnsafeMutableBytes(of: &address.sun_path) { field in
            guard path.utf8.count < field.count else { return false }
            unsafe field.copyBytes(from: path.utf8)
            return true
        }
        guard fits else { throw Failure("connect", path, ENAMETOOLONG) }
        let result = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe connect(descriptor, address, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        let error = errno
        // EAGAIN: its queue is full, so there is one.
        guard result != 0, error != EAGAIN else { throw Failure(path, "somebody listens there already") }
        guard error == ECONNREFUSED else { throw Failure("connect", path, error) }
        guard unsafe unlink(path) == 0 else { throw Failure("unlink", path, errno) }
    }

    /// Sets the permissions of the socket at the path: who may write to it may connect.
    package static func setMode(_ mode: UInt16, at path: String) throws(Failure) {
        guard unsafe chmod(path, mode_t(mode)) == 0 else { throw Failure("chmod", path, errno) }
    }
}
