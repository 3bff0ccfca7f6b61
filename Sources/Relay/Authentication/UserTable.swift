package import SMTPCore

/// Who may authenticate themselves, as a users file has it: `name:password[:comment]`, a line each.
package struct UserTable: Sendable {
    /// Something about a line of the file.
    package struct Problem: Error, Equatable, Sendable {
        /// From 1.
        package var line: Int
        /// What it is, as a clause; nothing of the line's password is in it.
        package var message: String

        /// Makes one.
        package init(line: Int, message: String) {
            self.line = line
            self.message = message
        }
    }

    private var hashes: [[UInt8]: PasswordHash] = [:]
    /// What is tried for a name that is not there, so that a guess at one takes as long as a guess at a password.
    private var stranger: PasswordHash
    /// What is allowed, and hardly meant.
    package private(set) var warnings: [Problem] = []

    /// How many users there are.
    package var count: Int { self.hashes.count }

    /// Whether somebody's password is there in clear, as CRAM-MD5 needs it.
    package var knowsPasswords: Bool {
        self.hashes.values.contains { if case .plain = $0 { true } else { false } }
    }

    /// Reads a file: as a whole, or not at all.
    ///
    /// - Throws: the first line that cannot be read.
    package init(_ octets: [UInt8]) throws(Problem) {
        var lines: [[UInt8]: Int] = [:]
        self.stranger = .locked
        var number = 0
        for line in octets.split(separator: 0x0A, omittingEmptySubsequences: false) {
            number += 1
            let line = line.last == 0x0D ? line.dropLast() : line
            guard let first = line.first, first != UInt8(ascii: "#") else { continue }
            let parts = line.split(separator: UInt8(ascii: ":"), maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count >= 2 else {
                throw Problem(line: number, message: "no colon behind the user's name")
            }
            let name = Array(parts[0])
            guard Self.isName(name) else {
                throw Problem(line: number, message: "the user's name is empty, not UTF-8, or has a control character")
            }
            if let other = lines[name] {
                throw Problem(line: number, message: "this user is in line \(other) already")
            }
            lines[name] = number
            let hash: PasswordHash
            do {
                hash = try PasswordHash(Array(parts[1]))
            } catch {
                throw Problem(line: number, message: error.message)
            }
            if case .crypt(let text) = hash, !text.hasPrefix("$") {
                self.warnings.append(
                    Problem(line: number, message: "a hash of DES: only the first 8 characters of the password count"))
            }
            self.hashes[name] = hash
            if hash.cost > self.stranger.cost { self.stranger = hash }
        }
    }

    private static func isName(_ name: [UInt8]) -> Bool {
        guard !name.isEmpty, name.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else { return false }
        return (try? UTF8Span(validating: name.span)) != nil
    }

    /// Whether a client is who it says. It takes as long as the user's hash asks for, and for a user that is not there as
    /// long as the costliest kind of hash in the file does.
    package func accepts(_ credentials: SASLCredentials) -> Bool {
        let known = self.hashes[Array(credentials.user.utf8)]
        let hash = known ?? self.stranger
        let isRight =
            switch credentials.proof {
            case .password(let password): hash.accepts(password)
            case .digest(let digest, challenge: let challenge): hash.accepts(digest: digest, challenge: challenge)
            // A file knows nothing of the channel.
            case .channel: false
            }
        return isRight && known != nil
    }
}
