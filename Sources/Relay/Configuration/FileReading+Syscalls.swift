import Glibc

/// Reads files as a whole.
enum FileReading {
    /// Reads into `octets` until they are full or the file has ended: how many there are, or why there are none.
    ///
    /// The descriptor stays the caller's.
    static func fill(_ octets: inout [UInt8], from descriptor: CInt) -> (count: Int, error: CInt) {
        var filled = 0
        while filled < octets.count {
            let count = unsafe octets.withUnsafeMutableBytes { buffer in
                let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
                return unsafe Glibc.read(descriptor, rest.baseAddress, rest.count)
            }
            let error = errno
            if count == 0 { break }
            if count < 0, error == EINTR { continue }
            guard count > 0 else { return (0, error) }
            filled += count
        }
        return (filled, 0)
    }
}
