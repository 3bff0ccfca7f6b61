package import NIOCore
package import SMTPCore

/// Who answers an SMTP server handler's questions: a relay, or a server that keeps mail.
///
/// All calls come on the channel's event loop. A delegate may complete a question within the call or later.
package protocol SMTPServerDelegate: AnyObject {
    /// A transaction begins; `line` is MAIL as the client wrote it, without its line end.
    func transactionBegan(_ mail: MailCommand, line: ByteBuffer)
    /// Find out about a recipient, then call ``SMTPServerHandler/recipientCompleted(_:closing:)``; `line` is RCPT.
    func resolveRecipient(_ recipient: RecipientCommand, line: ByteBuffer)
    /// Get ready for the message, then call ``SMTPServerHandler/dataCompleted(_:)``.
    func prepareMessage()
    /// Octets of the message, in the handler's form.
    func messageReceived(_ octets: ByteBuffer)
    /// No more octets will come before the next `messageReceived`: a good moment to flush.
    func messageReceiveCompleted()
    /// The message is over the limit: what came of it must not be delivered. Its rest is not passed on.
    func messageIsTooBig()
    /// The message is whole: call ``SMTPServerHandler/messageCompleted(_:closing:)`` when its fate is known.
    func messageEnded(size: UInt64, bareLineFeeds: UInt64, bareCarriageReturns: UInt64)
    /// The transaction is over without a message; also called when there was none.
    func transactionReset()
    /// The client is gone, or the session was closed. The last call of all.
    func sessionClosed()
    /// Whether more of the message may come now; when that changes to true, call ``SMTPServerHandler/resumeReading()``.
    var acceptsMessage: Bool { get }
}

/// How long a server handler waits (RFC 5321 section 4.5.3.2).
package struct SMTPServerTimeouts: Sendable {
    /// For the next command (RFC 5321 section 4.5.3.2.7).
    package var command: TimeAmount = .minutes(5)
    /// For the next octets of a message (RFC 5321 section 4.5.3.2.5).
    package var dataBlock: TimeAmount = .minutes(3)
    /// For the client to close after the last reply.
    package var close: TimeAmount = .seconds(5)
    /// How long a reply is held back so that the next one leaves with it. A client's patience with a reply (RFC 5321
    /// section 4.5.3.2) begins with its command, and behind that a hundred others may wait for a lookup each.
    package var heldReply: TimeAmount = .seconds(1)

    /// The defaults.
    package init() {}
}
