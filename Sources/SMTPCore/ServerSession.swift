/// The server's side of an SMTP session, without any I/O (RFC 5321 sections 3 and 4.1.4).
///
/// It says which command is in order and what to answer. Whether a recipient is good, whether a message may come and
/// what became of it are the caller's to find out: the session asks by an action and waits for the matching
/// `…Completed` call; meanwhile no further command may be fed.
///
///     C: MAIL FROM:<a@example.net>     .beginTransaction
///     C: RCPT TO:<b@example.org>       .resolveRecipient … recipientCompleted(250) → .reply
///     C: DATA                          .prepareMessage … dataCompleted(354) → .receiveMessage
///     C: (message)                     … messageCompleted(250) → .reply
///
/// With BDAT (RFC 3030) the message comes in chunks, the first of which waits for the same answer as DATA:
///
///     C: BDAT 1000                     .prepareMessage … dataCompleted(354) → .receiveChunk(1000)
///     C: (1000 octets)                 chunkReceived() → .reply(250)
///     C: BDAT 0 LAST                   .receiveChunk(0, isLast) … messageCompleted(250) → .reply
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
        /// Get ready for the message, then call ``ServerSession/dataCompleted(_:hasMoreInput:)``.
        case prepareMessage
        /// Send this; what follows is the message, at its end call ``ServerSession/messageCompleted(_:closing:)``.
        case receiveMessage(SMTPReply)
        /// So many octets of the message follow, the first ones of it where `isFirst`. At their end call
        /// ``ServerSession/chunkReceived(_:)``, or for the last one ``ServerSession/messageCompleted(_:closing:)``.
        case receiveChunk(size: UInt64, isLast: Bool, isFirst: Bool)
        /// Forget the transaction, throw so many octets away, and send this behind them (RFC 3030 section 2).
        case discardChunk(size: UInt64, SMTPReply, resetsTransaction: Bool)
        /// Send this, begin TLS, then call ``ServerSession/tlsEstablished()``.
        case startTLS(SMTPReply)
        /// Begin a SASL exchange, then call ``ServerSession/authenticationContinued(_:)`` or
        /// ``ServerSession/authenticationCompleted(_:isAuthenticated:)``.
        case authenticate(AuthCommand)
        /// Send this; the next line is no command, and goes to ``ServerSession/receiveResponse(_:)``.
        case challenge(SMTPReply)
        /// The client's response in a SASL exchange, in base64.
        case continueAuthentication(Secret)
    }

    /// How the client introduced itself.
    public enum Greeting: Hashable, Sendable {
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

    struct Recipients: Equatable {
        var accepted = 0
        var offered = 0
    }

    struct Chunk: Equatable {
        var size: UInt64
        var isLast: Bool
    }

    enum State: Equatable {
        /// The server does not serve this client: it said so in its greeting (RFC 5321 section 3.1, RFC 7504).
        case refusing
        case connected
        case identified
        case transaction(Recipients)
        /// So many recipients are being found out about, those that joined the first one included.
        case resolvingRecipient(Recipients, pending: Int)
        /// Whether the message may come is being found out; `chunk` is what BDAT announced, nil for DATA.
        case preparingMessage(Recipients, chunk: Chunk?)
        case receivingMessage
        /// Between two chunks.
        case awaitingChunk
        case receivingChunk(isLast: Bool)
        /// A chunk was refused: so is every other, with the same reply, up to the last one or RSET.
        case refusingChunks(SMTPReply)
        case startingTLS(isIdentified: Bool)
        case authenticating
        case challenging
        case closed
    }

    let configuration: ServerSessionConfiguration
    var extendedReply: SMTPReply
    var state: State {
        didSet {
            if case .awaitingChunk = self.state { self.isAwaitingChunk = true } else { self.isAwaitingChunk = false }
        }
    }
    /// Whether a message is half there, and its next chunk is waited for. (Stored, as others are: what is computed copies the
    /// session where a class keeps it, and this is asked at every step.)
    public private(set) var isAwaitingChunk = false
    var errors = 0
    var transactions = 0
    /// Whether the transaction was begun with SMTPUTF8.
    public internal(set) var usesSMTPUTF8 = false
    /// What the client said in HELO or EHLO; nil before it did.
    public internal(set) var greeting: Greeting?
    /// Whether the channel is under TLS.
    public internal(set) var isSecure: Bool
    /// Whether the client has authenticated itself.
    public internal(set) var isAuthenticated = false

    /// Makes a session for a client that has just connected.
    ///
    /// - Parameters:
    ///   - extendedReply: the reply to EHLO for as long as the channel stays as it is.
    ///   - isSecure: the channel is under TLS already.
    ///   - isRefusing: greets with 554 and serves nothing but QUIT.
    public init(
        configuration: ServerSessionConfiguration, extendedReply: SMTPReply, isSecure: Bool = false,
        isRefusing: Bool = false
    ) {
        self.configuration = configuration
        self.extendedReply = extendedReply
        self.isSecure = isSecure
        self.state = isRefusing ? .refusing : .connected
    }

    /// The first reply of all.
    public var greetingReply: SMTPReply {
        if case .refusing = self.state { return .noService }
        var lines = self.configuration.greeting
        // RFC 5321 section 4.2: the name is on the first line alone.
        let first = lines.isEmpty ? "" : " " + lines.removeFirst()
        return SMTPReply(220, nil, lines: [self.configuration.serverName + first] + lines)
    }

    /// Whether a mail transaction is open, its message included.
    public var isInTransaction: Bool {
        switch self.state {
        case .transaction, .resolvingRecipient, .preparingMessage, .receivingMessage, .awaitingChunk, .receivingChunk:
            true
        case .refusing, .connected, .identified, .refusingChunks, .startingTLS, .authenticating, .challenging, .closed:
            false
        }
    }

    /// What the client may use: what EHLO announced to it, nothing behind HELO (RFC 5321 section 4.1.4).
    var extensions: ServerExtensions {
        if case .helo = self.greeting { return [] }
        return self.configuration.extensions
    }
}

// MARK: Commands

extension ServerSession {
    /// Takes a command.
    ///
    /// - Parameter hasMoreInput: octets have come behind the command already.
    public mutating func receive(_ command: SMTPCommand, hasMoreInput: Bool = false) -> Action {
        switch self.state {
        case .resolvingRecipient, .preparingMessage, .receivingMessage, .receivingChunk, .startingTLS, .authenticating,
            .challenging:
            preconditionFailure("a command while the last one waits for its completion")
        case .closed:
            preconditionFailure("a command after the session closed")
        case .refusing:
            // (A chunk's octets would follow: there is nobody to take them away for.)
            if case .bdat = command { return self.close(.badSequence) }
            guard command == .quit else { return self.countError(.badSequence) }
        case .connected, .identified, .transaction, .awaitingChunk, .refusingChunks:
            break
        }
        switch command {
        case .helo, .ehlo, .data, .startTLS, .auth:
            // RFC 2920 section 3.1: these end a group. What comes behind them was sent by somebody who does not listen.
            if hasMoreInput, self.configuration.forbidsEarlyInput { return self.close(.earlyInput) }
        case .mail, .rcpt, .bdat, .rset, .noop, .vrfy, .help, .quit, .unimplemented:
            break
        }
        if self.isAwaitingTLS, let refusal = self.refusalInClear(command) { return refusal }
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
        case .bdat(let size, let isLast):
            return self.chunk(Chunk(size: size, isLast: isLast))
        case .rset:
            if self.state != .connected { self.state = .identified }
            return .resetTransaction(.ok)
        case .noop:
            return .reply(.ok)
        case .vrfy:
            return .reply(.cannotVerify)
        case .help:
            return .reply(.help)
        case .quit:
            return self.close(.bye)
        case .startTLS:
            return self.startTLS()
        case .auth(let command):
            return self.authenticate(command)
        case .unimplemented:
            return self.countError(.notImplemented)
        }
    }

    /// Takes a line that is no command.
    public mutating func receiveMalformed(_ error: CommandSyntaxError) -> Action {
        if error.endsSession { return self.close(error.reply) }
        // A response that cannot be read ends its SASL exchange (RFC 4954 section 4); what follows is a command again.
        if case .challenging = self.state { self.state = .identified }
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
        switch self.state {
        case .identified:
            break
        case .connected:
            guard !self.configuration.requiresHello else { return .reply(.badSequence) }
        case .refusing, .transaction, .resolvingRecipient, .preparingMessage, .receivingMessage, .awaitingChunk,
            .receivingChunk, .refusingChunks, .startingTLS, .authenticating, .challenging, .closed:
            return .reply(.badSequence)
        }
        if self.configuration.requiresAuthentication, !self.isAuthenticated { return .reply(.authenticationRequired) }
        if self.transactions >= self.configuration.transactions { return self.close(.tooManyTransactions) }
        if let refusal = self.refusal(of: mail) { return .reply(refusal) }
        self.transactions += 1
        self.usesSMTPUTF8 = mail.usesSMTPUTF8
        self.state = .transaction(Recipients())
        return .beginTransaction(mail, .ok)
    }

    private mutating func recipient(_ recipient: RecipientCommand) -> Action {
        guard case .transaction(var recipients) = self.state else { return .reply(.badSequence) }
        guard recipients.accepted < self.configuration.recipients else { return .reply(.tooManyRecipients) }
        if let refusal = self.refusal(of: recipient) { return .reply(refusal) }
        recipients.offered += 1
        self.state = .resolvingRecipient(recipients, pending: 1)
        return .resolveRecipient(recipient)
    }

    /// What keeps RCPT from being asked about at all.
    func refusal(of recipient: RecipientCommand) -> SMTPReply? {
        if !self.extensions.contains(.dsn), recipient.notify != nil || recipient.originalRecipient != nil {
            return .unknownParameter
        }
        return !self.usesSMTPUTF8 && !recipient.forwardPath.isASCII ? .addressNotASCII : nil
    }

    private mutating func data() -> Action {
        guard case .transaction(let recipients) = self.state else { return .reply(.badSequence) }
        guard recipients.accepted > 0 else { return .reply(self.refusalWithoutRecipients(recipients)) }
        self.state = .preparingMessage(recipients, chunk: nil)
        return .prepareMessage
    }

    /// RFC 5321 section 3.3: 503 or 554 where no recipient is left.
    func refusalWithoutRecipients(_ recipients: Recipients) -> SMTPReply {
        recipients.offered > 0 ? .noValidRecipients : .badSequence
    }

    /// What keeps MAIL from opening a transaction: parameters of extensions that were not announced (RFC 5321 section
    /// 4.1.1.11), and a size over the limit (RFC 1870 section 6.1).
    private func refusal(of mail: MailCommand) -> SMTPReply? {
        let extensions = self.extensions
        if mail.size != nil, !extensions.contains(.size) { return .unknownParameter }
        switch mail.body {
        case nil: break
        case .sevenBit, .eightBitMIME:
            if !extensions.contains(.eightBitMIME) { return .unknownParameter }
        case .binaryMIME:
            // Deviates: RFC 3030 section 3 asks for BINARYMIME's announcement, which we never make: every backend would
            // have to take BDAT.
            return .unknownParameter
        }
        if !mail.usesSMTPUTF8, !mail.reversePath.isASCII { return .addressNotASCII }
        if mail.usesSMTPUTF8, !extensions.contains(.smtpUTF8) { return .unknownParameter }
        if mail.returnContent != nil || mail.envelopeID != nil, !extensions.contains(.dsn) { return .unknownParameter }
        if mail.authorization != nil, self.configuration.authMechanisms.isEmpty { return .unknownParameter }
        if self.configuration.messageSize > 0, let size = mail.size, size > self.configuration.messageSize {
            return .messageTooBig
        }
        return nil
    }

    mutating func countError(_ reply: SMTPReply) -> Action {
        self.errors += 1
        guard self.errors < self.configuration.errors else { return self.close(.tooManyErrors) }
        return .reply(reply)
    }
}

// MARK: Completions

extension ServerSession {
    /// What became of the recipient that ``Action/resolveRecipient(_:)`` asked about, or of the first of those that
    /// joined it and wait still; `closing` ends the session with it.
    public mutating func recipientCompleted(_ reply: SMTPReply, closing: Bool = false) -> Action {
        guard case .resolvingRecipient(var recipients, let pending) = self.state else {
            preconditionFailure("no recipient was asked about")
        }
        if closing { return self.close(reply) }
        if reply.isPositiveCompletion { recipients.accepted += 1 }
        self.state = pending > 1 ? .resolvingRecipient(recipients, pending: pending - 1) : .transaction(recipients)
        return .reply(reply)
    }

    /// Whether the message may come: 354, or a refusal.
    ///
    /// After a refusal of DATA the transaction stands as it was; one of BDAT ends it.
    ///
    /// - Parameter hasMoreInput: octets have come already, though for DATA the client had to wait.
    public mutating func dataCompleted(_ reply: SMTPReply, hasMoreInput: Bool = false) -> Action {
        guard case .preparingMessage(let recipients, let chunk) = self.state else {
            preconditionFailure("no message was asked for")
        }
        guard let chunk else {
            if hasMoreInput, self.configuration.forbidsEarlyInput { return self.close(.earlyInput) }
            guard reply.isPositiveIntermediate else {
                self.state = .transaction(recipients)
                return .reply(reply)
            }
            self.state = .receivingMessage
            return .receiveMessage(reply)
        }
        guard reply.isPositiveIntermediate else { return self.refuse(chunk, reply, resetsTransaction: true) }
        self.state = .receivingChunk(isLast: chunk.isLast)
        return .receiveChunk(size: chunk.size, isLast: chunk.isLast, isFirst: true)
    }

    /// What became of the message: the transaction is over (RFC 5321 section 4.1.1.4).
    public mutating func messageCompleted(_ reply: SMTPReply, closing: Bool = false) -> Action {
        switch self.state {
        case .receivingMessage, .receivingChunk(isLast: true): break
        case .refusing, .connected, .identified, .transaction, .resolvingRecipient, .preparingMessage, .awaitingChunk,
            .receivingChunk(isLast: false), .refusingChunks, .startingTLS, .authenticating, .challenging, .closed:
            preconditionFailure("no message was received")
        }
        if closing { return self.close(reply) }
        self.state = .identified
        return .reply(reply)
    }
}
