import SMTPCore
import Testing

private let challenge = Array("<1896.697170952@postoffice.example.net>".utf8)

private func base64(_ text: String) -> Secret {
    Secret(Array(Base64.encode(Array(text.utf8).span).utf8))
}

private func exchange(_ mechanism: SASLMechanism) -> SASLExchange {
    SASLExchange(mechanism, challenge: challenge)
}

private func password(_ mechanism: SASLMechanism, _ user: String, _ password: Secret) -> SASLExchange.Step {
    .verify(SASLCredentials(mechanism: mechanism, user: user, proof: .password(password)))
}

@Suite struct SASLExchangeTests {
    /// A mechanism, an initial response or none, and the step that follows.
    static let beginnings: [(SASLMechanism, String?, SASLExchange.Step)] = [
        (.plain, nil, .challenge("")),
        (.plain, "\0user\0secret", password(.plain, "user", "secret")),
        (.plain, "admin\0user\0secret", password(.plain, "user", "secret")),
        (.plain, "\0us er\0se cret ", password(.plain, "us er", "se cret ")),
        (.plain, "\0jürgen\0straße", password(.plain, "jürgen", "straße")),
        (.plain, "", .refuse(.invalidResponse)),
        (.plain, "user", .refuse(.invalidResponse)),
        (.plain, "\0user", .refuse(.invalidResponse)),
        (.plain, "\0user\0sec\0ret", .refuse(.invalidResponse)),
        (.plain, "\0user\0", .refuse(.invalidCredentials)),
        (.plain, "\0\0secret", .refuse(.invalidCredentials)),
        (.plain, "\0\0", .refuse(.invalidCredentials)),
        (.login, nil, .challenge("VXNlcm5hbWU6")),
        (.login, "user", .challenge("UGFzc3dvcmQ6")),
        (.login, "us\0er", .refuse(.invalidResponse)),
        (.cramMD5, nil, .challenge("PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UuZXhhbXBsZS5uZXQ+")),
        (.cramMD5, "user", .refuse(.unexpectedInitialResponse)),
        (.cramMD5, "", .refuse(.unexpectedInitialResponse)),
        (.external, nil, .challenge("VXNlcm5hbWU6")),
        (.external, "user", .verify(SASLCredentials(mechanism: .external, user: "user", proof: .channel))),
        (.external, "", .refuse(.invalidCredentials)),
        (.external, "us\0er", .refuse(.invalidResponse)),
    ]

    @Test("AUTH with and without an initial response; an equals sign is an empty one", arguments: beginnings.indices)
    func beginning(_ index: Int) {
        let (mechanism, response, step) = Self.beginnings[index]
        var exchange = exchange(mechanism)
        let initial = response.map { $0.isEmpty ? "=" : base64($0) }
        #expect(exchange.begin(initial) == step)
    }

    /// A mechanism, the response to its first challenge, and the step that follows.
    static let responses: [(SASLMechanism, String, SASLExchange.Step)] = [
        (.plain, "\0user\0secret", password(.plain, "user", "secret")),
        (.plain, "", .refuse(.invalidResponse)),
        (.login, "user", .challenge("UGFzc3dvcmQ6")),
        (.login, "", .challenge("UGFzc3dvcmQ6")),
        (
            .cramMD5, "tim b913a602c7eda7a495b4e6e7334d3890",
            .verify(
                SASLCredentials(
                    mechanism: .cramMD5, user: "tim",
                    proof: .digest("b913a602c7eda7a495b4e6e7334d3890", challenge: challenge)))
        ),
        (
            .cramMD5, "tim t B913A602C7EDA7A495B4E6E7334D3890",
            .verify(
                SASLCredentials(
                    mechanism: .cramMD5, user: "tim t",
                    proof: .digest("B913A602C7EDA7A495B4E6E7334D3890", challenge: challenge)))
        ),
        (.cramMD5, "", .refuse(.invalidResponse)),
        (.cramMD5, "tim", .refuse(.invalidResponse)),
        (.cramMD5, "tim b913a602c7eda7a495b4e6e7334d389", .refuse(.invalidResponse)),
        (.cramMD5, "b913a602c7eda7a495b4e6e7334d3890", .refuse(.invalidResponse)),
        (.cramMD5, " b913a602c7eda7a495b4e6e7334d3890", .refuse(.invalidCredentials)),
        (.cramMD5, "tim g913a602c7eda7a495b4e6e7334d3890", .refuse(.invalidResponse)),
        (.cramMD5, "t\0m b913a602c7eda7a495b4e6e7334d3890", .refuse(.invalidResponse)),
        (.external, "user", .verify(SASLCredentials(mechanism: .external, user: "user", proof: .channel))),
        (.external, "", .refuse(.invalidCredentials)),
    ]

    @Test("The response to the first challenge", arguments: responses.indices)
    func response(_ index: Int) {
        let (mechanism, response, step) = Self.responses[index]
        var exchange = exchange(mechanism)
        _ = exchange.begin(nil)
        #expect(exchange.respond(base64(response)) == step)
    }

    @Test(
        "LOGIN's password",
        arguments: [
            ("secret", password(.login, "user", "secret")), ("", .refuse(.invalidCredentials)),
            ("sec\0ret", .refuse(.invalidResponse)), ("\0", .refuse(.invalidResponse)),
        ])
    func loginPassword(_ text: String, _ step: SASLExchange.Step) {
        for isInitial in [true, false] {
            var exchange = exchange(.login)
            #expect(
                (isInitial ? exchange.begin(base64("user")) : exchange.begin(nil))
                    == .challenge(isInitial ? "UGFzc3dvcmQ6" : "VXNlcm5hbWU6"))
            if !isInitial { _ = exchange.respond(base64("user")) }
            #expect(exchange.respond(base64(text)) == step)
        }
        var unnamed = exchange(.login)
        _ = unnamed.begin(nil)
        _ = unnamed.respond("")
        #expect(unnamed.respond(base64("secret")) == .refuse(.invalidCredentials))
    }

    @Test(
        "What is no base64 ends an exchange with 501 5.5.2", arguments: SASLMechanism.allCases,
        ["A", "=", "====", "AAA", "AB=C", "A===", "AAAA=", "AA A", "AA\tA", "-_AA", "AAB=", "AB==", "*AAA", "ÄA="])
    func invalidBase64(_ mechanism: SASLMechanism, _ text: String) {
        var exchange = exchange(mechanism)
        _ = exchange.begin(nil)
        #expect(exchange.respond(Secret(Array(text.utf8))) == .refuse(.invalidBase64))
    }

    @Test("A name that is not UTF-8 is refused", arguments: SASLMechanism.allCases)
    func notUTF8(_ mechanism: SASLMechanism) {
        let response: [UInt8] =
            switch mechanism {
            case .plain: [0, 0xFF, 0, 0x41]
            case .login, .external: [0xC3]
            case .cramMD5: [0xFF, 0x20] + Array(repeating: 0x61, count: 32)
            }
        var exchange = exchange(mechanism)
        _ = exchange.begin(nil)
        let encoded = Secret(Array(Base64.encode(response.span).utf8))
        #expect(exchange.respond(encoded) == .refuse(.invalidResponse))
    }

    @Test("What the client sent is wiped once it is read")
    func wiped() {
        var exchange = exchange(.plain)
        let response = base64("\0user\0secret")
        guard case .verify(let credentials) = exchange.begin(response) else {
            Issue.record("no credentials")
            return
        }
        #expect(response.count == 0)
        credentials.wipe()
        #expect(credentials.proof == .password(""))
    }

    @Test("A secret is in no description and no dump")
    func secrecy() {
        let command = SMTPCommand.auth(AuthCommand(mechanism: "PLAIN", initialResponse: "AHVzZXIAaHVudGVyMg=="))
        let credentials = SASLCredentials(mechanism: .plain, user: "user", proof: .password("hunter2"))
        var dumped = ""
        dump(command, to: &dumped)
        dump(credentials, to: &dumped)
        for text in [dumped, "\(command)", String(reflecting: command), "\(credentials)"] {
            #expect(!text.contains("hunter2") && !text.contains("AHVz"))
            #expect(!text.contains("104"), "as numbers")
        }
    }
}

@Suite struct Base64Tests {
    @Test("RFC 4648's examples, there and back")
    func examples() {
        for (text, encoded) in [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            #expect(Base64.encode(Array(text.utf8).span) == encoded)
            #expect(Base64.decode(Array(encoded.utf8).span) == Array(text.utf8))
        }
    }

    @Test("Every octet comes back, at every place")
    func octets() {
        for length in 1...4 {
            for value in UInt8.min...UInt8.max {
                for place in 0..<length {
                    var octets = [UInt8](repeating: 0x5A, count: length)
                    octets[place] = value
                    #expect(Base64.decode(Array(Base64.encode(octets.span).utf8).span) == octets)
                }
            }
        }
    }

    @Test("Each value has one spelling: bits behind the last octet are zero")
    func canonical() {
        #expect(Base64.decode(Array("Zh==".utf8).span) == nil)
        #expect(Base64.decode(Array("Zm9=".utf8).span) == nil)
    }
}
