import Crypto
package import SMTPCore

/// A password as a users file has it: htpasswd's formats, and those of crypt(3).
package enum PasswordHash: Sendable {
    /// A hash of crypt(3): `$2y$` and the like (bcrypt), `$6$` and `$5$` (SHA-2), `$y$` (yescrypt), `$1$` (MD5), DES.
    case crypt(String)
    /// `$apr1$SALT$HASH`.
    case apr1(salt: [UInt8], hash: [UInt8])
    /// `{SHA}`, or `{SSHA}` with a salt: base64 of the digest, and behind it of the salt.
    case sha1(digest: [UInt8], salt: [UInt8])
    /// `{PLAIN}`: the password itself, which CRAM-MD5 needs.
    case plain(Secret)
    /// `*` or `!` at the beginning: nobody's.
    case locked

    /// Reads what stands behind a user's name.
    ///
    /// - Throws: what is wrong, as a clause; nothing of the text is in it.
    package init(_ text: [UInt8]) throws(PasswordHashError) {
        guard let first = text.first else { throw PasswordHashError("the password is missing") }
        if first == UInt8(ascii: "*") || first == UInt8(ascii: "!") {
            self = .locked
        } else if let rest = Self.rest(of: text, behind: "$apr1$") {
            let parts = rest.split(separator: UInt8(ascii: "$"), omittingEmptySubsequences: false)
            guard parts.count == 2, (1...8).contains(parts[0].count), parts[1].count == 22 else {
                throw PasswordHashError("not a hash of $apr1$")
            }
            self = .apr1(salt: Array(parts[0]), hash: Array(parts[1]))
        } else if let rest = Self.rest(of: text, behind: "{PLAIN}") {
            guard !rest.isEmpty else { throw PasswordHashError("the password is empty") }
            self = .plain(Secret(rest))
        } else if let rest = Self.rest(of: text, behind: "{SHA}") {
            guard let digest = Base64.decode(rest.span), digest.count == 20 else {
                throw PasswordHashError("not the base64 of a SHA-1 digest")
            }
            self = .sha1(digest: digest, salt: [])
        } else if let rest = Self.rest(of: text, behind: "{SSHA}") {
            guard let octets = Base64.decode(rest.span), (21...84).contains(octets.count) else {
                throw PasswordHashError("not the base64 of a SHA-1 digest and a salt")
            }
            self = .sha1(digest: Array(octets[..<20]), salt: Array(octets[20...]))
        } else {
            self = .crypt(try Self.cryptHash(text))
        }
    }

    private static func rest(of text: [UInt8], behind prefix: StaticString) -> [UInt8]? {
        let prefix = Array(prefix.description.utf8)
        return text.starts(with: prefix) ? Array(text[prefix.count...]) : nil
    }

    private static func cryptHash(_ text: [UInt8]) throws(PasswordHashError) -> String {
        let isPrintable = text.allSatisfy { 0x21...0x7E ~= $0 }
        let hash = String(decoding: text, as: UTF8.self)
        // (Without a dollar crypt(3) takes any two characters for the salt of DES, so nearly any text for a hash.)
        guard isPrintable, text.first == UInt8(ascii: "$") || text.count == 13, Crypt.knows(hash) else {
            throw PasswordHashError(
                "not a hash that is known: use htpasswd -B, mkpasswd, or {PLAIN} and the password")
        }
        return hash
    }
}

extension PasswordHash {
    /// Whether this is the password. It takes as long as the method asks for.
    package func accepts(_ password: Secret) -> Bool {
        switch self {
        case .crypt(let hash):
            guard let found = password.withOctets({ Crypt.hash($0, setting: hash) }) else { return false }
            return Secret.sameOctets(found.span, Array(hash.utf8).span)
        case .apr1(let salt, let hash):
            return Self.withCopy(of: password) { Secret.sameOctets(APR1.hash($0, salt: salt).span, hash.span) }
        case .sha1(let digest, let salt):
            var sha1 = Insecure.SHA1()
            Self.withCopy(of: password) { sha1.update(data: $0) }
            sha1.update(data: salt)
            return Secret.sameOctets(Array(sha1.finalize()).span, digest.span)
        case .plain(let own):
            return own == password
        case .locked:
            return false
        }
    }

    /// Whether these 32 hexadecimal digits are the password's answer to a challenge of CRAM-MD5 (RFC 2195 section 2); false
    /// where the password itself is not known.
    package func accepts(digest: Secret, challenge: [UInt8]) -> Bool {
        guard case .plain(let password) = self else { return false }
        let key = Self.withCopy(of: password) { SymmetricKey(data: $0) }
        let digits = HMAC<Insecure.MD5>.authenticationCode(for: challenge, using: key).flatMap { octet in
            [octet >> 4, octet & 15].map { $0 < 10 ? UInt8(ascii: "0") + $0 : UInt8(ascii: "a") + $0 - 10 }
        }
        return digest.withOctets { digest in
            var lowered: [UInt8] = []
            for index in 0..<digest.count {
                let octet = digest[index]
                lowered.append(0x41...0x46 ~= octet ? octet | 0x20 : octet)
            }
            return Secret.sameOctets(lowered.span, digits.span)
        }
    }

    /// How much work it is to try a password, roughly: to choose by.
    var cost: Int {
        switch self {
        case .crypt: 3
        case .apr1: 2
        case .sha1, .plain: 1
        case .locked: 0
        }
    }

    private static func withCopy<Result>(of secret: Secret, _ body: ([UInt8]) -> Result) -> Result {
        var copy = secret.withOctets { octets in
            var copy: [UInt8] = []
            copy.reserveCapacity(octets.count)
            for index in 0..<octets.count { copy.append(octets[index]) }
            return copy
        }
        defer { Secret.wipe(&copy) }
        return body(copy)
    }
}

/// Why a text is no password hash.
package struct PasswordHashError: Error, Equatable, Sendable {
    /// What is wrong, as a clause.
    package var message: String
    init(_ message: String) { self.message = message }
}

extension PasswordHash: CustomStringConvertible, CustomReflectable {
    /// The kind alone.
    package var description: String {
        switch self {
        case .crypt: "crypt"
        case .apr1: "apr1"
        case .sha1: "sha1"
        case .plain: "plain"
        case .locked: "locked"
        }
    }

    /// Empty: a hash is worth guessing at.
    package var customMirror: Mirror { Mirror(self, children: []) }
}
