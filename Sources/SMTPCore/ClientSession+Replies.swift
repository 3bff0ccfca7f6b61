// What the server answers.

extension ClientSession {
    /// The longest domain (RFC 5321 section 4.5.3.1.2): a longer first word is no name.
    private static let longestName = 255

    /// Takes a reply.
    public mutating func receive(_ reply: SMTPReply) -> Action {
        if reply.replyCode == 421, !self.isEnding { return self.fail(.serviceClosing, reply) }
        switch self.state {
        case .greeting:
            guard reply.replyCode == 220 else { return self.fail(.refusedSession, reply) }
            self.rememberName(reply)
            self.state = .extendedHello
            return .send([.ehlo(self.name)])
        case .extendedHello:
            if reply.isPositiveCompletion {
                self.rememberName(reply)
                self.capabilities = ServerCapabilities(ehloReply: reply)
                if self.isAwaitingTLS { return self.demandTLS(reply) }
                self.state = .idle(isDirty: false)
                return .ready
            }
            guard !reply.isPositiveIntermediate else { return self.fail(.unexpectedReply, reply) }
            guard reply.isPermanentNegative else { return self.fail(.refusedSession, reply) }
            // HELO has no extensions, and so no STARTTLS.
            guard !self.isAwaitingTLS else { return self.fail(.noTLS, reply) }
            self.state = .hello
            return .send([.helo(self.name)])
        case .hello:
            guard !reply.isPositiveIntermediate else { return self.fail(.unexpectedReply, reply) }
            guard reply.isPositiveCompletion else { return self.fail(.refusedSession, reply) }
            self.rememberName(reply)
            self.state = .idle(isDirty: false)
            return .ready
        case .startingTLS:
            if reply.replyCode == 220 {
                // RFC 3207 section 4.2: what was learnt in clear may be a stranger's.
                self.capabilities = ServerCapabilities()
                self.serverNames = []
                self.state = .handshaking
                return .startTLS
            }
            guard reply.isTransientNegative || reply.isPermanentNegative else {
                return self.fail(.unexpectedReply, reply)
            }
            guard !self.isAwaitingTLS else { return self.fail(.noTLS, reply) }
            self.state = .idle(isDirty: false)
            return .answered(.startTLS, reply)
        case .introducing(let introduction):
            return self.introduced(introduction, reply)
        case .greetingAsClient(let greeting, let credentials):
            return self.greeted(as: greeting, credentials, reply)
        case .authenticating(let responses):
            return self.authenticate(responses, reply)
        case .exchange(let exchange):
            return self.advance(exchange, reply)
        case .data(let accepted):
            // 2yz to DATA would make the server read a message as commands: RFC 5321 section 4.3.2 has no such reply.
            guard !reply.isPositiveCompletion else { return self.fail(.unexpectedReply, reply) }
            self.state = reply.isPositiveIntermediate ? .message : .open(accepted: accepted)
            return .answered(.data, reply)
        case .message:
            return self.fail(.earlyReply, reply)
        case .answer:
            guard !reply.isPositiveIntermediate else { return self.fail(.unexpectedReply, reply) }
            self.state = .idle(isDirty: false)
            self.mailVerdict = .none
            return .answered(.message, reply)
        case .quitting:
            return .wait
        case .handshaking, .idle, .open, .failed:
            return self.fail(.unexpectedReply, reply)
        }
    }

    private var isAwaitingTLS: Bool { self.requiresStartTLS && !self.isSecure }

    /// The server has answered EHLO in clear, where nothing else may be said in clear.
    private mutating func demandTLS(_ reply: SMTPReply) -> Action {
        guard self.extensions.contains(.startTLS) else { return self.fail(.noTLS, reply) }
        self.state = .startingTLS
        return .send([.startTLS])
    }

    private mutating func advance(_ exchange: Exchange, _ reply: SMTPReply) -> Action {
        var exchange = exchange
        guard !reply.isPositiveIntermediate else { return self.fail(.unexpectedReply, reply) }
        switch exchange.awaited {
        case .rset:
            guard reply.isPositiveCompletion else { return self.fail(.unexpectedReply, reply) }
            exchange.awaited = exchange.forwards > 0 ? .xforward : .mail
        case .xforward:
            guard reply.isPositiveCompletion else { return self.fail(.refusedIntroduction, reply) }
            exchange.forwards -= 1
            if exchange.forwards == 0 { exchange.awaited = .mail }
        case .mail:
            self.mailVerdict = reply.isPositiveCompletion ? .accepted : .refused
            if !reply.isPositiveCompletion {
                guard exchange.unsent.isEmpty else {
                    self.state = .idle(isDirty: true)
                    return .refused(reply, recipients: exchange.recipients)
                }
                exchange.refusal = reply
            }
            exchange.awaited = .rcpt
        case .rcpt:
            return self.answer(exchange, reply)
        }
        let next = exchange.unsent.popLast()
        self.state = .exchange(exchange)
        return next.map { .send([$0]) } ?? .wait
    }

    private mutating func answer(_ exchange: Exchange, _ reply: SMTPReply) -> Action {
        var exchange = exchange
        exchange.recipients -= 1
        // Whatever a server says to RCPT behind a MAIL that it refused, there is no transaction.
        let answer = exchange.refusal ?? reply
        if answer.isPositiveCompletion { exchange.accepted += 1 }
        let next = exchange.unsent.popLast()
        if exchange.recipients > 0 {
            self.state = .exchange(exchange)
        } else if exchange.refusal != nil {
            self.state = .idle(isDirty: true)
        } else {
            self.state = .open(accepted: exchange.accepted)
        }
        return next.map { .answeredAndSend(.recipient, answer, $0) } ?? .answered(.recipient, answer)
    }

    /// The first word of a greeting or of a reply to EHLO is the server's name (RFC 5321 section 4.2).
    mutating func rememberName(_ reply: SMTPReply) {
        guard let word = reply.lines.first?.split(separator: " ").first, word.utf8.count <= Self.longestName
        else { return }
        self.serverNames.append(String(word))
    }

    private var isEnding: Bool {
        switch self.state {
        // 421 to the final dot is the answer to the message, and nobody else's.
        case .answer, .quitting, .failed: true
        case .greeting, .extendedHello, .hello, .startingTLS, .handshaking, .introducing, .greetingAsClient,
            .authenticating, .idle, .exchange, .open, .data, .message:
            false
        }
    }

    mutating func fail(_ code: ClientSessionError.Code, _ reply: SMTPReply) -> Action {
        self.state = .failed
        return .fail(ClientSessionError(code: code, reply: reply))
    }
}
