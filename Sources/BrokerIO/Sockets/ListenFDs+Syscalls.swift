internal import CPosternSys

#if !hasFeature(Embedded)
package import BrokerCore
#endif

/// Why the listeners in the environment cannot be used.
package enum ListenFDsError: UInt8, Error {
    case badPID = 1
    case badPIDFDID
    case badCount
    case badNames
    case badDescriptor

    /// The error in words.
    package var text: StaticString {
        switch self {
        case .badPID: "LISTEN_PID is not a number"
        case .badPIDFDID: "LISTEN_PIDFDID is not a number"
        case .badCount: "LISTEN_FDS is not a number from 1 up"
        case .badNames: "LISTEN_FDNAMES has another count of names than LISTEN_FDS"
        case .badDescriptor: "a descriptor that LISTEN_FDS promises is not open"
        }
    }
}

/// The listeners of a program that systemd, or somebody who speaks like it, started: descriptors from 3 up, and
/// LISTEN_FDS, LISTEN_PID, LISTEN_PIDFDID and LISTEN_FDNAMES (sd_listen_fds(3)).
package enum ListenFDs {
    private static var firstDescriptor: Int32 { 3 }

    /// Takes the listeners that this process was given: marks each close-on-exec and hands it, with its name, to
    /// `take`. Removes the four variables whatever happens, so that no child takes them for its own.
    ///
    /// Does nothing if there are none, or if they are another process's. On an error no descriptor is touched.
    /// Changes the environment: to be called before the first thread starts. (`first` is another than 3 in tests only,
    /// whose runner needs its 3.)
    package static func receive(
        first: Int32 = 3, _ take: (consuming Descriptor, Span<UInt8>) -> Void
    ) throws(ListenFDsError) {
        defer { Self.clear() }
        guard let pid = unsafe getenv(("LISTEN_PID" as StaticString).cString) else { return }
        guard let number = unsafe Self.decimal(pid, upTo: UInt64(Int32.max)) else { throw .badPID }
        guard number == UInt64(getpid()) else { return }
        if let id = unsafe getenv(("LISTEN_PIDFDID" as StaticString).cString) {
            guard let number = unsafe Self.decimal(id, upTo: .max) else { throw .badPIDFDID }
            let own = cpostern_own_pidfd_inode()
            // A kernel that cannot say has no such number to compare.
            guard own == 0 || own == number else { return }
        }
        guard let count = unsafe getenv(("LISTEN_FDS" as StaticString).cString) else { return }
        guard let count = unsafe Self.decimal(count, upTo: UInt64(Int32.max - first)), count > 0 else {
            throw .badCount
        }
        let end = first + Int32(count)
        for raw in first..<end where cpostern_fcntl(raw, F_SETFD, Int(FD_CLOEXEC)) != 0 {
            throw .badDescriptor
        }
        if let names = unsafe getenv(("LISTEN_FDNAMES" as StaticString).cString) {
            let names = unsafe Span(
                _unsafeStart: UnsafeRawPointer(names).assumingMemoryBound(to: UInt8.self), count: strlen(names))
            var fields = 1
            for index in 0..<names.count where names[index] == UInt8(ascii: ":") { fields += 1 }
            guard fields == Int(count) else { throw .badNames }
            var start = 0
            for raw in first..<end {
                let field = names.firstOffset(of: UInt8(ascii: ":"), in: TextRange(start, names.count))
                take(Descriptor(owning: raw), names.extracting(start..<field))
                start = field + 1
            }
        } else {
            var unknown = TextBuffer<8>()
            unknown.append("unknown")
            for raw in first..<end {
                take(Descriptor(owning: raw), unknown.storage.span.extracting(first: unknown.count))
            }
        }
    }

    /// Places the descriptors from 3 up, without close-on-exec, for the program that this process will become, and
    /// sets the four variables for it; `names` has one name a descriptor, with `:` between them. Every other
    /// descriptor above them becomes close-on-exec. To be followed by exec, on success as on failure.
    package static func emit(
        _ descriptors: consuming DescriptorList, names: borrowing TextBuffer<4160>
    ) throws(SystemError) {
        let count = Int32(descriptors.count)
        guard count > 0 else { return Self.clear() }
        // First all of them out of the way, or the first dup2 could close one that has not been moved yet.
        var moved = InlineArray<64, Int32>(repeating: -1)
        for index in 0..<Int(count) {
            let raw = cpostern_fcntl(
                descriptors.rawValues[index], F_DUPFD_CLOEXEC, Int(Self.firstDescriptor + count))
            guard raw >= 0 else { throw SystemError("fcntl F_DUPFD_CLOEXEC") }
            moved[index] = raw
        }
        while descriptors.popLast() != nil {}
        for index in 0..<Int(count) where dup2(moved[index], Self.firstDescriptor + Int32(index)) < 0 {
            throw SystemError("dup2")
        }
        guard cpostern_close_range(UInt32(Self.firstDescriptor + count), .max, 1) == 0 else {
            throw SystemError("close_range")
        }
        try Self.set("LISTEN_FDS", UInt64(count))
        // exec keeps the process's number, and the inode of its pidfd.
        try Self.set("LISTEN_PID", UInt64(getpid()))
        let inode = cpostern_own_pidfd_inode()
        if inode != 0 {
            try Self.set("LISTEN_PIDFDID", inode)
        } else {
            // An old one would be another process's.
            _ = unsafe unsetenv(("LISTEN_PIDFDID" as StaticString).cString)
        }
        try setVariable("LISTEN_FDNAMES", names)
    }

    /// Removes the four variables.
    package static func clear() {
        _ = unsafe unsetenv(("LISTEN_FDS" as StaticString).cString)
        _ = unsafe unsetenv(("LISTEN_PID" as StaticString).cString)
        _ = unsafe unsetenv(("LISTEN_PIDFDID" as StaticString).cString)
        _ = unsafe unsetenv(("LISTEN_FDNAMES" as StaticString).cString)
    }

    private static func set(_ name: StaticString, _ value: UInt64) throws(SystemError) {
        var text = TextBuffer<24>()
        text.append(decimal: Int(truncatingIfNeeded: value))
        try setVariable(name, text)
    }

    private static func decimal(_ text: UnsafePointer<CChar>, upTo limit: UInt64) -> UInt64? {
        let bytes = unsafe Span(
            _unsafeStart: UnsafeRawPointer(text).assumingMemoryBound(to: UInt8.self), count: strlen(text))
        return bytes.decimal(at: TextRange(0, bytes.count), upTo: limit)
    }
}

/// Sets a variable of the environment, for the program that this process will become.
package func setVariable<let size: Int>(
    _ name: StaticString, _ value: borrowing TextBuffer<size>
) throws(SystemError) {
    let result = unsafe value.storage.span.withUnsafeBytes { bytes in
        guard let value = unsafe bytes.assumingMemoryBound(to: CChar.self).baseAddress else { return Int32(-1) }
        return unsafe setenv(name.cString, value, 1)
    }
    guard result == 0 else { throw SystemError("setenv") }
}
