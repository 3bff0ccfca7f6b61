internal import BrokerCore
internal import BrokerIO

extension Doctor {
    /// Reads the policy as the binder does.
    static func policy() -> PolicyCheck.Source {
        let path = Array("/etc/postern/sockets.conf".utf8)
        var buffer = TextBuffer<65537>()
        do throws(FileError) {
            try readTrusted(path.span, into: &buffer)
        } catch {
            let place = String(path.span, TextRange(0, error.pathLength))
            let isDenied = error.code == .system && Unreadable(errno: error.errno).isDenied
            return .unreadable(
                place: place.isEmpty ? "/" : place, cause: String(writing: { error.append(to: &$0) }),
                isDenied: isDenied)
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(buffer.count)
        for index in 0..<buffer.count { bytes.append(buffer.storage[index]) }
        return .text(bytes)
    }

    /// The policy's text for a client that would like to know its lines; nil if it cannot be read.
    package static func policyText() -> [UInt8]? {
        if case .text(let bytes) = self.policy() { bytes } else { nil }
    }
}
