import AuthHTTP
import Logging
import NIOCore
import Routing
import SMTPCore
import SMTPNIO

// Where a recipient goes: by the route table, or by lookup.

extension RelaySession {
    /// By the route table; where it has no match, by lookup; where there is none, the recipient is refused.
    func decide(_ recipient: RecipientCommand) {
        self.decisionID += 1
        let id = self.decisionID
        switch self.snapshot.routes.decide(recipient.forwardPath) {
        case .group(let group):
            return self.forward(to: .group(group))
        case .reject(let reply):
            return self.decided(.refuse(reply, closing: false))
        case .noMatch:
            break
        }
        guard let lookup = self.snapshot.configuration.lookup else {
            return self.decided(.refuse(.relayingDenied, closing: false))
        }
        let envelope = LookupRequest.Envelope(
            helo: self.server?.clientGreeting?.name ?? "",
            mailCommand: self.mailLine.commandText,
            recipientCommand: self.recipientLine.commandText)
        let request = LookupRequest(
            method: .none(envelope), clientIP: self.client.ip, loginAttempt: 1 + self.refusedLookups,
            clientHost: self.client.host, proxy: self.client.proxy)
        self.context.lookupClient(lookup).ask(request, deadline: self.deadline) { result in
            self.lookupCompleted(result, id)
        }
    }

    /// A size that the client declared is refused where the destination's own limit is known (RFC 1870 section 6.1).
    private func forward(to destination: Destination) {
        let limit = self.policy(of: destination).size
        if let limit, let size = self.transaction.mail.size, size > limit {
            return self.decided(.refuse(.messageTooBig, closing: false))
        }
        self.decided(.forward(destination))
    }

    private func lookupCompleted(_ result: Result<LookupVerdict, LookupError>, _ id: UInt64) {
        guard id == self.decisionID, !self.isClosed else { return }
        switch result {
        case .success(.allowed(let allowed)) where self.isOurs(allowed.server):
            // Each round of a loop takes a connection, until there is none for anybody.
            self.context.logger.error(
                "lookup-loop client=\(self.client.name): the lookup names \(allowed.server.hostAndPort), which is this relay"
            )
            self.decided(.refuse(.lookupFailed, closing: false))
        case .success(.allowed(let allowed)):
            self.remember(allowed)
            self.leaveOutdatedLeg()
            self.forward(to: .server(allowed.server, group: allowed.group))
        case .success(.denied(let denial)):
            self.refusedLookups += 1
            self.refuse(denial, id)
        case .failure(let error):
            self.context.logger.warning("lookup-failed client=\(self.client.name) error=\"\(error)\"")
            self.decided(.refuse(.lookupFailed, closing: false))
        }
    }

    /// Whether a server is the very address that the client came to; another one of ours is found out in the next round.
    private func isOurs(_ server: SocketAddress) -> Bool {
        guard let local = self.client.accepted, let port = local.port, server.port == port else { return false }
        return local.hostAndPort == server.hostAndPort
    }

    /// A denial without Auth-Wait closes the session; with it, the reply waits, and the session goes on.
    private func refuse(_ denial: LookupAnswer.Denial, _ id: UInt64) {
        let reply = SMTPReply(denial.replyCode, denial.enhancedCode, denial.text)
        // 421 says that the channel closes, and then it does (RFC 5321 section 3.8).
        guard let seconds = denial.wait, denial.replyCode != 421 else {
            return self.decided(.refuse(reply, closing: true))
        }
        self.deadline = .distantFuture
        self.context.eventLoop.assumeIsolated().scheduleTask(in: .seconds(Int64(seconds))) {
            guard id == self.decisionID, !self.isClosed else { return }
            self.decided(.refuse(reply, closing: false))
        }
    }
}

extension ByteBuffer {
    /// A command line as lookups have it: from the verb to the end of the last argument.
    fileprivate var commandText: String {
        var text = String(buffer: self)
        while text.utf8.last == UInt8(ascii: " ") || text.utf8.last == UInt8(ascii: "\t") { text.removeLast() }
        return text
    }
}
