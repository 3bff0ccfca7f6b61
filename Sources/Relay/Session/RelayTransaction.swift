import Routing
package import SMTPCore
package import SMTPNIO

/// The decisions of a relay about one client's transactions, without any I/O.
///
/// The first accepted recipient fixes where a transaction goes; the others follow it or get 452. A connection to a
/// backend, the leg, outlives a transaction and serves the client's next one where that goes to the same place.
///
///     client: RCPT b@example.org       .decide … decided(.forward(app)) → .gather … gathered() → .connect(app)
///     leg: ready                       .begin(MAIL, [RCPT])
///     leg: 250 to RCPT                 .answer(.recipient(250))
///     client: DATA                     .prepareMessage … answered(.data, 354) → .answer(.data(354))
///     client: (message)                .endMessage … answered(.message, 250) → .answer(.message(250))
///
/// Recipients that the client named together are a batch: those that go to one place are asked about in one write.
///
/// Until the final dot is sent, a leg that fails is made again where there is an alternative, and what the client has been
/// told must come true there: every recipient that was accepted is asked about once more, and the message is sent again
/// from its beginning, as long as the caller has all of it. Behind the dot nothing is ever sent twice.
///
///     leg: (closed, in the message)    failed(…, alternative) → .connect(app)
///     leg: ready                       .begin(MAIL, [RCPT])
///     leg: 250 to RCPT                 .prepareMessage … answered(.data, 354) → .resendMessage(isWhole: false)
package struct RelayTransaction {
    /// An answer that the client waits for.
    package enum Answer: Equatable, Sendable {
        /// To RCPT; `closing` ends the session.
        case recipient(SMTPReply, closing: Bool)
        /// To each of so many RCPTs.
        case recipients(SMTPReply, count: Int)
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
        /// If the client has named another recipient already, call ``RelayTransaction/recipient(_:)`` with it; else
        /// ``RelayTransaction/gathered()``.
        case gather
        /// Take leave of the leg, if there is one, and make one to there, but not where one failed in this transaction;
        /// then ``RelayTransaction/connected()`` or ``RelayTransaction/failed(_:alternative:)``.
        case connect(Destination)
        /// Begin a transaction on the leg.
        case begin(MailCommand, [RecipientCommand])
        /// Add recipients on the leg.
        case addRecipients([RecipientCommand])
        /// Ask the leg whether the message may come.
        case prepareMessage
        /// Send the message on the leg, as far as it has come; `isWhole`: with the final dot.
        case resendMessage(isWhole: Bool)
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
        /// Answer the client, then call ``RelayTransaction/resume()``.
        case answerAndResume(Answer)
        /// Close the leg at once, then answer the client.
        case closeLegAndAnswer(Answer)
        /// The same, then call ``RelayTransaction/resume()``.
        case closeLegAndAnswerAndResume(Answer)
    }

    /// Why the leg is no more.
    package enum Failure: Equatable, Sendable {
        /// No backend of the destination could be reached.
        case unreachable
        /// Every backend of the destination had as many sessions as it may.
        case busy
        /// The session with the backend ended.
        case session(SMTPClientFailure)
        /// The client has waited for as long as it may.
        case timeout
    }

    /// Whether there is another way when a leg fails.
    package struct Alternative: Equatable, Sendable {
        /// Another leg can be made: to another backend of the group, or because this one was not fresh.
        package var hasLeg: Bool
        /// All of the message that has come can be sent once more.
        package var hasMessage: Bool

        /// Makes a description.
        package init(hasLeg: Bool, hasMessage: Bool) {
            self.hasLeg = hasLeg
            self.hasMessage = hasMessage
        }

        /// There is none.
        package static let none = Alternative(hasLeg: false, hasMessage: false)
    }

    enum Leg {
        case none
        case idle(Destination)
        case open(Destination)
        /// It is gone, and can be made again: with the next thing that the client asks.
        case lost(Destination)
    }

    /// What a leg is made or made again for.
    enum Goal: Equatable {
        /// The batch is to be asked about.
        case recipients
        /// The client waits for the answer to DATA.
        case data
        /// The client was told 354; `isWhole`: it has sent its message.
        case message(isWhole: Bool)
    }

    enum Phase {
        /// The client has no transaction open.
        case idle
        /// The client may send recipients, or the message.
        case open
        case deciding(RecipientCommand)
        /// The batch has one more; there may be others.
        case gathering
        case connecting(Goal)
        /// So many of those that had been accepted were accepted here, too; the others are asked about.
        case replaying(Goal, confirmed: Int)
        case asking
        case preparing(Goal)
        /// The message goes through.
        case sending
        /// The message goes nowhere; this is what its end will be answered.
        case discarding(SMTPReply)
        /// The final dot is out: from here on the message may be the backend's.
        case answering
        /// The same, and the client is gone.
        case orphaned
    }

    /// A recipient that could not join the batch: what becomes of it may depend on what becomes of the batch.
    struct Held {
        var recipient: RecipientCommand
        /// Nil where it has to be made behind the batch.
        var decision: RecipientDecision?
    }

    /// The most recipients in one write: a server's replies to them fit into any socket's buffer.
    package static let longestBatch = 100

    var leg = Leg.none
    var phase = Phase.idle
    /// What the transaction began with.
    package internal(set) var mail = MailCommand(.null)
    /// Where the accepted recipients go; nil before the first.
    var fixed: Destination?
    /// Those that were accepted, in order. (The arrays keep their storage from one transaction to the next.)
    package internal(set) var accepted: [RecipientCommand] = []
    /// Those that are asked about together.
    var batch: [RecipientCommand] = []
    /// Where the batch goes; nil where there is none.
    var batchDestination: Destination?
    /// How many of the batch the backend has answered.
    var answeredCount = 0
    var held: Held?
    /// The domains of the recipients that were accepted by lookup: a later answer for one of them is a verdict only.
    var lookedUpDomains: Set<String> = []
    /// What to say once the leg is lost for good with recipients that had been accepted.
    var lost: SMTPReply?
    /// Why a leg failed for which another is being made.
    var firstFailure: SMTPReply?
    /// Whether the message was sent a second time, from its beginning: there is no third.
    var isResent = false

    /// Makes the state of a client that has just connected.
    package init() {}

    /// Where the accepted recipients go; nil before the first.
    package var destination: Destination? { self.fixed }

    /// Where the recipients go that a backend is being asked about; nil where none is.
    package var asked: Destination? { self.fixed ?? self.batchDestination }

    /// Whether a message is being received for a backend, which it reaches now or, where a leg is made again, later.
    package var isSending: Bool {
        switch self.phase {
        case .sending, .connecting(.message), .replaying(.message, _), .preparing(.message): true
        case .idle, .open, .deciding, .gathering, .connecting, .replaying, .asking, .preparing, .discarding, .answering,
            .orphaned:
            false
        }
    }

    /// Whether octets of a message that come now are to be kept, as there is no leg to write them to.
    package var isReplaying: Bool {
        if case .sending = self.phase { return false }
        return self.isSending
    }

    /// The reply to a message that goes nowhere, though the client is still sending it.
    package var messageRefusal: SMTPReply? {
        if case .discarding(let reply) = self.phase { return reply }
        return nil
    }

    /// Whether the client has left, and the backend's answer to its message has not come.
    package var isOrphaned: Bool {
        if case .orphaned = self.phase { return true }
        return false
    }

    /// Whether others wait for what is being decided about a recipient: they are to be asked about together with it.
    package var isGathering: Bool {
        if case .deciding = self.phase { return !self.batch.isEmpty }
        return false
    }

    /// The first recipient that was accepted, or is being asked about.
    package var firstRecipient: ForwardPath? { (self.accepted.first ?? self.batch.first)?.forwardPath }

    /// Whether the client waits for something that this relay waits for.
    package var isWaiting: Bool {
        switch self.phase {
        case .deciding, .gathering, .connecting, .replaying, .asking, .preparing, .answering, .orphaned: true
        case .idle, .open, .sending, .discarding: false
        }
    }

    /// Whether a leg that fails now takes something with it: recipients that were accepted, or what the client waits for.
    package var isUnderWay: Bool {
        switch self.phase {
        case .idle, .discarding: false
        case .open, .deciding, .gathering: self.fixed != nil
        case .connecting, .replaying, .asking, .preparing, .sending, .answering, .orphaned: true
        }
    }

    /// What the relay is at, for the log.
    package var step: String {
        switch self.phase {
        case .idle: "idle"
        case .open: "open"
        case .deciding, .gathering: "deciding"
        case .connecting(let goal), .replaying(let goal, _), .preparing(let goal):
            switch goal {
            case .recipients: "recipient"
            case .data: "data"
            case .message: "message"
            }
        case .asking: "recipient"
        case .sending, .discarding: "message"
        case .answering, .orphaned: "answer"
        }
    }
}
