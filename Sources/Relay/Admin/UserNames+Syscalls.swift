import Glibc

/// The numbers of users.
enum UserNames {
    /// The uid of a user by name, or by number; nil where there is no such user.
    static func uid(of user: String) -> UInt32? {
        if let number = UInt32(user) { return number }
        var entry = unsafe passwd()
        var found: UnsafeMutablePointer<passwd>? = nil
        var buffer = [CChar](repeating: 0, count: 16384)
        let status: CInt? = unsafe buffer.withUnsafeMutableBufferPointer { buffer in
            guard let start = buffer.baseAddress else { return nil }
            return unsafe getpwnam_r(user, &entry, start, buffer.count, &found)
        }
        guard status == 0, unsafe found != nil else { return nil }
        return unsafe entry.pw_uid
    }

    /// The effective user of this process.
    static var own: UInt32 { geteuid() }
}
