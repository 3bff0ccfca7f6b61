package import NIOCore
package import SMTPCore

/// Who answers an SMTP server handler's questions: a relay, or a server that keeps mail.
///
/// All calls come on the channel's event loop. A delegate may complete a question within the call or later.
package protocol SMTPServerDelegate: AnyObject {
    /// A transaction begins; `line` is MAIL as the client wrote it, without its line end.
    func transactionBegan(_ mail: MailCommand, line: ByteBuffer)
    /// Find out about a recipient, then call ``SMTPServerHandler/recipientCompleted(_:closing:)``; `line` is RCPT. Those
    /// that the client has named behind it already are to be had from ``SMTPServerHandler/takeRecipient()``.
    func resolveRecipient(_ recipient: RecipientCommand, line: ByteBuffer)
    /// Get ready for the message, then call ``SMTPServerHandler/dataCompleted(_:terms:)``.
    func prepareMessage()
    /// Octets of the message, in the handler's form.
    func messageReceived(_ octets: ByteBuffer)
    /// No more octets will come before the next `messageReceived`: a good moment to flush.
    func messageReceiveCompleted()
    /// The message is refused, and the client will be told behind its end: what came of it must not be delivered. Its
    /// rest is not passed on.
    func messageRefused(_ reply: SMTPReply)
    /// The message is whole: call ``SMTPServerHandler/messageCompleted(_:closing:)`` when its fate is known.
    func messageEnded(_ receipt: MessageReceipt)
    /// The reply to a message that can no longer be delivered, though the client is still sending it; nil while it can be.
    /// Asked behind each chunk but the last: such a client need not send the others.
    var messageRefusal: SMTPReply? { get }
    /// The transaction is over without a message; also called when there was none.
    func transactionReset()
    /// The client is gone, or the session was closed. The last call of all.
    func sessionClosed()
    /// Whether more of the message may come now; when that changes to true, call ``SMTPServerHandler/resumeReading()``.
    var acceptsMessage: Bool { get }
    /// The client sent on behind a command whose reply it had to wait for.
    func earlyInputSeen()
    /// Octets came in clear behind STARTTLS: they are thrown away, and nobody honest sends them (CVE-2011-0411).
    func injectionSeen()

    /// TLS is asked for: what adds it to the channel in front of the handler, once 220 has been written; nil where it
    /// is not to be had now. Only where ``ServerSessionConfiguration/offersTLS``.
    func prepareTLS() -> (() throws -> Void)?
    /// A SASL exchange begins: call ``SMTPServerHandler/authenticationContinued(_:)`` or
    /// ``SMTPServerHandler/authenticationCompleted(_:closing:)``. Only where there are ``ServerSessionConfiguration/authMechanisms``.
    func authenticate(_ command: AuthCommand)
    /// The client's response to a challenge, in base64: as ``authenticate(_:)``.
    func continueAuthentication(_ response: Secret)
    /// TLS has begun: who the client said it was in clear counts no more (RFC 3207 section 4.2).
    func authenticationForgotten()
    /// The client tries AUTH, which nobody offered it.
    func unofferedAuthenticationSeen()
}

extension SMTPServerDelegate {
    package var messageRefusal: SMTPReply? { nil }
    package func earlyInputSeen() {}
    package func injectionSeen() { self.earlyInputSeen() }
    package func prepareTLS() -> (() throws -> Void)? { nil }
    package func authenticate(_ command: AuthCommand) { preconditionFailure("no mechanism was offered") }
    package func continueAuthentication(_ response: Secret) { preconditionFailure("no mechanism was offered") }
    package func authenticationForgotten() {}
    package func unofferedAuthenticationSeen() {}
}

/// On what terms a message is received: its transaction's, known with its first recipient.
package struct MessageTerms: Equatable, Sendable {
    /// What may be in it.
    package var policy: MessagePolicy
    /// The most octets, as RFC 1870 section 5 counts them; 0 for no bound.
    package var size: UInt64

    /// Makes terms.
    package init(policy: MessagePolicy = MessagePolicy(), size: UInt64) {
        self.policy = policy
        self.size = size
    }
}

/// What was found in a message.
package struct MessageReceipt: Equatable, Sendable {
    /// Its octets, as RFC 1870 section 5 counts them.
    package var size: UInt64
    /// LF without a CR before them.
    package var bareLineFeeds: UInt64
    /// CR without a LF behind them.
    package var bareCarriageReturns: UInt64

    /// Makes a receipt.
    package init(size: UInt64 = 0, bareLineFeeds: UInt64 = 0, bareCarriageReturns: UInt64 = 0) {
        self.size = size
        self.bareLineFeeds = bareLineFeeds
        self.bareCarriageReturns = bareCarriageReturns
    }
}

/// How long a server handler waits (RFC 5321 section 4.5.3.2).
package struct SMTPServerTimeouts: Sendable {
    /// Between the connection and the greeting; zero: none. Who says something meanwhile does not wait for replies.
    package var greetingDelay: TimeAmount = .zero
    /// For the next command, whole (RFC 5321 section 4.5.3.2.7).
    package var command: TimeAmount = .minutes(5)
    /// For the next octets of a message (RFC 5321 section 4.5.3.2.5).
    package var dataBlock: TimeAmount = .minutes(3)
    /// The octets a second that a message comes at in the long run, or the session ends; 0 for no bound.
    package var dataRate = 100
    /// For the client to close after the last reply.
    package var close: TimeAmount = .seconds(5)
    /// How long a reply is held back so that the next one leaves with it. A client's patience with a reply (RFC 5321
    /// section 4.5.3.2) begins with its command, and behind that a hundred others may wait for a lookup each.
    package var heldReply: TimeAmount = .seconds(1)

    /// The defaults.
    package init() {}
}
