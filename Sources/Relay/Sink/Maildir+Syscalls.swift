import Glibc
import NIOCore

/// A file operation that failed, and on which path.
struct MaildirError: Error, CustomStringConvertible {
    /// `open`, `write`, …
    var operation: String
    /// The file or folder.
    var path: String
    /// The cause.
    var errno: CInt

    var description: String {
        unsafe "\(self.operation) \(self.path): \(String(cString: strerror(self.errno)))"
    }
}

/// A Maildir: messages are written under tmp and renamed into new when they are safe on the disk.
///
/// Its calls block; a sink has an event loop for itself.
struct Maildir {
    /// The folder with tmp, new and cur in it.
    let path: String

    /// Opens a Maildir, making what is not there.
    init(path: String) throws(MaildirError) {
        self.path = path
        for folder in [path, "\(path)/tmp", "\(path)/new", "\(path)/cur"] {
            guard unsafe mkdir(folder, 0o700) == 0 || errno == EEXIST else {
                throw MaildirError(operation: "mkdir", path: folder, errno: errno)
            }
        }
    }

    /// A message that is being written; what is not kept is removed.
    struct Draft: ~Copyable {
        private let descriptor: CInt
        private let maildir: String
        private let name: String

        fileprivate init(_ maildir: String, name: String) throws(MaildirError) {
            self.maildir = maildir
            self.name = name
            let path = "\(maildir)/tmp/\(name)"
            let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else { throw MaildirError(operation: "open", path: path, errno: errno) }
            self.descriptor = descriptor
        }

        deinit {
            Glibc.close(self.descriptor)
            _ = unsafe unlink("\(self.maildir)/tmp/\(self.name)")  // gone already when the message was kept
        }

        /// Appends octets of the message.
        func write(_ octets: ByteBuffer) throws(MaildirError) {
            var octets = octets
            while octets.readableBytes > 0 {
                let count = unsafe octets.withUnsafeReadableBytes {
                    unsafe Glibc.write(self.descriptor, $0.baseAddress, $0.count)
                }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw self.error("write") }
                octets.moveReaderIndex(forwardBy: count)
            }
        }

        /// Keeps the message: it is on the disk and in new when this returns.
        consuming func keep() throws(MaildirError) {
            guard fsync(self.descriptor) == 0 else { throw self.error("fsync") }
            let from = "\(self.maildir)/tmp/\(self.name)"
            let target = "\(self.maildir)/new/\(self.name)"
            guard unsafe rename(from, target) == 0 else { throw self.error("rename") }
            let folder = unsafe open("\(self.maildir)/new", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            guard folder >= 0 else { throw self.error("open new") }
            defer { Glibc.close(folder) }
            guard fsync(folder) == 0 else { throw self.error("fsync new") }
        }

        private borrowing func error(_ operation: String) -> MaildirError {
            MaildirError(operation: operation, path: "\(self.maildir)/tmp/\(self.name)", errno: errno)
        }
    }

    /// Begins a message; `name` is unique in this Maildir.
    func draft(name: String) throws(MaildirError) -> Draft {
        try Draft(self.path, name: name)
    }
}
