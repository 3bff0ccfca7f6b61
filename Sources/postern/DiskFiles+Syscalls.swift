import Glibc
import NginxImport

/// The files of an nginx.conf, from the file system.
final class DiskFiles: NginxFiles {
    private static let maximumSize = 4 * 1024 * 1024
    /// The bits that the modes of all files that were read have together: who may not read them all should not read what
    /// is made of them.
    private(set) var mode: mode_t = 0o644

    func octets(of path: String) throws(NginxFileError) -> [UInt8] {
        // O_NONBLOCK: to open a pipe would wait for its other end.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw NginxFileError(Self.words(errno)) }
        defer { close(descriptor) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw NginxFileError(Self.words(errno)) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw NginxFileError("it is not a regular file") }
        self.mode &= status.st_mode | 0o600
        var octets: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 65_536)
        while octets.count <= Self.maximumSize {
            let count = unsafe block.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
            let error = errno
            if count == 0 { return octets }
            if count < 0, error == EINTR { continue }
            guard count > 0 else { throw NginxFileError(Self.words(error)) }
            octets += block[..<count]
        }
        throw NginxFileError("it is longer than 4 MiB")
    }

    func matches(_ pattern: String) throws(NginxFileError) -> [String] {
        var found = unsafe glob_t()
        defer { unsafe globfree(&found) }
        switch unsafe glob(pattern, 0, nil, &found) {
        case 0: break
        case GLOB_NOMATCH: return []
        default: throw NginxFileError("a folder cannot be read")
        }
        var paths: [String] = []
        for index in 0..<Int(unsafe found.gl_pathc) {
            if let path = unsafe found.gl_pathv[index] { unsafe paths.append(String(cString: path)) }
        }
        return paths
    }

    /// The path from the root on: relay.yaml is read from another folder than this one.
    static func absolute(_ path: String) -> String {
        guard !path.hasPrefix("/"), let folder = unsafe getcwd(nil, 0) else { return path }
        defer { unsafe free(folder) }
        return unsafe String(cString: folder) + "/" + path
    }

    static func words(_ error: Int32) -> String {
        switch error {
        case ENOENT: "there is no such file"
        case EACCES: "permission denied"
        default: unsafe String(cString: strerror(error))
        }
    }
}

/// Writes a file whole or not at all.
enum NewFile {
    /// Why it was not written: what, on which file, why, and what to do.
    struct WriteError: Error, Equatable {
        var message: String
    }

    /// Writes beside the file and moves it there; a file that is there stays, unless `replaces`.
    static func write(_ text: String, to path: String, mode: mode_t, replaces: Bool) throws(WriteError) {
        func failure(_ operation: String, _ error: Int32) -> WriteError {
            WriteError(message: "write \(path): \(operation): \(DiskFiles.words(error))")
        }
        let draft = "\(path).postern-\(getpid())"
        let descriptor = unsafe open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw failure("create it in its folder", errno) }
        var isDone = false
        defer {
            close(descriptor)
            if !isDone { _ = unsafe unlink(draft) }
        }
        var octets = Array(text.utf8)[...]
        while !octets.isEmpty {
            let count = unsafe octets.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            let error = errno
            if count < 0, error == EINTR { continue }
            guard count > 0 else { throw failure("write", error) }
            octets = octets.dropFirst(count)
        }
        guard fchmod(descriptor, mode & 0o644) == 0 else { throw failure("fchmod", errno) }
        guard fsync(descriptor) == 0 else { throw failure("fsync", errno) }
        if replaces {
            guard unsafe rename(draft, path) == 0 else { throw failure("rename", errno) }
            isDone = true
        } else {
            // link(2), unlike rename(2), never replaces what is there.
            guard unsafe link(draft, path) == 0 else {
                let error = errno
                guard error != EEXIST else {
                    throw WriteError(message: "write \(path): it is there already; --force replaces it")
                }
                throw failure("link", error)
            }
        }
    }
}
