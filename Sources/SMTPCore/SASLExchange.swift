/// The server's side of one SASL exchange in SMTP (RFC 4954), without any I/O: from AUTH to credentials, or to a refusal.
///
///     C: AUTH LOGIN
///     S: 334 VXNlcm5hbWU6                .challenge("VXNlcm5hbWU6")
///     C: dXNlcg==
///     S: 334 UGFzc3dvcmQ6                .challenge("UGFzc3dvcmQ6")
///     C: c2VjcmV0                        .verify(user, secret)
///
/// The challenges are nginx's. Whatever the client sends is wiped once it has been read.
public struct SASLExchange: Sendable {
    /// What the caller must do.
    public enum Step: Equatable, Sendable {
        /// Send this with 334, and call ``SASLExchange/respond(_:)`` with the response.
        case challenge(String)
        /// Find out whether this is true: the exchange is over.
        case verify(SASLCredentials)
        /// Refuse: the exchange is over.
        case refuse(SMTPReply)
    }

    private enum State {
        case begun
        case awaitingMessage
        case awaitingUser
        case awaitingPassword(user: String)
        case awaitingDigest
        case over
    }

    private static let userPrompt = "VXNlcm5hbWU6"
    private static let passwordPrompt = "UGFzc3dvcmQ6"

    /// The mechanism.
    public let mechanism: SASLMechanism
    private let challenge: [UInt8]
    private var state = State.begun

    /// Makes an exchange.
    ///
    /// - Parameter challenge: what CRAM-MD5 asks about, `<random.time@name>`: another one each time, or whoever listened
    ///   could answer it (RFC 2195 section 2).
    public init(_ mechanism: SASLMechanism, challenge: [UInt8]) {
        self.mechanism = mechanism
        self.challenge = challenge
    }

    /// Takes AUTH with its initial response, in base64; nil where there is none, `=` for an empty one.
    public mutating func begin(_ initialResponse: Secret?) -> Step {
        guard case .begun = self.state else { preconditionFailure("an exchange begins once") }
        switch self.mechanism {
        case .plain:
            self.state = .awaitingMessage
            guard let initialResponse else { return .challenge("") }
            return self.decoded(initialResponse, isInitial: true)
        case .login, .external:
            self.state = .awaitingUser
            guard let initialResponse else { return .challenge(Self.userPrompt) }
            return self.decoded(initialResponse, isInitial: true)
        case .cramMD5:
            // RFC 4954 section 4: where the server speaks first, an initial response is refused with 501.
            guard initialResponse == nil else { return self.refuse(.unexpectedInitialResponse) }
            self.state = .awaitingDigest
            return .challenge(Base64.encode(self.challenge.span))
        }
    }

    /// Takes the response to a challenge: a line in base64, without its line end. An empty line is an empty response.
    public mutating func respond(_ response: Secret) -> Step {
        self.decoded(response, isInitial: false)
    }

    private mutating func decoded(_ response: Secret, isInitial: Bool) -> Step {
        defer { response.wipe() }
        let octets: [UInt8]? = response.withOctets { text in
            if isInitial, text.count == 1, text[0] == UInt8(ascii: "=") { return [] }
            return Base64.decode(text)
        }
        guard var octets else { return self.refuse(.invalidBase64) }
        defer { Secret.wipe(&octets) }
        switch self.state {
        case .awaitingMessage: return self.plain(octets.span)
        case .awaitingUser: return self.user(octets.span)
        case .awaitingPassword(let user): return self.password(octets.span, of: user)
        case .awaitingDigest: return self.digest(octets.span)
        case .begun, .over: preconditionFailure("no challenge is out")
        }
    }
}

extension SASLExchange {
    /// `[authzid] NUL authcid NUL passwd` (RFC 4616 section 2).
    ///
    /// Deviates: whom the client wants to act as, the authzid, is not looked at, as in nginx: it acts as who it is.
    private mutating func plain(_ message: Span<UInt8>) -> Step {
        var separators: [Int] = []
        for index in 0..<message.count where message[index] == 0 {
            guard separators.count < 2 else { return self.refuse(.invalidResponse) }
            separators.append(index)
        }
        guard separators.count == 2 else { return self.refuse(.invalidResponse) }
        guard let user = self.name(message.extracting(separators[0] + 1..<separators[1])) else {
            return self.refuse(.invalidResponse)
        }
        return self.verify(user, password: message.extracting((separators[1] + 1)...))
    }

    private mutating func user(_ octets: Span<UInt8>) -> Step {
        guard let user = self.name(octets) else { return self.refuse(.invalidResponse) }
        if self.mechanism == .external {
            guard !user.isEmpty else { return self.refuse(.invalidCredentials) }
            return self.verify(SASLCredentials(mechanism: .external, user: user, proof: .channel))
        }
        self.state = .awaitingPassword(user: user)
        return .challenge(Self.passwordPrompt)
    }

    private mutating func password(_ octets: Span<UInt8>, of user: String) -> Step {
        // (crypt(3) would take what stands before a NUL for the whole.)
        for index in 0..<octets.count where octets[index] == 0 { return self.refuse(.invalidResponse) }
        return self.verify(user, password: octets)
    }

    /// `user SP digest`: 32 hexadecimal digits at the end (RFC 2195 section 2); the name may have spaces in it.
    private mutating func digest(_ octets: Span<UInt8>) -> Step {
        let start = octets.count - 32
        guard start >= 1, octets[start - 1] == 0x20, let user = self.name(octets.extracting(0..<start - 1)) else {
            return self.refuse(.invalidResponse)
        }
        for index in start..<octets.count where hexValue(octets[index]) == nil { return self.refuse(.invalidResponse) }
        guard !user.isEmpty else { return self.refuse(.invalidCredentials) }
        let digest = Secret(copying: octets.extracting(start...))
        return self.verify(
            SASLCredentials(mechanism: .cramMD5, user: user, proof: .digest(digest, challenge: self.challenge)))
    }

    /// A user's name: UTF-8 (RFC 4616 section 2) without NUL; nil for anything else.
    private func name(_ octets: Span<UInt8>) -> String? {
        for index in 0..<octets.count where octets[index] == 0 { return nil }
        guard let text = try? UTF8Span(validating: octets) else { return nil }
        return String(copying: text)
    }

    /// Deviates: nginx asks about an empty name or password too. RFC 4616 section 2 has none, and a directory takes an empty
    /// password for somebody who does not want to be authenticated at all (RFC 4513 section 5.1.2): with success.
    private mutating func verify(_ user: String, password: Span<UInt8>) -> Step {
        guard !user.isEmpty, !password.isEmpty else { return self.refuse(.invalidCredentials) }
        return self.verify(
            SASLCredentials(mechanism: self.mechanism, user: user, proof: .password(Secret(copying: password))))
    }

    private mutating func verify(_ credentials: SASLCredentials) -> Step {
        self.state = .over
        return .verify(credentials)
    }

    private mutating func refuse(_ reply: SMTPReply) -> Step {
        self.state = .over
        return .refuse(reply)
    }
}
