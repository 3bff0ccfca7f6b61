import Routing
package import SMTPCore
package import SMTPNIO

/// The decisions of a relay about one client's transactions, without any I/O.
///
/// The first accepted recipient fixes where a transaction goes; the others follow it or get 452. A connection to a
/// backend, the leg, outlives a transaction and serves the client's next one where that goes to the same place.
///
///     client: RCPT b@example.org       .decide … decided(.forward(app)) → .connect(app)
///     leg: ready                       .begin(MAIL, RCPT)
///     leg: 250 to RCPT                 .answer(.recipient(250))
///     client: DATA                     .prepareMessage … answered(.data, 354) → .answer(.data(354))
///     client: (message)                .endMessage … answered(.message, 250) → .answer(.message(250))
package struct RelayTransaction {
    /// An answer that the client waits for.
    package enum Answer: Equatable, Sendable {
        /// To RCPT; `closing` ends the session.
        case recipient(SMTPReply, closing: Bool)
        /// To DATA.
        case data(SMTPReply)
        /// To the final dot.
        case message(SMTPReply)
        /// To the final dot, but the client has left: for the log alone.
        case nobody(SMTPReply)
    }

    /// What the caller must do.
    package enum Action: Equatable, Sendable {
        /// Nothing.
        case none
        /// Find out where the recipient goes, then call ``RelayTransaction/decided(_:)``.
        case decide(RecipientCommand)
        /// Take leave of the leg, if there is one, and make one to there; then ``RelayTransaction/connected()`` or
        /// ``RelayTransaction/failed(_:)``.
        case connect(Destination)
        /// Begin a transaction on the leg.
        case begin(MailCommand, RecipientCommand)
        /// Add a recipient on the leg.
        case addRecipient(RecipientCommand)
        /// Ask the leg whether the message may come.
        case prepareMessage
        /// Send the final dot on the leg.
        case endMessage
        /// Give the leg's transaction up and keep the leg.
        case abandonTransaction
        /// Take leave of the leg.
        case leaveLeg
        /// Close the leg at once, without a final dot.
        case closeLeg
        /// Answer the client.
        case answer(Answer)
        /// Close the leg at once, then answer the client.
        case closeLegAndAnswer(Answer)
    }

    /// Why the leg is no more.
    package enum Failure: Equatable, Sendable {
        /// No backend of the destination could be reached.
        case unreachable
        /// Every backend of the destination had as many sessions as it may.
        case busy
        /// The session with the backend ended.
        case session(SMTPClientFailure)
        /// The backend took too long.
        case timeout
    }

    private enum Leg {
        case none
        case idle(Destination)
        case open(Destination)
    }

    private struct Pending {
        var recipient: RecipientCommand
        var destination: Destination
    }

    private enum Phase {
        /// The client has no transaction open.
        case idle
        /// The client may send recipients, or the message.
        case open
        case deciding(RecipientCommand)
        case connecting(Pending)
        case asking(Pending)
        case preparing
        /// The message goes through.
        case sending
        /// The message goes nowhere; this is what its end will be answered.
        case discarding(SMTPReply)
        /// The final dot is out: from here on the message may be the backend's.
        case answering
        /// The same, and the client is gone.
        case orphaned
    }

    private var leg = Leg.none
    private var phase = Phase.idle
    /// What the transaction began with.
    package private(set) var mail = MailCommand(.null)
    /// Where the accepted recipients go; nil before the first.
    private var fixed: Destination?
    /// The domains of the recipients that were accepted by lookup: a later answer for one of them is a verdict only.
    private var lookedUpDomains: Set<String> = []
    /// What to say once the leg is lost with recipients that had been accepted.
    private var lost: SMTPReply?

    /// Makes the state of a client that has just connected.
    package init() {}

    /// Where the accepted recipients go; nil before the first.
    package var destination: Destination? { self.fixed }

    /// Where the recipient goes that a backend is being asked about; nil where none is.
    package var asked: Destination? {
        switch self.phase {
        case .connecting(let pending), .asking(let pending): pending.destination
        case .idle, .open, .deciding, .preparing, .sending, .discarding, .answering, .orphaned: nil
        }
    }

    /// Whether octets of a message are to be written to the leg.
    package var isSending: Bool {
        if case .sending = self.phase { return true }
        return false
    }

    /// Whether the client has left, and the backend's answer to its message has not come.
    package var isOrphaned: Bool {
        if case .orphaned = self.phase { return true }
        return false
    }

    /// Whether the client waits for something that this relay waits for.
    package var isWaiting: Bool {
        switch self.phase {
        case .deciding, .connecting, .asking, .preparing, .answering, .orphaned: true
        case .idle, .open, .sending, .discarding: false
        }
    }
}

// MARK: The client

extension RelayTransaction {
    /// What the leg was made for holds no more: the configuration, where no mail may go there now, or what its backend
    /// was told of the client. One that has accepted a recipient stays.
    package mutating func legOutdated() -> Action {
        switch self.leg {
        case .none: return .none
        case .open where self.fixed != nil: return .none
        case .idle, .open:
            self.leg = .none
            return .leaveLeg
        }
    }

    /// The client opened a transaction.
    package mutating func began(_ mail: MailCommand) {
        self.mail = mail
        self.phase = .open
        self.fixed = nil
        self.lost = nil
        self.lookedUpDomains.removeAll(keepingCapacity: true)
    }

    /// The client named a recipient.
    package mutating func recipient(_ recipient: RecipientCommand) -> Action {
        guard case .open = self.phase else { preconditionFailure("RCPT outside of a transaction") }
        if let lost = self.lost { return .answer(.recipient(lost, closing: false)) }
        self.phase = .deciding(recipient)
        return .decide(recipient)
    }

    /// It is known what is to become of the recipient.
    package mutating func decided(_ decision: RecipientDecision) -> Action {
        guard case .deciding(let recipient) = self.phase else { return .none }
        switch decision {
        case .refuse(let reply, let closing):
            self.phase = .open
            // 421 says that the channel closes: where it does not, that is not to be said (RFC 5321 section 3.8).
            let closes = closing && self.fixed == nil
            let mustStay = reply.replyCode == 421 && !closes
            return .answer(.recipient(mustStay ? reply.relayed : reply, closing: closes))
        case .forward(let destination):
            guard let destination = self.admitted(destination, for: recipient.forwardPath) else {
                self.phase = .open
                return .answer(.recipient(.oneDestination, closing: false))
            }
            return self.forward(recipient, to: destination)
        }
    }

    /// The client wants to send the message.
    package mutating func dataRequested() -> Action {
        guard case .open = self.phase else { preconditionFailure("DATA outside of a transaction") }
        if let lost = self.lost { return .answer(.data(lost)) }
        guard case .open = self.leg else { return .answer(.data(.backendLost)) }
        self.phase = .preparing
        return .prepareMessage
    }

    /// The message is refused: the backend must never see its end.
    package mutating func messageRefused() -> Action {
        guard case .sending = self.phase else { return .none }
        self.phase = .idle
        self.leg = .none
        return .closeLeg
    }

    /// The message is whole.
    package mutating func messageEnded() -> Action {
        switch self.phase {
        case .sending:
            self.phase = .answering
            return .endMessage
        case .discarding(let reply):
            self.phase = .idle
            return .answer(.message(reply))
        case .idle, .open, .deciding, .connecting, .asking, .preparing, .answering, .orphaned:
            preconditionFailure("the end of a message that was not being received")
        }
    }

    /// The client is gone. What it has heard no answer to may be delivered all the same: the leg is kept until it says.
    package mutating func clientLost() -> Action {
        if case .answering = self.phase {
            self.phase = .orphaned
            return .none
        }
        return self.reset()
    }

    /// The client's transaction is over without a message: RSET, EHLO, QUIT, or the client is gone.
    package mutating func reset() -> Action {
        let phase = self.phase
        self.phase = .idle
        switch (phase, self.leg) {
        case (.idle, _), (.open, .none), (.open, .idle), (.deciding, .none), (.deciding, .idle), (.discarding, _):
            return .none
        case (.open, .open(let destination)), (.deciding, .open(let destination)):
            self.leg = .idle(destination)
            return .abandonTransaction
        case (.connecting, _), (.asking, _), (.preparing, _), (.sending, _), (.answering, _), (.orphaned, _):
            self.leg = .none
            return .closeLeg
        }
    }

    /// Where the recipient goes if it may go with those accepted so far; nil where it may not.
    private func admitted(_ destination: Destination, for path: ForwardPath) -> Destination? {
        guard let fixed = self.fixed else { return destination }
        if fixed.isSame(as: destination) {
            // (One server that two lookups name: what the second one says of a domain is not the first one's word.)
            if case .server = destination { return destination }
            return fixed
        }
        guard case .server(_, let mine, let asked) = fixed, case .server(_, let theirs, asked) = destination else {
            return nil
        }
        // A lookup that balances names another server each time. For a domain whose recipients this transaction has
        // already, that is no other destination; for another domain it is one, unless the answers name one group.
        if let domain = path.domain, self.lookedUpDomains.contains(domain) { return fixed }
        return mine != nil && mine == theirs ? fixed : nil
    }

    private mutating func forward(_ recipient: RecipientCommand, to destination: Destination) -> Action {
        let pending = Pending(recipient: recipient, destination: destination)
        switch self.leg {
        case .open(let present) where present.isSame(as: destination):
            self.phase = .asking(pending)
            return .addRecipient(recipient)
        case .idle(let present) where present.isSame(as: destination):
            self.phase = .asking(pending)
            return .begin(self.mail, recipient)
        case .none, .open, .idle:
            self.leg = .none
            self.phase = .connecting(pending)
            return .connect(destination)
        }
    }
}

// MARK: The leg

extension RelayTransaction {
    /// The leg is ready for a transaction.
    package mutating func connected() -> Action {
        guard case .connecting(let pending) = self.phase else { return .closeLeg }
        self.leg = .idle(pending.destination)
        self.phase = .asking(pending)
        return .begin(self.mail, pending.recipient)
    }

    /// The backend answered; `isOpen` says whether its transaction is.
    package mutating func answered(_ question: ClientSession.Question, _ reply: SMTPReply, isOpen: Bool) -> Action {
        switch (self.phase, question) {
        case (.asking(let pending), .recipient):
            self.leg = isOpen ? .open(pending.destination) : .idle(pending.destination)
            self.phase = .open
            if reply.isPositiveCompletion { self.accept(pending) }
            return .answer(.recipient(reply.relayed, closing: false))
        case (.preparing, .data):
            self.phase = reply.isPositiveIntermediate ? .sending : .open
            return .answer(.data(reply.isPositiveIntermediate ? .startMailInput : reply.relayed))
        case (.answering, .message):
            self.phase = .idle
            guard reply.replyCode != 421, case .open(let destination) = self.leg else {
                self.leg = .none
                return .closeLegAndAnswer(.message(reply.relayed))
            }
            self.leg = .idle(destination)
            return .answer(.message(reply.relayed))
        case (.orphaned, .message):
            self.phase = .idle
            self.leg = .none
            return .closeLegAndAnswer(.nobody(reply.relayed))
        case (.idle, _), (.open, _), (.deciding, _), (.connecting, _), (.asking, _), (.preparing, _), (.sending, _),
            (.discarding, _), (.answering, _), (.orphaned, _):
            // Nothing of ours waits for this: the session with the backend is not what we take it for.
            return self.failed(.session(.closed))
        }
    }

    /// The leg is no more, or never came to be.
    package mutating func failed(_ failure: Failure) -> Action {
        let reply = failure.reply
        self.leg = .none
        switch self.phase {
        case .idle, .discarding:
            return .closeLeg
        case .open, .deciding:
            // Recipients that were accepted are lost with it; without any, the next one gets a new leg.
            if self.fixed != nil { self.lost = reply }
            guard case .deciding = self.phase, let lost = self.lost else { return .closeLeg }
            self.phase = .open
            return .closeLegAndAnswer(.recipient(lost, closing: false))
        case .connecting, .asking:
            if self.fixed != nil { self.lost = reply }
            self.phase = .open
            return .closeLegAndAnswer(.recipient(reply, closing: false))
        case .preparing:
            self.lost = reply
            self.phase = .open
            return .closeLegAndAnswer(.data(reply))
        case .sending:
            self.phase = .discarding(failure.earlyReply ?? reply)
            return .closeLeg
        case .answering:
            self.phase = .idle
            return .closeLegAndAnswer(.message(.ambiguous))
        case .orphaned:
            self.phase = .idle
            return .closeLegAndAnswer(.nobody(.ambiguous))
        }
    }

    private mutating func accept(_ pending: Pending) {
        if self.fixed == nil { self.fixed = pending.destination }
        if case .server(_, _, let asked) = pending.destination, case .server(_, _, asked)? = self.fixed,
            let domain = pending.recipient.forwardPath.domain
        {
            self.lookedUpDomains.insert(domain)
        }
    }
}

extension ForwardPath {
    fileprivate var domain: String? {
        switch self {
        case .postmaster: nil
        case .mailbox(let mailbox): DomainName.key(mailbox.domain)
        }
    }
}
