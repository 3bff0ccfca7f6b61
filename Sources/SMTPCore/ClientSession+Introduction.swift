// On whose behalf the session is: XCLIENT, the client's own greeting, AUTH; XFORWARD in front of each transaction.
//
// Each is asked for by whoever runs the server, and what it tells decides what the server allows. So a server that does
// not announce it, or refuses it, gets no mail: without XCLIENT it would take every client for this relay, which it trusts.

extension ClientSession {
    /// The longest line of AUTH with an initial response (RFC 5321 section 4.5.3.1.4; RFC 4954 section 4).
    private static let longestCommand = 512

    /// Tells the server on whose behalf the session is; only when idle, before the first transaction, and behind TLS where
    /// there is to be any. Then comes ``Action/ready`` again, or a failure.
    public mutating func introduce(_ introduction: ClientIntroduction) -> Action {
        guard case .idle(isDirty: false) = self.state else { preconditionFailure("the session is not fresh") }
        if introduction.needsXForward, !self.extensions.contains(.xforward) { return self.failUnannounced("XFORWARD") }
        guard let attributes = introduction.xclient else { return self.logIn(introduction.credentials) }
        let taken = attributes.taken(by: self.capabilities.xclient, verb: "XCLIENT")
        // Of a client whose address it does not take it knows nothing.
        guard self.extensions.contains(.xclient), taken.contains(where: { $0.name == .address }) else {
            return self.failUnannounced("XCLIENT")
        }
        self.state = .introducing(introduction)
        return .send([.xclient(taken)])
    }

    /// XCLIENT was answered: by a new greeting, where the server takes it.
    mutating func introduced(_ introduction: ClientIntroduction, _ reply: SMTPReply) -> Action {
        guard reply.isPositiveCompletion else { return self.fail(.refusedIntroduction, reply) }
        guard let greeting = introduction.greeting else { return self.logIn(introduction.credentials) }
        self.state = .greetingAsClient(greeting, introduction.credentials)
        switch greeting {
        case .ehlo(let name): return .send([.ehlo(name)])
        case .helo(let name): return .send([.helo(name)])
        }
    }

    /// The client's own greeting was answered.
    mutating func greeted(
        as greeting: ServerSession.Greeting, _ credentials: ClientCredentials?, _ reply: SMTPReply
    ) -> Action {
        guard !reply.isPositiveIntermediate else { return self.fail(.unexpectedReply, reply) }
        guard reply.isPositiveCompletion else { return self.fail(.refusedClient, reply) }
        self.rememberName(reply)
        let mechanisms = self.capabilities.mechanisms
        switch greeting {
        case .ehlo:
            self.capabilities = ServerCapabilities(ehloReply: reply)
        case .helo:
            // What it said to our EHLO is not offered to HELO; that it knows AUTH, and XFORWARD, is no less true.
            var capabilities = ServerCapabilities(
                extensions: self.extensions.intersection([.auth, .xforward]), mechanisms: mechanisms)
            capabilities.xforward = self.capabilities.xforward
            self.capabilities = capabilities
        }
        return self.logIn(credentials)
    }

    /// The next step of AUTH, or of what comes behind it.
    mutating func authenticate(_ responses: [SASLResponse], _ reply: SMTPReply) -> Action {
        if reply.replyCode == 235 { return self.becomeReady() }
        guard reply.isPositiveIntermediate else {
            let isRefusal = reply.isTransientNegative || reply.isPermanentNegative
            return self.fail(isRefusal ? .refusedAuthentication : .unexpectedReply, reply)
        }
        var responses = responses
        // What the challenge says is not looked at: LOGIN's are two words that nobody agrees about.
        guard reply.replyCode == 334, let response = responses.popLast() else {
            return self.fail(.unexpectedReply, reply)
        }
        self.state = .authenticating(responses)
        return .send([.response(response)])
    }

    /// AUTH by the one mechanism or the other, of which PLAIN needs fewer turns.
    private mutating func logIn(_ credentials: ClientCredentials?) -> Action {
        guard let credentials else { return self.becomeReady() }
        let mechanisms = self.capabilities.mechanisms
        if mechanisms.contains("PLAIN") {
            let response = SASLResponse.plain(credentials)
            let command = ClientCommand.auth("PLAIN", response)
            let fits = command.line.utf8.count <= Self.longestCommand
            self.state = .authenticating(fits ? [] : [response])
            return .send([fits ? command : .auth("PLAIN", nil)])
        }
        guard mechanisms.contains("LOGIN") else { return self.failUnannounced("AUTH PLAIN") }
        let password = credentials.password.withOctets { SASLResponse($0) }
        self.state = .authenticating([password, SASLResponse(credentials.user.span)])
        return .send([.auth("LOGIN", nil)])
    }

    private mutating func becomeReady() -> Action {
        self.state = .idle(isDirty: false)
        return .ready
    }

    private mutating func failUnannounced(_ what: String) -> Action {
        self.fail(.notAnnounced, SMTPReply(451, .init(4, 3, 0), "\(what) is not announced"))
    }

    /// XFORWARD as Postfix sends it: who the client is, then how it came; nothing where the server announced none.
    func forwards(_ attributes: [ClientAttribute]) -> [ClientCommand] {
        guard !attributes.isEmpty, self.extensions.contains(.xforward) else { return [] }
        let first: [ClientAttribute.Name] = [.name, .address, .port]
        let second: [ClientAttribute.Name] = [.protocolName, .helo, .identifier, .source]
        return [first, second].compactMap { names in
            let part = names.compactMap { name in attributes.first { $0.name == name } }
                .taken(by: self.capabilities.xforward, verb: "XFORWARD")
            return part.isEmpty ? nil : .xforward(part)
        }
    }
}
