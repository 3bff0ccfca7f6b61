internal import BrokerIO
internal import CPosternSys
internal import Glibc

/// A system call that failed, while something was looked at.
package struct Unreadable: Error, Equatable, Sendable {
    /// The error's number.
    package var errno: Int32

    /// Makes an error of a known number.
    package init(errno: Int32) { self.errno = errno }

    /// What the error means: `permission denied`.
    package var text: String { String(writing: { $0.append(errno: self.errno) }) }
    /// Whether there is no such thing.
    package var isMissing: Bool { self.errno == ENOENT || self.errno == ENOTDIR }
    /// Whether the user may not look.
    package var isDenied: Bool { self.errno == EACCES || self.errno == EPERM }
}

/// What is looked at, and never changed.
enum Files {
    /// The most bytes of a file that are read: /proc/net/tcp of a busy machine has some.
    private static let maxLength = 64 << 20

    /// Reads a file, 64 MiB at most.
    static func read(_ path: String) -> Result<[UInt8], Unreadable> {
        let raw = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard raw >= 0 else { return .failure(Unreadable(errno: Glibc.errno)) }
        let file = Descriptor(owning: raw)
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while bytes.count < self.maxLength {
            let count = unsafe Glibc.read(file.rawValue, &buffer, buffer.count)
            if count == 0 { break }
            guard count > 0 else {
                let error = Glibc.errno
                if error == EINTR { continue }
                return .failure(Unreadable(errno: error))
            }
            bytes += buffer[..<count]
        }
        return .success(bytes)
    }

    /// Reads a file of one number, as those of /proc/sys are; EINVAL if it is none.
    static func number(_ path: String) -> Result<Int, Unreadable> {
        self.read(path).flatMap { bytes in
            let digits = bytes.prefix { $0 != UInt8(ascii: "\n") }
            guard let number = Int(String(decoding: digits, as: UTF8.self)) else {
                return .failure(Unreadable(errno: EINVAL))
            }
            return .success(number)
        }
    }

    /// Kind, mode and owner of what is at the path; symbolic links are followed.
    static func status(_ path: String) -> Result<FileStatus, Unreadable> {
        var status = Glibc.stat()
        guard unsafe stat(path, &status) == 0 else { return .failure(Unreadable(errno: Glibc.errno)) }
        return .success(FileStatus(mode: status.st_mode, uid: status.st_uid, gid: status.st_gid))
    }

    /// The names in a folder, but for `.` and `..`; as far as they can be read.
    static func names(in path: String) -> Result<[String], Unreadable> {
        guard let folder = unsafe opendir(path) else { return .failure(Unreadable(errno: Glibc.errno)) }
        defer { _ = unsafe closedir(folder) }
        var names: [String] = []
        while let entry = unsafe readdir(folder) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { bytes in
                unsafe String(cString: UnsafeRawPointer(bytes).assumingMemoryBound(to: CChar.self))
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return .success(names)
    }

    /// Where a symbolic link leads, 255 bytes at most.
    static func link(_ path: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: 255)
        let count = unsafe buffer.withUnsafeMutableBytes { bytes in
            guard let target = unsafe bytes.assumingMemoryBound(to: CChar.self).baseAddress else { return 0 }
            return unsafe readlink(path, target, bytes.count)
        }
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
    }

    /// The attribute security.capability; nil if the file has none.
    static func capability(_ path: String) -> Result<[UInt8]?, Unreadable> {
        var buffer = [UInt8](repeating: 0, count: 64)
        let count = unsafe getxattr(path, "security.capability", &buffer, buffer.count)
        if count >= 0 { return .success(Array(buffer[..<count])) }
        let error = cpostern_errno()
        return error == ENODATA ? .success(nil) : .failure(Unreadable(errno: error))
    }

    /// Whether the path's file system is mounted nosuid.
    static func isNosuid(_ path: String) -> Bool { unsafe cpostern_is_nosuid(path) == 1 }

    /// A user's name, as far as anybody knows one.
    static func userName(_ uid: UInt32) -> String? {
        guard let entry = unsafe getpwuid(uid), let name = unsafe entry.pointee.pw_name else { return nil }
        return unsafe String(cString: name)
    }
}
