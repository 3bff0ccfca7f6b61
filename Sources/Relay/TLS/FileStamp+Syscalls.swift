import Glibc

/// By what a file is known to have changed: who replaces it makes another inode, who writes into it another time.
struct FileStamp: Hashable, Sendable {
    private let device: UInt64
    private let inode: UInt64
    private let size: Int64
    private let seconds: Int64
    private let nanoseconds: Int64
    private let changeSeconds: Int64
    private let changeNanoseconds: Int64

    /// That of a file as it is now, links followed; nil where there is none.
    init?(path: String) {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return nil }
        self.device = UInt64(status.st_dev)
        self.inode = UInt64(status.st_ino)
        self.size = Int64(status.st_size)
        self.seconds = Int64(status.st_mtim.tv_sec)
        self.nanoseconds = Int64(status.st_mtim.tv_nsec)
        self.changeSeconds = Int64(status.st_ctim.tv_sec)
        self.changeNanoseconds = Int64(status.st_ctim.tv_nsec)
    }
}

/// The time of the system's clock, in seconds since 1970.
func systemTime() -> Int64 { Int64(time(nil)) }
