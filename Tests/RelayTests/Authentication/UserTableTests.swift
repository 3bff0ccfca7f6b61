import Relay
import SMTPCore
import Testing

private func password(_ user: String, _ password: String) -> SASLCredentials {
    SASLCredentials(mechanism: .plain, user: user, proof: .password(Secret(Array(password.utf8))))
}

@Suite struct UserTableTests {
    /// "secret", as htpasswd, mkpasswd and openssl passwd write it.
    static let hashes = [
        "$apr1$8fXeyMBp$82CVY5tfAbFCBj.C5S3L6/", "{PLAIN}secret", "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
        "{SSHA}8bX4JQDfZqtTfvnQ4ssDmWb17/FTQUxU", "$1$saltsalt$9xy1btjgzLYfb7hivXtC//",
        "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA",
        "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1",
        "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a",
        "$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a",
        "$y$j75$saltsalt$0gBD67sgmJgRX3RZ6wHHO7sHimQEWGCWN85o4Twogh2", "abNANd1rDfiNc",
    ]

    @Test("Every format of a hash takes its password, and no other", arguments: hashes)
    func formats(_ hash: String) throws {
        let table = try UserTable(Array("user:\(hash)\n".utf8))
        #expect(table.accepts(password("user", "secret")))
        for wrong in ["Secret", "secret ", "secre", " secret", "sécret", "\u{FF}", "secret\0", hash] {
            #expect(!table.accepts(password("user", wrong)), "\(wrong)")
        }
        #expect(!table.accepts(password("other", "secret")))
        #expect(!table.accepts(SASLCredentials(mechanism: .external, user: "user", proof: .channel)))
    }

    @Test("A password that is long and not ASCII")
    func apr1() throws {
        let table = try UserTable(Array("u:$apr1$ab$lCtrO6nfUrjqoDPcnTpZg0".utf8))
        #expect(table.accepts(password("u", "pässword with a longer text than sixteen octets")))
        #expect(!table.accepts(password("u", String(repeating: "x", count: 9000))))
        let crypted = try UserTable(Array("u:\(Self.hashes[6])".utf8))
        #expect(!crypted.accepts(password("u", String(repeating: "x", count: 9000))))
    }

    @Test("CRAM-MD5 needs the password in clear, and takes digits in any case")
    func cramMD5() throws {
        // RFC 2195 section 2.
        let challenge = Array("<1896.697170952@postoffice.reston.mci.net>".utf8)
        func credentials(_ digest: String) -> SASLCredentials {
            SASLCredentials(
                mechanism: .cramMD5, user: "tim", proof: .digest(Secret(Array(digest.utf8)), challenge: challenge))
        }
        let table = try UserTable(Array("tim:{PLAIN}tanstaaftanstaaf\n".utf8))
        #expect(table.knowsPasswords)
        #expect(table.accepts(credentials("b913a602c7eda7a495b4e6e7334d3890")))
        #expect(table.accepts(credentials("B913A602C7EDA7A495B4E6E7334D3890")))
        #expect(!table.accepts(credentials("b913a602c7eda7a495b4e6e7334d3891")))
        let hashed = try UserTable(Array("tim:\(Self.hashes[0])\n".utf8))
        #expect(!hashed.knowsPasswords)
        #expect(!hashed.accepts(credentials("b913a602c7eda7a495b4e6e7334d3890")))
    }

    @Test("Comments, empty lines, CRLF, a comment behind the hash, and names with spaces or letters that are not ASCII")
    func lines() throws {
        let text = """
            # users

            first:{PLAIN}one:the first\r
            us er:{PLAIN}two
            jürgen@example.org:{PLAIN}three
            gone:!$6$x$y
            away:*
            """
        let table = try UserTable(Array(text.utf8))
        #expect(table.count == 5)
        #expect(table.accepts(password("first", "one")))
        #expect(table.accepts(password("us er", "two")))
        #expect(table.accepts(password("jürgen@example.org", "three")))
        #expect(!table.accepts(password("ju\u{308}rgen@example.org", "three")), "other octets, another user")
        #expect(!table.accepts(password("First", "one")))
        for locked in ["gone", "away"] {
            for guess in ["", "!$6$x$y", "*", "!"] { #expect(!table.accepts(password(locked, guess))) }
        }
        let none = try UserTable([])
        #expect(none.count == 0 && !none.accepts(password("a", "b")))
    }

    @Test(
        "A mistake is told with its line, and nothing of the line",
        arguments: [
            ("a:{PLAIN}x\nb", 2, "no colon behind the user's name"),
            (":{PLAIN}hunter2", 1, "the user's name is empty, not UTF-8, or has a control character"),
            ("a\tb:{PLAIN}hunter2", 1, "the user's name is empty, not UTF-8, or has a control character"),
            ("a:{PLAIN}x\n\na:{PLAIN}hunter2", 3, "this user is in line 1 already"),
            ("a:", 1, "the password is missing"),
            ("a:{PLAIN}", 1, "the password is empty"),
            ("a:hunter2", 1, "not a hash that is known: use htpasswd -B, mkpasswd, or {PLAIN} and the password"),
            ("a:{MD5}hunter2", 1, "not a hash that is known: use htpasswd -B, mkpasswd, or {PLAIN} and the password"),
            ("a:$99$hunter2", 1, "not a hash that is known: use htpasswd -B, mkpasswd, or {PLAIN} and the password"),
            ("a:{SHA}hunter2", 1, "not the base64 of a SHA-1 digest"),
            ("a:{SSHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", 1, "not the base64 of a SHA-1 digest and a salt"),
            ("a:$apr1$hunter2", 1, "not a hash of $apr1$"),
            ("a:$apr1$saltsaltsalt$82CVY5tfAbFCBj.C5S3L6/", 1, "not a hash of $apr1$"),
        ])
    func mistakes(_ text: String, _ line: Int, _ message: String) {
        let problem = #expect(throws: UserTable.Problem.self) { try UserTable(Array(text.utf8)) }
        #expect(problem == UserTable.Problem(line: line, message: message))
        #expect(problem?.message.contains("hunter2") != true)
    }

    @Test("A hash of DES is a warning")
    func des() throws {
        let table = try UserTable(Array("a:{PLAIN}x\nb:abNANd1rDfiNc".utf8))
        #expect(table.warnings.map(\.line) == [2])
    }

    @Test("A dump shows no password and no hash")
    func secrecy() throws {
        var dumped = ""
        dump(try UserTable(Array("a:{PLAIN}hunter2\nb:\(Self.hashes[6])".utf8)), to: &dumped)
        #expect(!dumped.contains("hunter2") && !dumped.contains("saltsalt"))
    }
}
