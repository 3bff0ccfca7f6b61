internal import CPosternSys

#if !hasFeature(Embedded)
package import BrokerCore
#endif

/// Why a file cannot be trusted or read.
package struct FileError: Error {
    /// What is wrong.
    package enum Code: UInt8, Sendable {
        /// The call failed; see the errno.
        case system = 1
        case notAFile
        case notRoots
        case writableByOthers
        case tooLong

        /// The error in words; none for ``system``, whose errno says it.
        package var text: StaticString {
            switch self {
            case .system: ""
            case .notAFile: "not a regular file"
            case .notRoots: "not owned by root"
            case .writableByOthers: "writable by others than root"
            case .tooLong: "longer than 64 KiB"
            }
        }
    }

    /// What is wrong.
    package var code: Code
    /// The error's number, with ``Code/system``.
    package var errno: Int32 = 0
    /// How much of the path the error is about: the file's, or that of a folder above it.
    package var pathLength: Int

    /// Writes what is wrong, and what to do about it.
    package func append<let size: Int>(to output: inout TextBuffer<size>) {
        guard self.code != .system else {
            guard self.errno != ELOOP, self.errno != ENOTDIR else {
                return output.append("a symbolic link or no folder; neither is followed here")
            }
            output.append(errno: self.errno)
            if self.errno == EACCES { output.append("; make it readable: 0644, or 0640 and the group postern-bind") }
            return
        }
        output.append(self.code.text)
        if self.code == .notRoots { output.append(": chown root") }
        if self.code == .writableByOthers { output.append(": chmod go-w") }
    }
}

/// Opens an absolute path for reading that nobody but root can have put there: no part of it is a symbolic link, and
/// the file and every folder above it belong to root and are writable by nobody else. What is checked is what is
/// opened, folder by folder, so that nothing can be exchanged in between.
package func openTrusted(_ path: Span<UInt8>) throws(FileError) -> Descriptor {
    var place = Descriptor(
        owning: unsafe cpostern_openat(
            AT_FDCWD, ("/" as StaticString).cString, CPOSTERN_O_PATH | O_DIRECTORY | O_CLOEXEC))
    guard place.rawValue >= 0 else { throw FileError(code: .system, errno: cpostern_errno(), pathLength: 1) }
    try place.checkIsRoots(isFolder: true, pathLength: 1)
    var start = 1
    while start < path.count {
        let end = path.firstOffset(of: UInt8(ascii: "/"), in: TextRange(start, path.count))
        var component = TextBuffer<256>()
        component.append(path, TextRange(start, end))
        guard component.count < 256 else {
            throw FileError(code: .system, errno: ENAMETOOLONG, pathLength: end)
        }
        let isFolder = end < path.count
        // O_NONBLOCK: to open a FIFO must not wait for its writer.
        let flags = O_CLOEXEC | O_NOFOLLOW | (isFolder ? CPOSTERN_O_PATH | O_DIRECTORY : O_RDONLY | O_NONBLOCK)
        let raw = unsafe component.storage.span.withUnsafeBytes { bytes in
            unsafe cpostern_openat(place.rawValue, bytes.assumingMemoryBound(to: CChar.self).baseAddress, flags)
        }
        guard raw >= 0 else { throw FileError(code: .system, errno: cpostern_errno(), pathLength: end) }
        place = Descriptor(owning: raw)
        try place.checkIsRoots(isFolder: isFolder, pathLength: end)
        start = end + 1
    }
    return place
}

/// Reads a trusted file whole, to ``PolicyParser/maxLength`` bytes.
package func readTrusted(_ path: Span<UInt8>, into text: inout TextBuffer<65537>) throws(FileError) {
    let file = try openTrusted(path)
    var bytes = InlineArray<4096, UInt8>(repeating: 0)
    while text.count <= PolicyParser.maxLength {
        let count = unsafe withUnsafeMutableBytes(of: &bytes) { unsafe read(file.rawValue, $0.baseAddress, $0.count) }
        if count == 0 { return }
        guard count > 0 else {
            if cpostern_errno() == EINTR { continue }
            throw FileError(code: .system, errno: cpostern_errno(), pathLength: path.count)
        }
        text.append(bytes.span, TextRange(0, count))
    }
    throw FileError(code: .tooLong, pathLength: path.count)
}

extension Descriptor {
    /// Checks type, owner and mode of an open file or folder. (A POSIX ACL that lets others write shows in the mode.)
    fileprivate func checkIsRoots(isFolder: Bool, pathLength: Int) throws(FileError) {
        var status = stat()
        guard unsafe fstat(self.rawValue, &status) == 0 else {
            throw FileError(code: .system, errno: cpostern_errno(), pathLength: pathLength)
        }
        guard status.st_mode & UInt32(S_IFMT) == UInt32(isFolder ? S_IFDIR : S_IFREG) else {
            throw FileError(code: .notAFile, pathLength: pathLength)
        }
        guard status.st_uid == 0 else { throw FileError(code: .notRoots, pathLength: pathLength) }
        guard status.st_mode & 0o022 == 0 else { throw FileError(code: .writableByOthers, pathLength: pathLength) }
    }
}
