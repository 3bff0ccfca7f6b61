package import SMTPCore
import SMTPNIO

// What becomes of the leg, and of a transaction whose leg fails.

extension RelayTransaction {
    /// The leg is ready for a transaction.
    package mutating func connected() -> Action {
        guard case .connecting(let goal) = self.phase, let destination = self.asked else { return .closeLeg }
        self.leg = .idle(destination)
        guard self.accepted.isEmpty else {
            self.phase = .replaying(goal, confirmed: 0)
            return .begin(self.mail, self.unconfirmed(from: 0))
        }
        self.phase = .asking
        return .begin(self.mail, self.unanswered)
    }

    /// The backend answered; `isOpen` says whether its transaction is.
    package mutating func answered(_ question: ClientSession.Question, _ reply: SMTPReply, isOpen: Bool) -> Action {
        switch (self.phase, question) {
        case (.replaying(let goal, let confirmed), .recipient):
            return self.confirmed(reply, confirmed + 1, goal)
        case (.asking, .recipient):
            return self.recipientAnswered(reply, isOpen: isOpen)
        case (.preparing(.message(let isWhole)), .data):
            // The client was told 354.
            guard reply.isPositiveIntermediate else { return self.giveUp(.message(isWhole: isWhole), .verdictChanged) }
            self.isResent = true
            self.phase = isWhole ? .answering : .sending
            return .resendMessage(isWhole: isWhole)
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
        case (.idle, _), (.open, _), (.deciding, _), (.gathering, _), (.connecting, _), (.replaying, _), (.asking, _),
            (.preparing, _), (.sending, _), (.discarding, _), (.answering, _), (.orphaned, _):
            // Nothing of ours waits for this: the session with the backend is not what we take it for.
            return self.failed(.session(.closed), alternative: .none)
        }
    }

    /// The leg is no more, or never came to be; `alternative` is what there is instead.
    package mutating func failed(_ failure: Failure, alternative: Alternative) -> Action {
        // What there was to say at first is worth more than that there is nobody else.
        let isNobodyElse = failure == .unreachable || failure == .busy
        let reply = isNobodyElse ? self.firstFailure ?? failure.reply : failure.reply
        let isReplaceable = alternative.hasLeg && failure.isReplaceable
        self.leg = .none
        switch self.phase {
        case .idle, .discarding:
            return .closeLeg
        case .open, .deciding, .gathering:
            return self.failedBetweenQuestions(failure, reply, isReplaceable: isReplaceable)
        case .connecting(let goal), .replaying(let goal, _), .preparing(let goal):
            if case .message = goal, !alternative.hasMessage { return self.giveUp(goal, reply) }
            return isReplaceable ? self.connectAgain(goal, reply) : self.giveUp(goal, reply)
        case .asking:
            return isReplaceable ? self.connectAgain(.recipients, reply) : self.giveUp(.recipients, reply)
        case .sending:
            let reply = failure.earlyReply ?? reply
            // A message at which two backends end may be what they end at: no third one gets it.
            guard isReplaceable, alternative.hasMessage, !self.isResent else {
                return self.giveUp(.message(isWhole: false), reply)
            }
            return self.connectAgain(.message(isWhole: false), reply)
        case .answering:
            self.phase = .idle
            return .closeLegAndAnswer(.message(.ambiguous))
        case .orphaned:
            self.phase = .idle
            return .closeLegAndAnswer(.nobody(.ambiguous))
        }
    }
}

// MARK: Recipients

extension RelayTransaction {
    private mutating func recipientAnswered(_ reply: SMTPReply, isOpen: Bool) -> Action {
        guard let destination = self.batchDestination, self.answeredCount < self.batch.count else {
            return self.failed(.session(.closed), alternative: .none)
        }
        if reply.isPositiveCompletion { self.accept(self.batch[self.answeredCount], destination) }
        self.answeredCount += 1
        let answer = Answer.recipient(reply.relayed, closing: false)
        guard self.answeredCount == self.batch.count else { return .answer(answer) }
        self.leg = isOpen ? .open(destination) : .idle(destination)
        self.phase = .open
        let held = self.held
        self.clearBatch()
        self.held = held
        return held == nil ? .answer(answer) : .answerAndResume(answer)
    }

    private mutating func accept(_ recipient: RecipientCommand, _ destination: Destination) {
        if self.fixed == nil { self.fixed = destination }
        self.accepted.append(recipient)
        if case .server(_, _, let asked) = destination, case .server(_, _, asked)? = self.fixed,
            let domain = recipient.forwardPath.domain
        {
            self.lookedUpDomains.insert(domain)
        }
    }

    /// One that had been accepted was answered once more.
    private mutating func confirmed(_ reply: SMTPReply, _ confirmed: Int, _ goal: Goal) -> Action {
        guard reply.isPositiveCompletion else { return self.giveUp(goal, .verdictChanged) }
        guard confirmed == self.accepted.count else {
            self.phase = .replaying(goal, confirmed: confirmed)
            return confirmed.isMultiple(of: Self.longestBatch)
                ? .addRecipients(self.unconfirmed(from: confirmed)) : .none
        }
        if let fixed = self.fixed { self.leg = .open(fixed) }
        switch goal {
        case .recipients:
            self.phase = .asking
            return .addRecipients(self.unanswered)
        case .data, .message:
            self.phase = .preparing(goal)
            return .prepareMessage
        }
    }

    /// What is left of the batch.
    private var unanswered: [RecipientCommand] {
        self.answeredCount == 0 ? self.batch : Array(self.batch[self.answeredCount...])
    }

    /// The next of those that were accepted.
    private func unconfirmed(from index: Int) -> [RecipientCommand] {
        guard index > 0 || self.accepted.count > Self.longestBatch else { return self.accepted }
        return Array(self.accepted[index..<min(index + Self.longestBatch, self.accepted.count)])
    }
}

// MARK: Failures

extension RelayTransaction {
    /// Another leg is made, for what the client waits for.
    private mutating func connectAgain(_ goal: Goal, _ reply: SMTPReply) -> Action {
        guard let destination = self.asked else { return self.giveUp(goal, reply) }
        self.firstFailure = reply
        self.phase = .connecting(goal)
        return .connect(destination)
    }

    /// There is no other leg: what the client waits for is refused, and with it all that it would ask in the transaction,
    /// where recipients had been accepted.
    private mutating func giveUp(_ goal: Goal, _ reply: SMTPReply) -> Action {
        self.leg = .none
        switch goal {
        case .recipients:
            if self.fixed != nil { self.lost = reply }
            return self.giveUpBatch(reply, closesLeg: true)
        case .data:
            self.lost = reply
            self.phase = .open
            return .closeLegAndAnswer(.data(reply))
        case .message(isWhole: false):
            self.phase = .discarding(reply)
            return .closeLeg
        case .message(isWhole: true):
            self.phase = .idle
            return .closeLegAndAnswer(.message(reply))
        }
    }

    /// The client waits for nothing that the leg was asked. Where recipients were accepted, a new leg is made when it asks
    /// for something; without any, the next recipient gets one anyway.
    private mutating func failedBetweenQuestions(_ failure: Failure, _ reply: SMTPReply, isReplaceable: Bool) -> Action
    {
        if let fixed = self.fixed {
            if isReplaceable {
                self.leg = .lost(fixed)
                self.firstFailure = reply
            } else {
                self.lost = reply
            }
        }
        // (A lookup that takes too long has its own time, and says so itself, where nobody waits behind it.)
        guard case .deciding = self.phase, self.lost != nil || (failure == .timeout && !self.batch.isEmpty) else {
            return .closeLeg
        }
        // (The batch is with whom is being decided about.)
        let count = self.batch.count + 1
        self.clearBatch()
        self.phase = .open
        let answer: Answer = count == 1 ? .recipient(reply, closing: false) : .recipients(reply, count: count)
        return .closeLegAndAnswer(answer)
    }
}

extension RelayTransaction.Failure {
    /// Whether another backend may be asked instead. Not where the client's time is over, nor where the backend refused
    /// the client itself, or the login that it was given: that is an answer.
    fileprivate var isReplaceable: Bool {
        switch self {
        case .timeout, .unreachable, .busy: false
        case .session(.session(let error)):
            switch error.code {
            case .refusedSession, .serviceClosing, .unexpectedReply, .noTLS, .notAnnounced, .refusedIntroduction: true
            case .earlyReply, .refusedClient, .refusedAuthentication: false
            }
        case .session(.syntax), .session(.answeredUnasked), .session(.injection), .session(.tls), .session(.timeout),
            .session(.closed):
            true
        }
    }
}
