import Routing
package import SMTPCore

// What the client does.

extension RelayTransaction {
    /// What the leg was made for holds no more: the configuration, where no mail may go there now, or what its backend
    /// was told of the client. One that has accepted a recipient stays.
    package mutating func legOutdated() -> Action {
        switch self.leg {
        case .none, .lost: return .none
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
        self.firstFailure = nil
        self.isResent = false
        self.accepted.removeAll(keepingCapacity: self.accepted.count <= Self.longestBatch)
        self.clearBatch()
        self.lookedUpDomains.removeAll(keepingCapacity: true)
    }

    /// The client named a recipient; or, to ``Action/gather``, it had named another one.
    package mutating func recipient(_ recipient: RecipientCommand) -> Action {
        switch self.phase {
        case .open, .gathering: break
        case .idle, .deciding, .connecting, .replaying, .asking, .preparing, .sending, .discarding, .answering,
            .orphaned:
            preconditionFailure("RCPT outside of a transaction, or behind one that is not answered")
        }
        if let lost = self.lost {
            let count = self.batch.count + 1
            self.phase = .open
            self.clearBatch()
            return .answer(count > 1 ? .recipients(lost, count: count) : .recipient(lost, closing: false))
        }
        self.phase = .deciding(recipient)
        return .decide(recipient)
    }

    /// It is known what is to become of the recipient.
    package mutating func decided(_ decision: RecipientDecision) -> Action {
        guard case .deciding(let recipient) = self.phase else { return .none }
        guard self.batch.isEmpty else { return self.join(recipient, decision) }
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
            self.batch.append(recipient)
            self.batchDestination = destination
            self.phase = .gathering
            return .gather
        }
    }

    /// What becomes of the recipient must not be decided before those in front of it have been asked about; then
    /// ``Action/decide(_:)`` comes again. Only where ``isGathering``.
    package mutating func postponed() -> Action {
        guard case .deciding(let recipient) = self.phase, !self.batch.isEmpty else { return .none }
        self.held = Held(recipient: recipient)
        return self.askBatch()
    }

    /// The client has named no other recipient yet.
    package mutating func gathered() -> Action {
        guard case .gathering = self.phase else { preconditionFailure("nothing was being gathered") }
        return self.askBatch()
    }

    /// Goes on with the recipient that had to wait for those in front of it.
    package mutating func resume() -> Action {
        guard case .open = self.phase, let held = self.held else { return .none }
        self.held = nil
        if let lost = self.lost { return .answer(.recipient(lost, closing: false)) }
        self.phase = .deciding(held.recipient)
        return held.decision.map { self.decided($0) } ?? .decide(held.recipient)
    }

    /// The client wants to send the message.
    package mutating func dataRequested() -> Action {
        guard case .open = self.phase else { preconditionFailure("DATA outside of a transaction") }
        if let lost = self.lost { return .answer(.data(lost)) }
        switch self.leg {
        case .open:
            self.phase = .preparing(.data)
            return .prepareMessage
        case .lost(let destination):
            self.phase = .connecting(.data)
            return .connect(destination)
        case .none, .idle:
            return .answer(.data(.backendLost))
        }
    }

    /// The message is refused: the backend must never see its end.
    package mutating func messageRefused() -> Action {
        if case .discarding = self.phase {
            self.phase = .idle
            return .none
        }
        guard self.isSending else { return .none }
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
        case .connecting(.message):
            self.phase = .connecting(.message(isWhole: true))
            return .none
        case .replaying(.message, let confirmed):
            self.phase = .replaying(.message(isWhole: true), confirmed: confirmed)
            return .none
        case .preparing(.message):
            self.phase = .preparing(.message(isWhole: true))
            return .none
        case .discarding(let reply):
            self.phase = .idle
            return .answer(.message(reply))
        case .idle, .open, .deciding, .gathering, .connecting, .replaying, .asking, .preparing, .answering, .orphaned:
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
        self.clearBatch()
        switch phase {
        case .idle, .discarding:
            return .none
        case .open, .deciding, .gathering:
            switch self.leg {
            case .none, .idle:
                return .none
            case .lost:
                self.leg = .none
                return .none
            case .open(let destination):
                self.leg = .idle(destination)
                return .abandonTransaction
            }
        case .connecting, .replaying, .asking, .preparing, .sending, .answering, .orphaned:
            self.leg = .none
            return .closeLeg
        }
    }
}

// MARK: Batches

extension RelayTransaction {
    /// The next recipient of a batch: it is asked about with the others where it goes to the same place whatever becomes of
    /// them. What becomes of any other is found out behind them.
    private mutating func join(_ recipient: RecipientCommand, _ decision: RecipientDecision) -> Action {
        guard case .forward(let decided) = decision, let present = self.batchDestination,
            let destination = self.admitted(decided, for: recipient.forwardPath), present.isSame(as: destination),
            present.isOfSameLookup(as: destination)
        else {
            self.held = Held(recipient: recipient, decision: decision)
            return self.askBatch()
        }
        self.batch.append(recipient)
        guard self.batch.count < Self.longestBatch else { return self.askBatch() }
        self.phase = .gathering
        return .gather
    }

    private mutating func askBatch() -> Action {
        guard let destination = self.batchDestination else { preconditionFailure("no batch") }
        if let lost = self.lost { return self.giveUpBatch(lost, closesLeg: false) }
        switch self.leg {
        case .open(let present) where present.isSame(as: destination):
            self.phase = .asking
            return .addRecipients(self.batch)
        case .idle(let present) where present.isSame(as: destination):
            self.phase = .asking
            return .begin(self.mail, self.batch)
        case .none, .open, .idle, .lost:
            self.leg = .none
            self.phase = .connecting(.recipients)
            return .connect(destination)
        }
    }

    mutating func clearBatch() {
        self.batch.removeAll(keepingCapacity: true)
        self.batchDestination = nil
        self.answeredCount = 0
        self.held = nil
    }

    /// Answers what is left of the batch with `reply`.
    mutating func giveUpBatch(_ reply: SMTPReply, closesLeg: Bool) -> Action {
        let count = self.batch.count - self.answeredCount
        let held = self.held
        self.clearBatch()
        self.held = held
        self.phase = .open
        let answer: Answer = count == 1 ? .recipient(reply, closing: false) : .recipients(reply, count: count)
        if held != nil { return closesLeg ? .closeLegAndAnswerAndResume(answer) : .answerAndResume(answer) }
        return closesLeg ? .closeLegAndAnswer(answer) : .answer(answer)
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
}

extension ForwardPath {
    /// The domain as routes have it; nil for Postmaster.
    var domain: String? {
        switch self {
        case .postmaster: nil
        case .mailbox(let mailbox): DomainName.key(mailbox.domain)
        }
    }
}
