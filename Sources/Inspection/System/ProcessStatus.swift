/// What /proc/PID/status says of a process, as far as it matters here (proc_pid_status(5)).
package struct ProcessStatus: Equatable, Sendable {
    /// `Name:`, 15 bytes at most, as the kernel escapes it.
    package var name: String?
    /// The real uid of `Uid:`.
    package var uid: UInt32?
    /// `NoNewPrivs:`.
    package var hasNoNewPrivileges: Bool?
    /// `CapBnd:`, a bit a capability.
    package var boundingSet: UInt64?

    /// Reads the file; what it does not have is nil.
    package init(reading text: [UInt8]) {
        for line in text.split(separator: UInt8(ascii: "\n")) {
            let parts = line.split(separator: UInt8(ascii: ":"), maxSplits: 1)
            guard parts.count == 2 else { continue }
            let words = parts[1].split { $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: " ") }
                .map { String(decoding: $0, as: UTF8.self) }
            guard let first = words.first else { continue }
            switch String(decoding: parts[0], as: UTF8.self) {
            case "Name": self.name = words.joined(separator: " ")
            case "Uid": self.uid = UInt32(first)
            case "NoNewPrivs": self.hasNoNewPrivileges = first == "0" ? false : first == "1" ? true : nil
            case "CapBnd": self.boundingSet = UInt64(first, radix: 16)
            default: break  // (The kernel's keys, not ours.)
            }
        }
    }
}
