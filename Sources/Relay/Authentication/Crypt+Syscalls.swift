import CCrypt
import Glibc

/// crypt(3): hashes of passwords as /etc/shadow and htpasswd have them.
enum Crypt {
    /// What crypt(3) makes of a password with the setting of a hash, the hash itself being one; nil where it makes nothing of
    /// it. It takes as long as the method asks for: up to seconds, and must not be called on an event loop.
    static func hash(_ password: Span<UInt8>, setting: String) -> [UInt8]? {
        // (crypt(3) would take what stands before a NUL for the whole.)
        for index in 0..<password.count where password[index] == 0 { return nil }
        let size = MemoryLayout<crypt_data>.size
        let data = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: MemoryLayout<crypt_data>.alignment)
        let phrase = UnsafeMutablePointer<CChar>.allocate(capacity: password.count + 1)
        unsafe memset(data, 0, size)
        defer {
            unsafe explicit_bzero(data, size)
            unsafe explicit_bzero(phrase, password.count + 1)
            unsafe data.deallocate()
            unsafe phrase.deallocate()
        }
        for index in 0..<password.count { unsafe phrase[index] = CChar(bitPattern: password[index]) }
        unsafe phrase[password.count] = 0
        guard let output = unsafe crypt_rn(phrase, setting, data, CInt(size)) else { return nil }
        let length = unsafe strlen(output)
        return unsafe output.withMemoryRebound(to: UInt8.self, capacity: length) {
            unsafe Array(UnsafeBufferPointer(start: $0, count: length))
        }
    }

    /// Whether crypt(3) knows the method of a hash, and can use its setting.
    static func knows(_ hash: String) -> Bool {
        switch unsafe crypt_checksalt(hash) {
        case CRYPT_SALT_OK, CRYPT_SALT_METHOD_LEGACY, CRYPT_SALT_TOO_CHEAP: true
        default: false
        }
    }
}
