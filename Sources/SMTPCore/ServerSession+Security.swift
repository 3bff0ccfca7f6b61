// STARTTLS (RFC 3207) and AUTH (RFC 4954): when they are in order. The handshake and the mechanisms are the caller's.

extension ServerSession {
    /// Whether the client has to begin TLS before anything else.
    var isAwaitingTLS: Bool { self.configuration.requiresTLS && !self.isSecure }

    /// What a command gets that has to wait for TLS; nil for the four that need not (RFC 3207 section 4).
    mutating func refusalInClear(_ command: SMTPCommand) -> Action? {
        switch command {
        case .noop, .ehlo, .startTLS, .quit:
            return nil
        case .helo, .mail, .rcpt, .data, .rset, .vrfy, .help, .auth:
            return .reply(.mustStartTLS)
        case .bdat(let size, _):
            // Its octets follow, whatever it is answered: none of them may be read as a command.
            let bound: UInt64 = 1 << 20
            return size > bound
                ? self.close(.mustStartTLS) : .discardChunk(size: size, .mustStartTLS, resetsTransaction: false)
        case .unimplemented:
            return self.countError(.mustStartTLS)
        }
    }

    mutating func startTLS() -> Action {
        guard self.configuration.offersTLS || self.isSecure else { return self.countError(.notImplemented) }
        switch self.state {
        case .connected where !self.isSecure, .identified where !self.isSecure:
            self.state = .startingTLS(isIdentified: self.state == .identified)
            return .startTLS(.readyForTLS)
        default:
            return .reply(.badSequence)
        }
    }

    /// TLS has begun: what the client said in clear counts no more (RFC 3207 section 4.2).
    public mutating func tlsEstablished() {
        guard case .startingTLS = self.state else { preconditionFailure("no TLS was to begin") }
        self.state = .connected
        self.isSecure = true
        self.extendedReply = self.configuration.announcement(isSecure: true).reply
        self.isAuthenticated = false
        self.greeting = nil
    }

    /// TLS cannot begin now, and 220 has not been sent: 454 (RFC 3207 section 4).
    public mutating func tlsUnavailable() -> Action {
        guard case .startingTLS(let isIdentified) = self.state else { preconditionFailure("no TLS was to begin") }
        self.state = isIdentified ? .identified : .connected
        return .reply(.tlsUnavailable)
    }

    mutating func authenticate(_ command: AuthCommand) -> Action {
        guard !self.configuration.authMechanisms.isEmpty else { return self.countError(.notImplemented) }
        guard self.mayAuthenticate, !self.isAuthenticated else { return .reply(.badSequence) }
        guard self.configuration.authMechanisms.contains(command.mechanism) else {
            return self.countError(.mechanismNotSupported)
        }
        guard self.configuration.mechanisms(isSecure: self.isSecure).contains(command.mechanism) else {
            return self.countError(.encryptionRequired)
        }
        self.state = .authenticating
        return .authenticate(command)
    }

    /// Between transactions, and behind the EHLO that announced it (RFC 4954 section 4), unless nobody has to say EHLO.
    private var mayAuthenticate: Bool {
        switch self.state {
        case .identified:
            if case .ehlo = self.greeting { return true }
            return !self.configuration.requiresHello
        case .connected:
            return !self.configuration.requiresHello
        case .refusing, .transaction, .resolvingRecipient, .preparingMessage, .receivingMessage, .awaitingChunk,
            .receivingChunk, .refusingChunks, .startingTLS, .authenticating, .challenging, .closed:
            return false
        }
    }

    /// Whether there is AUTH at all.
    public var offersAuthentication: Bool { !self.configuration.authMechanisms.isEmpty }

    /// The mechanism wants to hear more; `challenge` is in base64, empty where there is nothing to say.
    public mutating func authenticationContinued(_ challenge: String) -> Action {
        guard case .authenticating = self.state else { preconditionFailure("no SASL exchange is going on") }
        self.state = .challenging
        return .challenge(SMTPReply(334, nil, challenge))
    }

    /// Takes the client's response to a challenge: a line, without its line end.
    public mutating func receiveResponse(_ line: Secret) -> Action {
        guard case .challenging = self.state else { preconditionFailure("no challenge is out") }
        if line.withOctets({ $0.count == 1 && $0[0] == UInt8(ascii: "*") }) {
            // RFC 4954 section 4: the client cancels.
            self.state = .identified
            return self.countError(.authenticationCancelled)
        }
        self.state = .authenticating
        return .continueAuthentication(line)
    }

    /// The SASL exchange is over, with this reply: 235 where the client is who it says; `closing` ends the session with it.
    public mutating func authenticationCompleted(_ reply: SMTPReply, closing: Bool = false) -> Action {
        guard case .authenticating = self.state else { preconditionFailure("no SASL exchange is going on") }
        if closing { return self.close(reply) }
        self.state = .identified
        guard reply.isPositiveCompletion else { return self.countError(reply) }
        self.isAuthenticated = true
        return .reply(reply)
    }
}
