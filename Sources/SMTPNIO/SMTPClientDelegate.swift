package import NIOCore
package import SMTPCore

/// Who drives a session with a server: it asks, and hears the answers. All calls come on the channel's event loop.
package protocol SMTPClientDelegate: AnyObject {
    /// The server greeted and answered EHLO: a transaction can begin, and ``SMTPClientHandler/capabilities`` are known.
    /// Called once more after a TLS handshake, and after ``SMTPClientHandler/introduce(_:)``.
    func clientReady()
    /// The server answered; for several recipients once for each, in order.
    func clientAnswered(_ question: ClientSession.Question, _ reply: SMTPReply)
    /// Put TLS in front of the handler, then call ``SMTPClientHandler/tlsEstablished()``; only after
    /// ``SMTPClientHandler/startTLS()``.
    func clientStartsTLS()
    /// The session cannot go on, and the connection is closed; the last call of all.
    func clientFailed(_ failure: SMTPClientFailure)
    /// Whether more of a message can be written without the connection's buffer growing.
    func clientWritabilityChanged(_ isWritable: Bool)
}

extension SMTPClientDelegate {
    /// Who never asks for TLS is never told to begin with it.
    package func clientStartsTLS() {}
}

/// Why a session with a server ended before its time.
package enum SMTPClientFailure: Error, Equatable {
    /// The server said something that ends the session.
    case session(ClientSessionError)
    /// What the server sent is no reply.
    case syntax(ReplySyntaxError)
    /// The server had answered before it was asked.
    case answeredUnasked
    /// The server, or somebody in between, said something in clear behind its 220 to STARTTLS, which would be taken for an
    /// answer under TLS (CVE-2021-38371).
    case injection
    /// There is no TLS with the server, and there is to be.
    case tls
    /// The server took too long.
    case timeout
    /// The server closed the connection, or it broke.
    case closed
}

/// How long a client handler waits for a server (RFC 5321 section 4.5.3.2). Who uses it may have less time, and then
/// closes it before.
package struct SMTPClientTimeouts: Sendable {
    /// For the greeting (section 4.5.3.2.1), and for the end of a TLS handshake.
    package var greeting: TimeAmount = .minutes(5)
    /// For the reply to EHLO, HELO, STARTTLS, XCLIENT and AUTH, of which RFC 5321 says nothing.
    package var hello: TimeAmount = .minutes(5)
    /// For the reply to MAIL (section 4.5.3.2.2), and to RSET.
    package var mail: TimeAmount = .minutes(5)
    /// For the reply to each RCPT (section 4.5.3.2.3).
    package var recipient: TimeAmount = .minutes(5)
    /// For the reply to DATA (section 4.5.3.2.4).
    package var data: TimeAmount = .minutes(2)
    /// For a full connection to take more of a message (section 4.5.3.2.5): from full to half empty, some 32 KiB.
    package var dataBlock: TimeAmount = .minutes(3)
    /// For the reply to the final dot (section 4.5.3.2.6).
    package var finalDot: TimeAmount = .minutes(10)
    /// For the reply to QUIT: nobody waits for it but us.
    package var quit: TimeAmount = .seconds(5)

    /// The defaults.
    package init() {}

    /// How long the server may owe this; nil where it owes nothing. `isWritable` is whether a message goes on.
    func limit(_ awaited: ClientSession.Awaited, isWritable: Bool) -> TimeAmount? {
        switch awaited {
        case .greeting: self.greeting
        case .hello: self.hello
        case .mail: self.mail
        case .recipient: self.recipient
        case .data: self.data
        case .room: isWritable ? nil : self.dataBlock
        case .answer: self.finalDot
        case .bye: self.quit
        case .nothing: nil
        }
    }
}
