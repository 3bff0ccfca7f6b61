/// The extensions that a server announced in its reply to EHLO (RFC 5321 section 4.1.1.1).
public struct ServerExtensions: OptionSet, Hashable, Sendable {
    /// One bit for each extension that makes a difference to us.
    public let rawValue: UInt16
    /// Makes a set of its bits.
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// PIPELINING (RFC 2920).
    public static let pipelining = ServerExtensions(rawValue: 1)
    /// SIZE (RFC 1870).
    public static let size = ServerExtensions(rawValue: 2)
    /// 8BITMIME (RFC 6152).
    public static let eightBitMIME = ServerExtensions(rawValue: 4)
    /// SMTPUTF8 (RFC 6531).
    public static let smtpUTF8 = ServerExtensions(rawValue: 8)
    /// DSN (RFC 3461).
    public static let dsn = ServerExtensions(rawValue: 16)
    /// ENHANCEDSTATUSCODES (RFC 2034).
    public static let enhancedStatusCodes = ServerExtensions(rawValue: 32)
    /// CHUNKING (RFC 3030).
    public static let chunking = ServerExtensions(rawValue: 64)
    /// STARTTLS (RFC 3207).
    public static let startTLS = ServerExtensions(rawValue: 128)
    /// AUTH, with any mechanism (RFC 4954).
    public static let auth = ServerExtensions(rawValue: 256)
    /// LIMITS (RFC 9422).
    public static let limits = ServerExtensions(rawValue: 512)

    /// Reads the lines of an EHLO reply; the first is the server's name.
    init(_ reply: SMTPReply) {
        var extensions: ServerExtensions = []
        for line in reply.lines.dropFirst() {
            if line.hasKeyword("PIPELINING") {
                extensions.insert(.pipelining)
            } else if line.hasKeyword("SIZE") {
                extensions.insert(.size)
            } else if line.hasKeyword("8BITMIME") {
                extensions.insert(.eightBitMIME)
            }
        }
        self = extensions
    }
}

extension String {
    /// Whether the line begins with this EHLO keyword, in any case, and ends there or goes on with a parameter; some
    /// servers write `AUTH=PLAIN` for `AUTH PLAIN`. `keyword` is in upper case.
    fileprivate func hasKeyword(_ keyword: String) -> Bool {
        var octets = self.utf8.makeIterator()
        for expected in keyword.utf8 {
            guard let octet = octets.next(), upperCased(octet) == expected else { return false }
        }
        guard let next = octets.next() else { return true }
        return next == UInt8(ascii: " ") || next == UInt8(ascii: "=")
    }
}

/// A command to a server.
public enum ClientCommand: Hashable, Sendable {
    /// `EHLO name`.
    case ehlo(String)
    /// `HELO name`.
    case helo(String)
    /// `RSET`.
    case rset
    /// `MAIL FROM:`, with the parameters that the server knows.
    case mail(MailCommand)
    /// `RCPT TO:`.
    case rcpt(RecipientCommand)
    /// `DATA`.
    case data
    /// `QUIT`.
    case quit
}

/// Why a session with a server cannot go on.
public struct ClientSessionError: Error, Hashable, Sendable {
    /// What happened.
    public enum Code: UInt8, Sendable {
        /// The server greeted with something else than 220, or refused EHLO and HELO.
        case refusedSession
        /// The server said 421: it is going away (RFC 5321 section 3.8).
        case serviceClosing
        /// A reply that the command cannot have, or one that nothing asked for.
        case unexpectedReply
        /// A reply came before the message was whole.
        case earlyReply
    }

    /// What happened.
    public var code: Code
    /// The server's reply.
    public var reply: SMTPReply

    /// Makes an error of what happened and the reply that it happened with.
    public init(code: Code, reply: SMTPReply) {
        self.code = code
        self.reply = reply
    }
}

/// The client's side of an SMTP session, without any I/O: what a relay says to a backend.
///
/// A transaction begins with its first recipient: RSET (where an earlier one was left open), MAIL and RCPT go out in one
/// write where the server pipelines, one at a time where not. A refusal of MAIL is the answer to that recipient.
///
///     S: 220 backend ESMTP
///     C: EHLO relay            S: 250-backend / 250 PIPELINING           .ready
///     C: MAIL …, RCPT …        S: 250 OK / 250 OK                        .answered(.recipient, 250)
///     C: DATA                  S: 354 go ahead                           .answered(.data, 354)
///     C: (message)             S: 250 queued                             .answered(.message, 250)
public struct ClientSession: Sendable {
    /// What a reply answers.
    public enum Question: UInt8, Sendable {
        /// RCPT, or a refused MAIL in front of it.
        case recipient
        /// DATA.
        case data
        /// The final dot.
        case message
    }

    /// What the caller must do before it feeds the session again.
    public enum Action: Equatable, Sendable {
        /// Nothing yet: more replies are to come.
        case wait
        /// Send these, in one write.
        case send([ClientCommand])
        /// The server is ready for a transaction.
        case ready
        /// The server's answer to a question of the caller's.
        case answered(Question, SMTPReply)
        /// Close the connection.
        case fail(ClientSessionError)
    }

    private enum Step: UInt8 { case rset, mail, rcpt }

    /// A transaction that is being opened.
    private struct Opening {
        /// What was sent and waits for its reply, in order.
        var unanswered: [Step]
        /// What waits until the server has answered: it does not pipeline.
        var unsent: [ClientCommand]
        /// The reply that refused MAIL.
        var refusal: SMTPReply?
    }

    private enum State {
        case greeting
        case extendedHello
        case hello
        /// Ready; `isDirty` when a transaction was left open at the server.
        case idle(isDirty: Bool)
        case opening(Opening)
        case open
        case recipient
        case data
        case message
        case answer
        case quitting
        case failed
    }

    private let name: String
    private var state = State.greeting
    /// What the server announced; empty before ``Action/ready``.
    public private(set) var extensions: ServerExtensions = []

    /// Makes a session for a connection that has just been opened.
    ///
    /// - Parameter name: what to say in EHLO.
    public init(name: String) {
        self.name = name
    }

    /// Whether a transaction can begin: ``begin(_:_:)`` may be called.
    public var isIdle: Bool {
        if case .idle = self.state { return true }
        return false
    }

    /// Whether a transaction is open and nothing is outstanding: ``recipient(_:)`` and ``data()`` may be called.
    public var isOpen: Bool {
        if case .open = self.state { return true }
        return false
    }
}

// MARK: What the caller asks

extension ClientSession {
    /// Begins a transaction with its first recipient; the answer is to ``Question/recipient``.
    public mutating func begin(_ mail: MailCommand, _ recipient: RecipientCommand) -> Action {
        guard case .idle(let isDirty) = self.state else { preconditionFailure("the session is not idle") }
        var steps: [Step] = [.mail, .rcpt]
        var commands: [ClientCommand] = [.mail(self.adapted(mail)), .rcpt(recipient)]
        if isDirty {
            steps.insert(.rset, at: 0)
            commands.insert(.rset, at: 0)
        }
        if self.extensions.contains(.pipelining) {
            self.state = .opening(Opening(unanswered: steps, unsent: []))
            return .send(commands)
        }
        self.state = .opening(Opening(unanswered: [steps[0]], unsent: Array(commands.dropFirst())))
        return .send([commands[0]])
    }

    /// Adds a recipient to the open transaction.
    public mutating func recipient(_ recipient: RecipientCommand) -> Action {
        guard case .open = self.state else { preconditionFailure("no transaction is open") }
        self.state = .recipient
        return .send([.rcpt(recipient)])
    }

    /// Asks to send the message.
    public mutating func data() -> Action {
        guard case .open = self.state else { preconditionFailure("no transaction is open") }
        self.state = .data
        return .send([.data])
    }

    /// Says that the final dot has been sent: from now on the message may be the server's.
    public mutating func messageSent() {
        guard case .message = self.state else { preconditionFailure("no message is being sent") }
        self.state = .answer
    }

    /// Gives the open transaction up; the server hears of it with the next one, by RSET.
    public mutating func abandon() {
        switch self.state {
        case .open:
            self.state = .idle(isDirty: true)
        case .idle:
            break
        case .greeting, .extendedHello, .hello, .opening, .recipient, .data, .message, .answer, .quitting, .failed:
            preconditionFailure("a command is outstanding: close the connection instead")
        }
    }

    /// Takes leave.
    public mutating func quit() -> Action {
        self.state = .quitting
        return .send([.quit])
    }

    /// MAIL as this server can take it: RFC 6152 section 3 leaves BODY out where 8BITMIME was not announced, and the
    /// content goes as it is; every server that matters is 8-bit clean.
    private func adapted(_ mail: MailCommand) -> MailCommand {
        var mail = mail
        if !self.extensions.contains(.size) { mail.size = nil }
        if !self.extensions.contains(.eightBitMIME) { mail.body = nil }
        return mail
    }
}

// MARK: What the server answers

extension ClientSession {
    /// Takes a reply.
    public mutating func receive(_ reply: SMTPReply) -> Action {
        if reply.replyCode == 421, !self.isEnding { return self.fail(.serviceClosing, reply) }
        switch self.state {
        case .greeting:
            guard reply.replyCode == 220 else { return self.fail(.refusedSession, reply) }
            self.state = .extendedHello
            return .send([.ehlo(self.name)])
        case .extendedHello:
            if reply.isPositiveCompletion {
                self.extensions = ServerExtensions(reply)
                self.state = .idle(isDirty: false)
                return .ready
            }
            guard reply.isPermanentNegative else { return self.fail(.refusedSession, reply) }
            self.state = .hello
            return .send([.helo(self.name)])
        case .hello:
            guard reply.isPositiveCompletion else { return self.fail(.refusedSession, reply) }
            self.state = .idle(isDirty: false)
            return .ready
        case .opening(let opening):
            return self.opening(opening, reply)
        case .recipient:
            guard !reply.isPositiveIntermediate else { return self.fail(.unexpectedReply, reply) }
            self.state = .open
            return .answered(.recipient, reply)
        case .data:
            // 2yz to DATA would make the backend read a message as commands: RFC 5321 section 4.3.2 has no such reply.
            guard !reply.isPositiveCompletion else { return self.fail(.unexpectedReply, reply) }
            self.state = reply.isPositiveIntermediate ? .message : .open
            return .answered(.data, reply)
        case .message:
            return self.fail(.earlyReply, reply)
        case .answer:
            guard !reply.isPositiveIntermediate else { return self.fail(.unexpectedReply, reply) }
            self.state = .idle(isDirty: false)
            return .answered(.message, reply)
        case .quitting:
            return .wait
        case .idle, .open, .failed:
            return self.fail(.unexpectedReply, reply)
        }
    }

    private mutating func opening(_ opening: Opening, _ reply: SMTPReply) -> Action {
        var opening = opening
        guard !reply.isPositiveIntermediate else { return self.fail(.unexpectedReply, reply) }
        switch opening.unanswered.removeFirst() {
        case .rset:
            guard reply.isPositiveCompletion else { return self.fail(.unexpectedReply, reply) }
        case .mail:
            if !reply.isPositiveCompletion {
                guard !opening.unanswered.isEmpty else {
                    self.state = .idle(isDirty: true)
                    return .answered(.recipient, reply)
                }
                opening.refusal = reply
            }
        case .rcpt:
            if let refusal = opening.refusal {
                self.state = .idle(isDirty: true)
                return .answered(.recipient, refusal)
            }
            self.state = .open
            return .answered(.recipient, reply)
        }
        guard opening.unanswered.isEmpty, let command = opening.unsent.first else {
            self.state = .opening(opening)
            return .wait
        }
        opening.unsent.removeFirst()
        opening.unanswered = [command == .rset ? .rset : opening.unsent.isEmpty ? .rcpt : .mail]
        self.state = .opening(opening)
        return .send([command])
    }

    private var isEnding: Bool {
        switch self.state {
        // 421 to the final dot is the answer to the message, and nobody else's.
        case .answer, .quitting, .failed: true
        case .greeting, .extendedHello, .hello, .idle, .opening, .open, .recipient, .data, .message: false
        }
    }

    private mutating func fail(_ code: ClientSessionError.Code, _ reply: SMTPReply) -> Action {
        self.state = .failed
        return .fail(ClientSessionError(code: code, reply: reply))
    }
}
