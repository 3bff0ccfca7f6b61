/// Kind, mode and owner of a file.
package struct FileStatus: Equatable, Sendable {
    /// Type and permissions, as st_mode has them.
    package var mode: UInt32
    /// The owner.
    package var uid: UInt32
    /// The group.
    package var gid: UInt32

    /// S_IFMT of inode(7).
    private static let typeMask: UInt32 = 0o170000

    /// Makes a status by its parts.
    package init(mode: UInt32, uid: UInt32, gid: UInt32) {
        (self.mode, self.uid, self.gid) = (mode, uid, gid)
    }

    /// The permissions alone.
    package var permissions: UInt32 { self.mode & 0o7777 }
    /// Whether others than the owner may write.
    package var isWritableByOthers: Bool { self.mode & 0o022 != 0 }
    /// Whether it is a regular file.
    package var isRegular: Bool { self.mode & Self.typeMask == 0o100000 }
    /// Whether it is a socket.
    package var isSocket: Bool { self.mode & Self.typeMask == 0o140000 }
    /// The permissions in octal: `0750`.
    package var octal: String {
        let digits = String(self.permissions, radix: 8)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}
