/// What a server session allows and says of itself.
public struct ServerSessionConfiguration: Sendable {
    /// The name in the greeting and in the replies to HELO and EHLO.
    public var serverName: String
    /// The most octets in a message, announced as SIZE; 0 for no bound (RFC 1870 section 4).
    public var messageSize: UInt64 = 50 << 20
    /// The most recipients in a transaction; RFC 5321 section 4.5.3.1.8 asks for 100 at least.
    public var recipients = 1000
    /// The most transactions on one connection; a client that meets it has to connect anew.
    public var transactions = Int.max
    /// After so many commands that could not be read the channel closes.
    public var errors = 10

    /// Makes a configuration with the defaults.
    public init(serverName: String) {
        self.serverName = serverName
    }
}

/// The server's side of an SMTP session, without any I/O (RFC 5321 sections 3 and 4.1.4).
///
/// It says which command is in order and what to answer. Whether a recipient is good, whether a message may come and
/// what became of it are the caller's to find out: the session asks by an action and waits for the matching
/// `…Completed` call; meanwhile no further command may be fed.
///
///     C: MAIL FROM:<a@example.net>     .beginTransaction
///     C: RCPT TO:<b@example.org>       .resolveRecipient … recipientCompleted(250) → .reply
///     C: DATA                          .prepareMessage … dataCompleted(354) → .receiveMessage
///     C: (message)                     messageReceived() … messageCompleted(250) → .reply
public struct ServerSession: Sendable {
    /// What the caller must do before it feeds the session again.
    public enum Action: Equatable, Sendable {
        /// Send this.
        case reply(SMTPReply)
        /// Send this, then close the channel.
        case replyAndClose(SMTPReply)
        /// A transaction begins: keep the command, then send the reply.
        case beginTransaction(MailCommand, SMTPReply)
        /// Forget the transaction, if there is one, then send the reply.
        case resetTransaction(SMTPReply)
        /// Find out about a recipient, then call ``ServerSession/recipientCompleted(_:closing:)``.
        case resolveRecipient(RecipientCommand)
        /// Get ready for the message, then call ``ServerSession/dataCompleted(_:)``.
        case prepareMessage
        /// Send this; what follows is the message, at its end call ``ServerSession/messageCompleted(_:closing:)``.
        case receiveMessage(SMTPReply)
    }

    /// How the client introduced itself.
    public enum Greeting: Equatable, Sendable {
        /// `HELO name`.
        case helo(String)
        /// `EHLO name`.
        case ehlo(String)

        /// The name that the client gave.
        public var name: String {
            switch self {
            case .helo(let name), .ehlo(let name): name
            }
        }
    }

    private struct Recipients: Equatable {
        var accepted = 0
        var offered = 0
    }

    private enum State: Equatable {
        case connected
        case identified
        case transaction(Recipients)
        case resolvingRecipient(Recipients)
        case preparingMessage(Recipients)
        case receivingMessage
        case closed
    }

    private let configuration: ServerSessionConfiguration
    private let extendedReply: SMTPReply
    private var state = State.connected
    private var errors = 0
    private var transactions = 0
    /// What the client said in HELO or EHLO; nil before it did.
    public private(set) var greeting: Greeting?

    /// Makes a session for a client that has just connected.
    public init(configuration: ServerSessionConfiguration, extendedReply: SMTPReply) {
        self.configuration = configuration
        self.extendedReply = extendedReply
    }

    /// The first reply of all.
    public var greetingReply: SMTPReply { SMTPReply(220, nil, "\(self.configuration.serverName) ESMTP ready") }

    /// Whether a mail transaction is open, its message included.
    public var isInTransaction: Bool {
        switch self.state {
        case .transaction, .resolvingRecipient, .preparingMessage, .receivingMessage: true
        case .connected, .identified, .closed: false
        }
    }
}

extension ServerSessionConfiguration {
    /// The reply to EHLO: made once, as it is the same for every client.
    public var extendedReply: SMTPReply {
        let size = self.messageSize == 0 ? "SIZE" : "SIZE \(self.messageSize)"
        return SMTPReply(250, lines: [self.serverName, "PIPELINING", size, "8BITMIME", "ENHANCEDSTATUSCODES"])
    }
}

// MARK: Commands

extension ServerSession {
    /// Takes a command.
    public mutating func receive(_ command: SMTPCommand) -> Action {
        switch self.state {
        case .resolvingRecipient, .preparingMessage, .receivingMessage:
            preconditionFailure("a command while the last one waits for its completion")
        case .closed:
            preconditionFailure("a command after the session closed")
        case .connected, .identified, .transaction:
            break
        }
        switch command {
        case .helo(let name):
            return self.identify(.helo(name), SMTPReply(250, nil, self.configuration.serverName))
        case .ehlo(let name):
            return self.identify(.ehlo(name), self.extendedReply)
        case .mail(let mail):
            return self.mail(mail)
        case .rcpt(let recipient):
            return self.recipient(recipient)
        case .data:
            return self.data()
        case .rset:
            if case .transaction = self.state { self.state = .identified }
            return .resetTransaction(.ok)
        case .noop:
            return .reply(.ok)
        case .vrfy:
            return .reply(.cannotVerify)
        case .help:
            return .reply(.help)
        case .quit:
            self.state = .closed
            return .replyAndClose(.bye)
        case .bdat:
            self.state = .closed
            return .replyAndClose(.chunkingNotOffered)
        case .unimplemented, .startTLS, .auth:
            return self.countError(.notImplemented)
        }
    }

    /// Takes a line that is no command.
    public mutating func receiveMalformed(_ error: CommandSyntaxError) -> Action {
        if error.endsSession {
            self.state = .closed
            return .replyAndClose(error.reply)
        }
        return self.countError(error.reply)
    }

    /// Ends the session where it stands, for a timeout or a shutdown; the caller sends `reply` and closes.
    ///
    /// RFC 5321 section 3.8 lets a server say 421 in place of any reply.
    public mutating func close(_ reply: SMTPReply) -> Action {
        self.state = .closed
        return .replyAndClose(reply)
    }

    private mutating func identify(_ greeting: Greeting, _ reply: SMTPReply) -> Action {
        // RFC 5321 section 4.1.4: EHLO in a transaction ends it, as RSET does.
        self.greeting = greeting
        self.state = .identified
        return .resetTransaction(reply)
    }

    private mutating func mail(_ mail: MailCommand) -> Action {
        guard case .identified = self.state else { return .reply(.badSequence) }
        if self.transactions >= self.configuration.transactions {
            self.state = .closed
            return .replyAndClose(.tooManyTransactions)
        }
        if self.configuration.messageSize > 0, let size = mail.size, size > self.configuration.messageSize {
            return .reply(.messageTooBig)
        }
        self.transactions += 1
        self.state = .transaction(Recipients())
        return .beginTransaction(mail, .ok)
    }

    private mutating func recipient(_ recipient: RecipientCommand) -> Action {
        guard case .transaction(var recipients) = self.state else { return .reply(.badSequence) }
        guard recipients.accepted < self.configuration.recipients else { return .reply(.tooManyRecipients) }
        recipients.offered += 1
        self.state = .resolvingRecipient(recipients)
        return .resolveRecipient(recipient)
    }

    private mutating func data() -> Action {
        guard case .transaction(let recipients) = self.state else { return .reply(.badSequence) }
        guard recipients.accepted > 0 else {
            // RFC 5321 section 3.3: 503 or 554 where no recipient is left.
            return .reply(recipients.offered > 0 ? .noValidRecipients : .badSequence)
        }
        self.state = .preparingMessage(recipients)
        return .prepareMessage
    }

    private mutating func countError(_ reply: SMTPReply) -> Action {
        self.errors += 1
        guard self.errors < self.configuration.errors else {
            self.state = .closed
            return .replyAndClose(.tooManyErrors)
        }
        return .reply(reply)
    }
}

// MARK: Completions

extension ServerSession {
    /// What became of the recipient that ``Action/resolveRecipient(_:)`` asked about; `closing` ends the session with it.
    public mutating func recipientCompleted(_ reply: SMTPReply, closing: Bool = false) -> Action {
        guard case .resolvingRecipient(var recipients) = self.state else {
            preconditionFailure("no recipient was asked about")
        }
        if closing {
            self.state = .closed
            return .replyAndClose(reply)
        }
        if reply.isPositiveCompletion { recipients.accepted += 1 }
        self.state = .transaction(recipients)
        return .reply(reply)
    }

    /// Whether the message may come: 354, or a refusal, after which the transaction stands as it was.
    public mutating func dataCompleted(_ reply: SMTPReply) -> Action {
        guard case .preparingMessage(let recipients) = self.state else {
            preconditionFailure("no message was asked for")
        }
        guard reply.isPositiveIntermediate else {
            self.state = .transaction(recipients)
            return .reply(reply)
        }
        self.state = .receivingMessage
        return .receiveMessage(reply)
    }

    /// What became of the message: the transaction is over (RFC 5321 section 4.1.1.4).
    public mutating func messageCompleted(_ reply: SMTPReply, closing: Bool = false) -> Action {
        guard case .receivingMessage = self.state else { preconditionFailure("no message was received") }
        self.state = closing ? .closed : .identified
        return closing ? .replyAndClose(reply) : .reply(reply)
    }
}
