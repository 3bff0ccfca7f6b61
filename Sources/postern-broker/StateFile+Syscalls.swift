internal import CPosternSys

/// Who holds which name exclusively, in a memory file that the manager keeps for the next start: `NAME UID` a line.
struct StateFile: ~Copyable {
    private static var size: Int { 8192 }

    private var file: Descriptor

    /// Takes the file of the last run; with a negative one nothing is kept until ``open()`` makes one.
    init(_ previous: consuming Descriptor) {
        self.file = previous
    }

    /// The file, to be put into the store; makes it where there is none.
    mutating func open() -> Int32? {
        guard self.file.rawValue < 0 else { return self.file.rawValue }
        let name: StaticString = "postern.state"
        let raw = cpostern_syscall(Int(SYS_memfd_create), Int(bitPattern: unsafe name.cString), 1, 0, 0, 0)
        guard raw >= 0 else { return nil }
        self.file = Descriptor(owning: Int32(raw))
        return Int32(raw)
    }

    /// What was written last.
    func read() -> TextBuffer<8192> {
        var text = TextBuffer<8192>()
        let file = self.file.rawValue
        guard file >= 0 else { return text }
        var bytes = InlineArray<8192, UInt8>(repeating: 0)
        let count = unsafe withUnsafeMutableBytes(of: &bytes) { unsafe pread(file, $0.baseAddress, $0.count, 0) }
        guard count > 0 else { return text }
        let end = bytes.span.firstOffset(of: 0, in: TextRange(0, count))
        text.append(bytes.span, TextRange(0, end))
        return text
    }

    /// Writes all of it anew, in one call.
    func write(_ text: borrowing TextBuffer<8192>) {
        let file = self.file.rawValue
        guard file >= 0 else { return }
        // (Memory that cannot be had costs the next start's two seconds of grace, and nothing else.)
        _ = unsafe text.storage.span.withUnsafeBytes { unsafe pwrite(file, $0.baseAddress, Self.size, 0) }
    }
}

/// Something to close when descriptors run out.
func openReserve() -> Descriptor {
    Descriptor(owning: unsafe cpostern_openat(AT_FDCWD, ("/etc" as StaticString).cString, CPOSTERN_O_PATH | O_CLOEXEC))
}

/// SO_NETNS_COOKIE and SO_COOKIE.
var networkCookieOption: Int32 { 71 }
var socketCookieOption: Int32 { 57 }
/// SO_LOCK_FILTER.
var lockFilterOption: Int32 { 44 }
