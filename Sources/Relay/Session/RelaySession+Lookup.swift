import AuthHTTP
import Logging
import NIOCore
import Routing
import SMTPCore
import SMTPNIO

// Where a recipient goes: where the client's AUTH says, by the route table, or by lookup.

extension RelaySession {
    /// Where a lookup authenticated the client, to the server that it named. Else by the route table; where it has no match,
    /// or the route says so, by lookup; where there is none, the recipient is refused.
    func decide(_ recipient: RecipientCommand) {
        self.decisionID += 1
        let id = self.decisionID
        // Each round of a loop takes a connection, until there is none for anybody.
        if self.snapshot.hop.isOurs(self.server?.clientGreeting?.name ?? "") {
            self.context.logger.error("loop client=\(self.client.name): it is this relay, by its EHLO")
            return self.decided(.refuse(.routingLoop, closing: true))
        }
        if let destination = self.authentication.destination { return self.forward(to: destination) }
        switch self.snapshot.routes.decide(recipient.forwardPath, of: self.routeClient) {
        case .group(let group):
            self.forward(to: .group(group))
        case .reject(let reply):
            self.decided(.refuse(reply, closing: false))
        case .lookup(let place):
            self.ask(self.snapshot.configuration.routeLookups[place], of: place, recipient, id)
        case .undecided(let route):
            self.context.logger.error(
                "route-undecided client=\(self.client.name) route=routes[\(route)]: its expression goes beyond its bounds"
            )
            self.decided(.refuse(.routeUndecided, closing: false))
        case .noMatch:
            guard let lookup = self.lookup(in: self.snapshot) else {
                return self.decided(.refuse(.relayingDenied, closing: false))
            }
            self.ask(lookup, of: nil, recipient, id)
        }
    }

    /// What routes may ask about the client, where one does.
    private var routeClient: RouteClient {
        guard self.snapshot.routes.asksForClient else { return RouteClient() }
        return RouteClient(
            listener: self.listener, address: self.client.routeAddress, serverName: self.client.tls?.serverName,
            user: self.client.login.map { UserName($0.user) })
    }

    /// - Parameter place: that of a route's own lookup; nil: the listener's.
    private func ask(
        _ lookup: LookupConfiguration, of place: Int?, _ recipient: RecipientCommand, _ id: UInt64
    ) {
        if let held = self.heldVerdict, held.recipient == recipient {
            self.heldVerdict = nil
            return self.lookupCompleted(held.verdict, of: place, id, recipient)
        }
        let request = self.lookupRequest(.none(self.envelope(recipient, for: lookup)), of: lookup)
        self.context.lookupClient(lookup).ask(request, deadline: self.deadline) { result in
            self.lookupCompleted(result, of: place, id, recipient)
        }
    }

    private func envelope(_ recipient: RecipientCommand, for lookup: LookupConfiguration) -> LookupRequest.Envelope {
        var envelope = LookupRequest.Envelope(
            helo: self.server?.clientGreeting?.name ?? "",
            mailCommand: self.mailLine.commandText,
            recipientCommand: self.recipientLine.commandText)
        if lookup.sendsMoreHeaders {
            envelope.fromAddress = self.transaction.mail.reversePath.addressText
            envelope.toAddress = recipient.forwardPath.addressText
        }
        return envelope
    }

    /// Whom to ask about clients and recipients here; nil where nobody is.
    func lookup(in snapshot: RelaySnapshot) -> LookupConfiguration? {
        let listeners = snapshot.configuration.listeners
        let own = listeners.indices.contains(self.listener) ? listeners[self.listener].lookup : nil
        return own ?? snapshot.configuration.lookup
    }

    /// A question with all that is known of the client.
    func lookupRequest(_ method: LookupRequest.Method, of lookup: LookupConfiguration) -> LookupRequest {
        var request = LookupRequest(
            method: method, clientIP: self.client.ip, loginAttempt: 1 + self.refusedLookups,
            clientHost: self.client.host, proxy: self.client.proxy,
            tls: self.client.tls?.lookupFacts(passesCertificate: lookup.passesClientCertificate))
        request.clientPort = self.client.address.port
        return request
    }

    /// A size that the client declared is refused where the destination's own limit is known (RFC 1870 section 6.1).
    private func forward(to destination: Destination) {
        let limit = self.policy(of: destination).size
        if let limit, let size = self.transaction.mail.size, size > limit {
            return self.decided(.refuse(.messageTooBig, closing: false))
        }
        self.decided(.forward(destination))
    }

    private func lookupCompleted(
        _ result: Result<LookupVerdict, LookupError>, of place: Int?, _ id: UInt64, _ recipient: RecipientCommand
    ) {
        guard id == self.decisionID, !self.isClosed else { return }
        if self.transaction.isGathering, !self.changesNothing(result) {
            self.heldVerdict = (recipient, result)
            return self.postponed()
        }
        switch result {
        case .success(.allowed(let allowed)):
            self.remember(allowed)
            self.leaveOutdatedLeg()
            self.forward(to: .server(allowed.server, group: allowed.group, lookup: place))
        case .success(.denied(let denial)):
            self.refusedLookups += 1
            self.refuse(denial, id)
        case .failure(let error):
            self.context.logger.warning("lookup-failed client=\(self.client.name) error=\"\(error)\"")
            self.decided(.refuse(.lookupFailed, closing: false))
        }
    }

    /// Whether those who wait for this verdict may be asked about with it known: as whom the backend takes the client stays
    /// as it is, and nothing ends.
    private func changesNothing(_ result: Result<LookupVerdict, LookupError>) -> Bool {
        guard case .success(.allowed(let allowed)) = result else { return false }
        return self.login(of: allowed) == self.lookupLogin
    }

    /// A denial without Auth-Wait closes the session; with it, the reply waits, and the session goes on.
    private func refuse(_ denial: LookupAnswer.Denial, _ id: UInt64) {
        // Deviates: nginx says a code alone where the answer has it alone; EHLO has announced enhanced codes (RFC 2034).
        let codeClass = UInt8(denial.replyCode / 100)
        let reply = SMTPReply(denial.replyCode, denial.enhancedCode ?? .init(codeClass, 0, 0), denial.text)
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

extension ReversePath {
    /// The address without its brackets; nothing for the null path.
    fileprivate var addressText: String {
        switch self {
        case .null: ""
        case .mailbox(let mailbox): mailbox.description
        }
    }
}

extension ForwardPath {
    /// The address without its brackets.
    fileprivate var addressText: String {
        switch self {
        case .postmaster: "Postmaster"
        case .mailbox(let mailbox): mailbox.description
        }
    }
}
