/// The client's side of an SMTP session, without any I/O: what a relay says to a backend.
///
/// A transaction begins with its first recipients: RSET (where an earlier one was left open), MAIL and RCPT go out in one
/// write where the server pipelines, one at a time where not. A refusal of MAIL is the answer to each of them.
///
///     S: 220 backend ESMTP
///     C: EHLO relay            S: 250-backend / 250 PIPELINING           .ready
///     C: MAIL …, RCPT …        S: 250 OK / 250 OK                        .answered(.recipient, 250)
///     C: DATA                  S: 354 go ahead                           .answered(.data, 354)
///     C: (message)             S: 250 queued                             .answered(.message, 250)
///
/// Replies are counted: each answers one command, and one that nothing asked for ends the session.
public struct ClientSession: Sendable {
    /// What a reply answers.
    public enum Question: UInt8, Sendable {
        /// RCPT, or a refused MAIL in front of it.
        case recipient
        /// DATA.
        case data
        /// The final dot.
        case message
        /// STARTTLS, refused.
        case startTLS
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
        /// The server's answer, and the next command: it waited, as the server does not pipeline.
        case answeredAndSend(Question, SMTPReply, ClientCommand)
        /// This is the answer to each of so many recipients: MAIL was refused, by the server or without asking it.
        case refused(SMTPReply, recipients: Int)
        /// Begin the TLS handshake, then call ``ClientSession/tlsEstablished()``. Octets that came behind the server's 220
        /// are nobody's: close the connection.
        case startTLS
        /// Close the connection.
        case fail(ClientSessionError)
    }

    /// What the server owes, for the time that it may take.
    public enum Awaited: UInt8, Sendable {
        /// The greeting, or the TLS handshake's end.
        case greeting
        /// The reply to EHLO, HELO, STARTTLS, XCLIENT or AUTH.
        case hello
        /// The reply to MAIL, or to RSET or XFORWARD in front of it.
        case mail
        /// The reply to RCPT.
        case recipient
        /// The reply to DATA.
        case data
        /// Nothing but room for more of the message.
        case room
        /// The reply to the final dot.
        case answer
        /// The reply to QUIT.
        case bye
        /// Nothing.
        case nothing
    }

    /// What a server thinks of MAIL.
    public enum MailVerdict: UInt8, Sendable {
        /// It was not asked, or has not answered.
        case none
        /// It took it.
        case accepted
        /// It refused it: that is the answer to each of the recipients.
        case refused
    }

    /// Commands about an envelope that wait for their replies.
    struct Exchange {
        enum Step: UInt8 { case rset, xforward, mail, rcpt }

        /// What the next reply answers.
        var awaited: Step
        /// The XFORWARD commands without an answer.
        var forwards: Int
        /// The recipients without an answer, at least one.
        var recipients: Int
        /// The recipients of the transaction that were accepted.
        var accepted: Int
        /// What waits until the server has answered: it does not pipeline. The next one is the last.
        var unsent: [ClientCommand]
        /// The reply that refused MAIL.
        var refusal: SMTPReply?
    }

    enum State {
        case greeting
        case extendedHello
        case hello
        case startingTLS
        case handshaking
        /// XCLIENT is out.
        case introducing(ClientIntroduction)
        /// The client's own greeting is out.
        case greetingAsClient(ServerSession.Greeting, ClientCredentials?)
        /// AUTH is out; the responses to come, the next one last.
        case authenticating([SASLResponse])
        /// Ready; `isDirty` when a transaction was left open at the server.
        case idle(isDirty: Bool)
        case exchange(Exchange)
        case open(accepted: Int)
        case data(accepted: Int)
        case message
        case answer
        case quitting
        case failed

        /// What the server owes.
        var awaited: Awaited {
            switch self {
            case .greeting, .handshaking: .greeting
            case .extendedHello, .hello, .startingTLS, .introducing, .greetingAsClient, .authenticating: .hello
            case .exchange(let exchange): exchange.awaited == .rcpt ? .recipient : .mail
            case .data: .data
            case .message: .room
            case .answer: .answer
            case .quitting: .bye
            case .idle, .open, .failed: .nothing
            }
        }
    }

    let name: String
    private let policy: EnvelopePolicy
    /// Whether the session is not ready before TLS has begun with STARTTLS.
    let requiresStartTLS: Bool
    var isSecure = false
    var state = State.greeting {
        didSet { self.awaited = self.state.awaited }
    }
    /// What the server owes. (Stored: what is computed copies the session where a class keeps it.)
    public private(set) var awaited = Awaited.greeting
    /// What the server said of itself; nothing before ``Action/ready``.
    public internal(set) var capabilities = ServerCapabilities()
    /// What the server said to the last transaction's MAIL.
    public internal(set) var mailVerdict = MailVerdict.none
    /// The names by which the server introduced itself: the first words of its greeting and of its reply to EHLO.
    public internal(set) var serverNames: [String] = []

    /// Makes a session for a connection that has just been opened.
    ///
    /// - Parameters:
    ///   - name: what to say in EHLO.
    ///   - policy: what to do where the server lacks an extension.
    ///   - requiresStartTLS: TLS begins before ``Action/ready``, or the session fails: never on in clear.
    public init(name: String, policy: EnvelopePolicy = EnvelopePolicy(), requiresStartTLS: Bool = false) {
        self.name = name
        self.policy = policy
        self.requiresStartTLS = requiresStartTLS
    }

    /// What the server announced; empty before ``Action/ready``.
    public var extensions: ServerExtensions { self.capabilities.extensions }

    /// Whether a transaction can begin: ``begin(_:_:)`` may be called.
    public var isIdle: Bool {
        if case .idle = self.state { return true }
        return false
    }

    /// Whether a transaction is open and nothing is outstanding: ``recipients(_:)`` may be called.
    public var isOpen: Bool {
        if case .open = self.state { return true }
        return false
    }

    /// Whether a recipient of the open transaction was accepted, and nothing is outstanding: ``data()`` may be called.
    public var isReadyForMessage: Bool {
        if case .open(let accepted) = self.state { return accepted > 0 }
        return false
    }
}

// MARK: What the caller asks

extension ClientSession {
    /// Begins a transaction with its first recipients, at least one; each has an answer to ``Question/recipient``, in
    /// order.
    ///
    /// Where the server lacks what the envelope needs, nothing is sent, and ``Action/refused(_:recipients:)`` is the
    /// answer. `forwarding` is what XFORWARD tells in front of MAIL, as far as the server takes it.
    public mutating func begin(
        _ mail: MailCommand, _ recipients: [RecipientCommand], forwarding: [ClientAttribute] = []
    ) -> Action {
        guard case .idle(let isDirty) = self.state else { preconditionFailure("the session is not idle") }
        self.mailVerdict = .none
        let forwards = self.forwards(forwarding)
        var commands: [ClientCommand] = []
        commands.reserveCapacity(2 + forwards.count + recipients.count)
        if isDirty { commands.append(.rset) }
        commands.append(contentsOf: forwards)
        do throws(EnvelopeRefusal) {
            commands.append(.mail(try self.capabilities.adapted(mail, self.policy)))
            try self.adapt(recipients, into: &commands)
        } catch {
            return .refused(error.reply, recipients: recipients.count)
        }
        let step: Exchange.Step = isDirty ? .rset : forwards.isEmpty ? .mail : .xforward
        return self.exchange(
            commands, awaiting: step, forwards: forwards.count, recipients: recipients.count, accepted: 0)
    }

    /// Begins a transaction with its first recipient.
    public mutating func begin(_ mail: MailCommand, _ recipient: RecipientCommand) -> Action {
        self.begin(mail, [recipient])
    }

    /// Adds recipients, at least one, to the open transaction; each has an answer, in order.
    public mutating func recipients(_ recipients: [RecipientCommand]) -> Action {
        guard case .open(let accepted) = self.state else { preconditionFailure("no transaction is open") }
        var commands: [ClientCommand] = []
        do throws(EnvelopeRefusal) {
            try self.adapt(recipients, into: &commands)
        } catch {
            return .refused(error.reply, recipients: recipients.count)
        }
        return self.exchange(commands, awaiting: .rcpt, recipients: recipients.count, accepted: accepted)
    }

    /// Adds a recipient to the open transaction.
    public mutating func recipient(_ recipient: RecipientCommand) -> Action {
        self.recipients([recipient])
    }

    /// Asks to send the message; only where a recipient was accepted, since an empty envelope is nobody's (RFC 2920
    /// section 3.1).
    public mutating func data() -> Action {
        guard case .open(let accepted) = self.state else { preconditionFailure("no transaction is open") }
        precondition(accepted > 0, "no recipient was accepted")
        self.state = .data(accepted: accepted)
        return .send([.data])
    }

    /// Says that the final dot has been sent: from now on the message may be the server's.
    public mutating func messageSent() {
        guard case .message = self.state else { preconditionFailure("no message is being sent") }
        self.state = .answer
    }

    /// Gives the open transaction up; the server hears of it with the next one, by RSET.
    public mutating func abandon() {
        self.mailVerdict = .none
        switch self.state {
        case .open:
            self.state = .idle(isDirty: true)
        case .idle:
            break
        case .greeting, .extendedHello, .hello, .startingTLS, .handshaking, .introducing, .greetingAsClient,
            .authenticating, .exchange, .data, .message, .answer, .quitting, .failed:
            preconditionFailure("a command is outstanding: close the connection instead")
        }
    }

    /// Whatever was said, the next transaction is somebody else's: where that costs no round trip, RSET goes in front of it
    /// even if none is open.
    public mutating func rest() {
        self.abandon()
        if self.extensions.contains(.pipelining), self.isIdle { self.state = .idle(isDirty: true) }
    }

    /// Asks for TLS; only when idle, and where the server announced STARTTLS. What comes is ``Action/startTLS``, or an
    /// answer to ``Question/startTLS`` where the server will not.
    public mutating func startTLS() -> Action {
        guard case .idle = self.state else { preconditionFailure("the session is not idle") }
        precondition(self.extensions.contains(.startTLS), "STARTTLS was not announced")
        self.state = .startingTLS
        return .send([.startTLS])
    }

    /// The handshake is done: the session begins anew, without a greeting (RFC 3207 section 4.2).
    public mutating func tlsEstablished() -> Action {
        guard case .handshaking = self.state else { preconditionFailure("no handshake was begun") }
        self.isSecure = true
        self.state = .extendedHello
        return .send([.ehlo(self.name)])
    }

    /// Takes leave.
    public mutating func quit() -> Action {
        self.state = .quitting
        return .send([.quit])
    }

    private func adapt(
        _ recipients: [RecipientCommand], into commands: inout [ClientCommand]
    ) throws(EnvelopeRefusal) {
        precondition(!recipients.isEmpty, "no recipient")
        for recipient in recipients { commands.append(.rcpt(try self.capabilities.adapted(recipient))) }
    }

    private mutating func exchange(
        _ commands: [ClientCommand], awaiting step: Exchange.Step, forwards: Int = 0, recipients: Int, accepted: Int
    ) -> Action {
        let isPipelined = self.extensions.contains(.pipelining)
        let unsent = isPipelined ? [] : Array(commands.dropFirst().reversed())
        self.state = .exchange(
            Exchange(
                awaited: step, forwards: forwards, recipients: recipients, accepted: accepted, unsent: unsent))
        return .send(isPipelined ? commands : [commands[0]])
    }
}
