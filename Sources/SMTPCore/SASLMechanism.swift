/// A SASL mechanism that is served here; the raw value is its name on the wire.
public enum SASLMechanism: String, CaseIterable, Sendable {
    // In the order in which nginx announces them, whatever order the configuration has.

    /// RFC 4616.
    case plain = "PLAIN"
    /// No RFC has it; its prompts are the ones that every client expects.
    case login = "LOGIN"
    /// RFC 2195.
    case cramMD5 = "CRAM-MD5"
    /// RFC 4422 appendix A.
    case external = "EXTERNAL"

    /// Whether it may be used in clear where TLS is to be had: whoever listens learns no password from it.
    public var isForClearChannels: Bool {
        switch self {
        case .cramMD5: true
        // EXTERNAL is about a certificate, which there is none of in clear.
        case .plain, .login, .external: false
        }
    }
}

/// What a client has shown of itself in a SASL exchange; whether it is true has to be found out.
public struct SASLCredentials: Equatable, Sendable {
    /// What proves it.
    public enum Proof: Equatable, Sendable {
        /// PLAIN and LOGIN: the password, not empty and without NUL.
        case password(Secret)
        /// CRAM-MD5: 32 hexadecimal digits, and the challenge that they answer, without its base64.
        case digest(Secret, challenge: [UInt8])
        /// EXTERNAL: nothing but the channel.
        case channel
    }

    /// How it was shown.
    public var mechanism: SASLMechanism
    /// The user's name: not empty, without NUL. Any other character may be in it, line ends included.
    public var user: String
    /// What proves it.
    public var proof: Proof

    /// Makes credentials.
    public init(mechanism: SASLMechanism, user: String, proof: Proof) {
        self.mechanism = mechanism
        self.user = user
        self.proof = proof
    }

    /// Overwrites what proves it.
    public func wipe() {
        switch self.proof {
        case .password(let secret), .digest(let secret, challenge: _): secret.wipe()
        case .channel: break
        }
    }
}
