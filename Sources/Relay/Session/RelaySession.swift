import AuthHTTP
import FoundationEssentials
import Logging
import NIOCore
import Routing
import SMTPCore
import SMTPNIO
import Synchronization

/// One client of the relay: does what ``RelayTransaction`` decides, with lookups, a backend and the clock.
///
/// Confined to the client's event loop, as the backend's connection is.
final class RelaySession: SMTPServerDelegate, SMTPClientDelegate, SweptSession {
    /// The most domains that are kept of a transaction, for the replies of a backend that it has yet to be connected to.
    private static let mostDomains = 100

    let context: LoopContext
    var client: ClientFacts
    /// The listener's name; nil where it has the server's.
    private let listenerName: String?
    private(set) var snapshot: RelaySnapshot
    /// The client's handler, which has this session for its delegate; nil once the client is gone.
    private(set) var server: SMTPServerHandler?
    private var sweepToken: SessionSweep.Token?
    var deadline = NIODeadline.distantFuture

    private(set) var transaction = RelayTransaction()
    /// What of the message can be sent once more.
    var window: ReplayWindow
    /// Whether octets of the client's message wait for the end of a read to be sent.
    private var hasUnsentOctets = false
    /// What the transaction's legs have come to.
    var legs = LegHistory()
    /// What a lookup said of a recipient that has to wait for those in front of it.
    var heldVerdict: (recipient: RecipientCommand, verdict: Result<LookupVerdict, LookupError>)?
    private(set) var connection: BackendConnection?
    /// The connection that is being made; nil where none is.
    private var attempt: BackendConnector.Attempt?
    /// Counts connections, so that the outcome of one that nobody waits for any more is known as such.
    private var connectionID: UInt64 = 0
    /// Counts the recipients that were decided, so that a lookup's answer that comes too late for its own recipient is
    /// not taken for the next one's.
    var decisionID: UInt64 = 0
    /// The domains of the transaction's first recipients: no names of the backend's, even where it has the same.
    private(set) var recipientDomains: [String] = []
    /// The lines of MAIL and of the last RCPT, for lookups; empty where there are none.
    private(set) var mailLine = ByteBuffer()
    private(set) var recipientLine = ByteBuffer()
    /// As whom the last lookup would have a backend take the client (Auth-User, Auth-Pass); nil where it did not say.
    var lookupLogin: ClientLogin?
    /// What the connection's backend was told of the client; nil where it has not yet been told.
    var introduced: ClientIntroduction?
    /// How many lookups refused this client.
    var refusedLookups = 0
    /// Where the client connected, by the place among the configuration's listeners.
    let listener: Int
    /// What is known of its AUTH.
    var authentication = SessionAuthentication()
    private(set) var log = TransactionLog()
    private(set) var isClosed = false

    /// - Parameters:
    ///   - listener: where the client connected.
    ///   - listenerName: that listener's name; nil where it has the server's.
    init(context: LoopContext, client: ClientFacts, listener: Int, listenerName: String?) {
        self.context = context
        self.listener = listener
        self.client = client
        self.listenerName = listenerName
        self.snapshot = context.snapshot
        self.window = ReplayWindow(context.state.replayBudget)
    }

    /// The name in the greeting, and in the Received field.
    var serverName: String { self.listenerName ?? self.snapshot.serverName }

    /// Joins the session to its client's handler; both end together.
    func start(_ server: SMTPServerHandler) {
        self.server = server
        self.sweepToken = self.context.sweep.add(self)
    }

    func drain() {}  // The client's handler is swept too, and ends the session.

    /// Somebody has kept the client waiting for too long.
    func deadlineExpired() {
        self.deadline = .distantFuture
        guard self.transaction.isWaiting else { return }
        self.connection?.failed(.timeout)
        self.perform(self.transaction.failed(.timeout, alternative: .none))
        self.server?.resumeReading()
    }
}

// MARK: The client

extension RelaySession {
    var acceptsMessage: Bool {
        guard self.transaction.isSending else { return true }
        return !self.transaction.isReplaying && self.connection?.handler.isWritable ?? true
    }

    var messageRefusal: SMTPReply? { self.transaction.messageRefusal }

    func transactionBegan(_ mail: MailCommand, line: ByteBuffer) {
        let snapshot = self.context.snapshot
        if snapshot !== self.snapshot {
            self.snapshot = snapshot
            self.perform(self.transaction.legOutdated())
        }
        self.leaveOutdatedLeg()
        // (One that waited with this client is not looked at meanwhile.)
        if self.connection?.isWornOut(now: .now()) == true { self.perform(self.transaction.legOutdated()) }
        self.mailLine = self.keeping(line)
        let now = Int64(Date().timeIntervalSince1970)
        self.recipientDomains.removeAll(keepingCapacity: true)
        self.heldVerdict = nil
        self.legs.clear()
        self.connection?.isReused = true
        self.log.began(mail, id: self.context.state.transactionIDs.next(unixTime: now))
        self.transaction.began(self.attributed(mail))
    }

    func resolveRecipient(_ recipient: RecipientCommand, line: ByteBuffer) {
        self.deadline = .now() + self.snapshot.configuration.timeouts.recipient
        self.take(recipient, line: line)
    }

    private func take(_ recipient: RecipientCommand, line: ByteBuffer) {
        self.recipientLine = self.keeping(line)
        if case .mailbox(let mailbox) = recipient.forwardPath {
            // Recipients that are refused have no bound: what is kept of them must have one.
            let domain = mailbox.domain
            if self.recipientDomains.count < Self.mostDomains, self.recipientDomains.last != domain {
                self.recipientDomains.append(domain)
            }
        }
        self.perform(self.transaction.recipient(recipient))
    }

    /// The line as lookups are told of it: a copy, as the line is a part of what was read, whose room is for the next read.
    private func keeping(_ line: ByteBuffer) -> ByteBuffer {
        self.snapshot.asksLookups ? ByteBuffer(buffer: line) : ByteBuffer()
    }

    func prepareMessage() {
        self.deadline = .now() + self.snapshot.configuration.timeouts.data
        self.perform(self.transaction.dataRequested())
    }

    func messageReceived(_ octets: ByteBuffer) {
        guard self.transaction.isSending else { return }
        if self.transaction.isReplaying { return self.window.append(octets, isHeld: true) }
        self.writeMessage(octets)
        self.hasUnsentOctets = true
    }

    func messageReceiveCompleted() {
        // (Our own field goes with the first octets of the client's: by itself it would wake the backend for nothing.)
        guard self.hasUnsentOctets, self.transaction.isSending, !self.transaction.isReplaying else { return }
        self.hasUnsentOctets = false
        self.connection?.handler.flushMessage()
    }

    func messageRefused(_ reply: SMTPReply) {
        self.perform(self.transaction.messageRefused())
        self.log.refused(self.context.logger, reply, self.client.name)
    }

    func earlyInputSeen() {
        self.context.logger.warning("early-input client=\(self.client.name)")
    }

    func messageEnded(_ receipt: MessageReceipt) {
        self.log.received(receipt)
        self.deadline = .now() + self.snapshot.configuration.timeouts.finalDot
        self.perform(self.transaction.messageEnded())
    }

    func transactionReset() {
        self.perform(self.transaction.reset())
        self.share()
    }

    func sessionClosed() {
        self.isClosed = true
        self.server = nil
        self.forgetAuthentication()
        if self.transaction.isSending { self.log.abandoned(self.context.logger, self.client.name) }
        self.perform(self.transaction.clientLost())
        guard self.transaction.isOrphaned else { return self.end() }
        // The backend has the message, and its answer is worth a line in the log. Until then the session counts as a
        // client's, or whoever sends messages and leaves could have any number of connections to backends.
        self.context.state.connections.add(1, ordering: .relaxed)
    }

    /// Nothing is waited for any more.
    private func end() {
        self.leave()
        if let token = self.sweepToken { self.context.sweep.remove(token) }
        self.sweepToken = nil
    }
}

// MARK: The backend

extension RelaySession {
    func clientReady() {
        if let connection = self.connection {
            connection.established()
            // What it says to a client that it was told of is another matter.
            if self.introduced == nil, !connection.isReused { self.context.learn(of: connection) }
            if self.introduces(connection) { return }
        }
        self.reportFailover()
        self.perform(self.transaction.connected())
    }

    func clientAnswered(_ question: ClientSession.Question, _ reply: SMTPReply) {
        if question == .recipient, self.isRefusalOfConnection(reply) {
            self.connection?.handler.close()
            return self.clientFailed(.session(ClientSessionError(code: .serviceClosing, reply: reply)))
        }
        self.perform(
            self.transaction.answered(
                question, self.masked(reply), isOpen: self.connection?.handler.isOpen ?? false))
    }

    func clientFailed(_ failure: SMTPClientFailure) {
        let isStale = self.connection.map { self.isStale($0, failure) } ?? false
        if !isStale {
            self.log.backendFailed(self.context.logger, failure, backend: self.connection?.address, self.client.name)
        }
        if failure == .injection { self.injected(by: "backend=\(self.connection?.address ?? "?")") }
        let masked = self.masked(failure)
        let alternative = self.connection.map { self.alternative(to: $0, isStale: isStale) } ?? .none
        if !isStale { self.connection?.failed(failure) }
        self.connection = nil
        self.perform(self.transaction.failed(.session(masked), alternative: alternative))
        self.server?.resumeReading()
    }

    func clientWritabilityChanged(_ isWritable: Bool) {
        if isWritable { self.server?.resumeReading() }
    }

    private func connect(to destination: Destination) {
        self.leave()
        self.connectionID += 1
        let id = self.connectionID
        let connector = BackendConnector(
            context: self.context, snapshot: self.snapshot, client: self.client, deadline: self.deadline,
            isFresh: self.legs.hasRetried)
        self.attempt = connector.attempt
        connector.connect(to: destination, excluding: self.legs.failed, delegate: self) { result in
            let connection = try? result.get()
            guard id == self.connectionID, !self.isClosed else {
                connection?.handler.close()
                return
            }
            self.attempt = nil
            self.connection = connection
            self.introduced = nil
            guard case .failure(let refusal) = result else { return }
            self.perform(self.transaction.failed(refusal == .busy ? .busy : .unreachable, alternative: .none))
            self.server?.resumeReading()
        }
    }

    /// Takes leave of a backend that was told of the client what no longer holds.
    func leaveOutdatedLeg() {
        if !self.isIntroductionValid { self.perform(self.transaction.legOutdated()) }
    }

    /// Takes leave of the backend, or leaves it to the next client.
    private func leave() {
        guard let connection = self.forgetConnection(), !self.context.pool.put(connection) else { return }
        connection.handler.quit()
    }

    /// Whoever sends next may have the connection: a client that says nothing more must not hold one of a backend's. Where as
    /// many wait as may, and nobody waits for a place, it stays with this client, who would need another one.
    private func share() {
        guard let connection = self.connection, connection.isShareable else { return }
        let isWanted = self.context.pool.hasRoom(for: connection) || connection.place?.mayRest == false
        guard isWanted || connection.isWornOut(now: .now()) else { return }
        self.perform(self.transaction.legOutdated())
    }

    private func closeConnection() {
        self.window.close()
        self.forgetConnection()?.handler.close()
    }

    /// Neither the connection nor one that is being made is this session's any more.
    private func forgetConnection() -> BackendConnection? {
        self.connectionID += 1
        self.attempt?.giveUp()
        self.attempt = nil
        let connection = self.connection
        self.connection = nil
        return connection
    }
}

// MARK: Actions

extension RelaySession {
    /// It is known what becomes of a recipient.
    func decided(_ decision: RecipientDecision) {
        self.perform(self.transaction.decided(decision))
    }

    /// What becomes of a recipient is found out behind those in front of it.
    func postponed() {
        self.perform(self.transaction.postponed())
    }

    /// A connection that was made before the client was who it now is must not carry what comes next.
    func leaveIdleBackend() {
        self.perform(self.transaction.legOutdated())
    }

    private func perform(_ action: RelayTransaction.Action) {
        switch action {
        case .none:
            break
        case .decide(let recipient):
            self.decide(recipient)
        case .gather:
            if let next = self.server?.takeRecipient() {
                self.take(next.recipient, line: next.line)
            } else {
                self.perform(self.transaction.gathered())
            }
        case .connect(let destination):
            // (In the middle of a message the client waits for nothing yet, but must not be kept for ever.)
            if self.deadline == .distantFuture { self.deadline = .now() + self.snapshot.configuration.timeouts.data }
            self.connect(to: destination)
        case .begin(let mail, let recipients):
            self.connection?.begins()
            self.connection?.handler.begin(
                self.enlarged(mail, for: self.transaction.asked), recipients, forwarding: self.forwarding)
        case .addRecipients(let recipients):
            self.connection?.handler.recipients(recipients)
        case .prepareMessage:
            self.connection?.handler.data()
        case .resendMessage(let isWhole):
            self.resendMessage(isWhole: isWhole)
        case .endMessage:
            self.window.close()
            self.connection?.handler.endMessage()
        case .abandonTransaction:
            self.connection?.handler.abandon()
        case .leaveLeg:
            self.leave()
        case .closeLeg:
            self.closeConnection()
        case .answer(let answer):
            self.answer(answer)
        case .answerAndResume(let answer):
            self.answer(answer)
            self.resume()
        case .closeLegAndAnswer(let answer):
            self.answer(answer, closingConnection: true)
        case .closeLegAndAnswerAndResume(let answer):
            self.answer(answer, closingConnection: true)
            self.resume()
        }
    }

    private func resume() {
        self.deadline = .now() + self.snapshot.configuration.timeouts.recipient
        self.perform(self.transaction.resume())
    }

    private func answer(_ answer: RelayTransaction.Answer, closingConnection: Bool = false) {
        let backend = self.connection?.address
        if closingConnection { self.closeConnection() }
        // (Others may still wait for an answer of their own.)
        self.deadline =
            self.transaction.isWaiting ? .now() + self.snapshot.configuration.timeouts.recipient : .distantFuture
        switch answer {
        case .recipient(let reply, let closing):
            self.recipientAnswered(reply, closing: closing)
        case .recipients(let reply, let count):
            for _ in 0..<count { self.recipientAnswered(reply, closing: false) }
        case .data(let reply):
            if reply.isPositiveIntermediate {
                self.hasUnsentOctets = false
                self.openWindow()
                self.writeReceivedField()
            }
            self.server?.dataCompleted(reply, terms: self.messageTerms)
        case .message(let reply):
            self.log.completed(self.context.logger, reply, backend: backend, self.client.name)
            self.share()
            self.server?.messageCompleted(reply)
        case .nobody(let reply):
            self.log.replyLost(self.context.logger, reply, backend: backend, self.client.name)
            self.context.state.connections.subtract(1, ordering: .relaxed)
            self.end()
        }
    }

    private func recipientAnswered(_ reply: SMTPReply, closing: Bool) {
        // Who comes next finds its backend anew, where nobody stands there.
        if self.transaction.destination == nil { self.legs.clear() }
        self.log.answered(recipient: reply)
        self.server?.recipientCompleted(reply, closing: closing)
    }
}
