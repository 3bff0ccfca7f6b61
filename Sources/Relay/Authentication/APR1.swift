import Crypto
import SMTPCore

/// `$apr1$`: Apache's variant of the MD5 method of crypt(3), which htpasswd writes by default and libcrypt has not got.
///
/// The steps are those of apr_md5_encode(); MD5 is no protection any more, and the thousand rounds are little.
enum APR1 {
    private static let magic = Array("$apr1$".utf8)
    private static let alphabet = Array("./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)

    /// The 22 characters that a password and a salt of at most 8 octets lead to.
    static func hash(_ password: [UInt8], salt: [UInt8]) -> [UInt8] {
        var inner = self.md5([password, salt, password])
        var outer = password + self.magic + salt
        for index in password.indices { outer.append(inner[index & 15]) }
        var length = password.count
        while length != 0 {
            outer.append(length & 1 == 1 ? 0 : password.first ?? 0)
            length >>= 1
        }
        inner = self.md5([outer])
        Secret.wipe(&outer)
        for round in 0..<1000 {
            var parts = [round & 1 == 1 ? password : inner]
            if round % 3 != 0 { parts.append(salt) }
            if round % 7 != 0 { parts.append(password) }
            parts.append(round & 1 == 1 ? inner : password)
            inner = self.md5(parts)
        }
        return self.encode(inner)
    }

    private static func md5(_ parts: [[UInt8]]) -> [UInt8] {
        var hash = Insecure.MD5()
        for part in parts { hash.update(data: part) }
        return Array(hash.finalize())
    }

    private static func encode(_ digest: [UInt8]) -> [UInt8] {
        var text: [UInt8] = []
        func append(_ value: Int, _ count: Int) {
            var value = value
            for _ in 0..<count {
                text.append(self.alphabet[value & 0x3F])
                value >>= 6
            }
        }
        for (high, middle, low) in [(0, 6, 12), (1, 7, 13), (2, 8, 14), (3, 9, 15), (4, 10, 5)] {
            append(Int(digest[high]) << 16 | Int(digest[middle]) << 8 | Int(digest[low]), 4)
        }
        append(Int(digest[11]), 2)
        return text
    }
}
