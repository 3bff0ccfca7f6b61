import Logging
import NIOCore
import Routing
import SMTPCore
import SMTPNIO
import Synchronization

// TLS with the client, and with the backend: when it begins, and what comes of it.

extension RelaySession {
    /// Gives a client that has just connected its session; where TLS begins with the connection, once that is there.
    static func serve(
        _ channel: any Channel, _ client: ClientFacts, _ terms: SessionTerms, context: LoopContext
    ) throws {
        guard terms.tls == .implicit else { return try Self.begin(channel, client, terms, context: context) }
        // A reload may have taken TLS from the listener since, or another have given it.
        guard let tls = context.tls.server(terms.listener) else {
            throw ChannelError.inappropriateOperationForState
        }
        let timeout = terms.snapshot.configuration.timeouts.handshake
        try ServerTLSHandler.begin(on: channel, tls, sweep: context.sweep, timeout: timeout) { outcome in
            switch outcome {
            case .established(let facts):
                var client = client
                client.tls = facts
                do {
                    try Self.begin(channel, client, terms, context: context)
                } catch {
                    channel.close(promise: nil)
                }
            case .failed(let reason):
                context.report(reason, client)
            }
        }
    }

    private static func begin(
        _ channel: any Channel, _ client: ClientFacts, _ terms: SessionTerms, context: LoopContext
    ) throws {
        let refusal = client.tls.flatMap { context.refusal(of: $0, at: terms.listener) }
        if let refusal {
            context.reportRefusal(client)
            return try channel.pipeline.syncOperations.addHandler(RefusalHandler(refusal))
        }
        guard let resolver = terms.snapshot.configuration.resolver else {
            return try Self.greet(channel, client, terms, context: context)
        }
        let hostName = HostNameHandler(
            resolver: context.nameResolver(resolver), sweep: context.sweep, client: client
        ) { client, channel in
            try Self.greet(channel, client, terms, context: context)
        }
        try channel.pipeline.syncOperations.addHandler(hostName)
    }

    /// Gives a client of which all is known its session, which greets it.
    private static func greet(
        _ channel: any Channel, _ client: ClientFacts, _ terms: SessionTerms, context: LoopContext
    ) throws {
        let session = RelaySession(
            context: context, client: client, listener: terms.listener, listenerName: terms.listenerName)
        let handler = SMTPServerHandler(
            configuration: terms.session, extendedReply: terms.extendedReply, isSecure: client.tls != nil,
            timeouts: terms.timeouts, form: .stuffed, sweep: context.sweep,
            flushes: context.flushes, delegate: session)
        session.start(handler)
        do {
            try channel.pipeline.syncOperations.addHandler(handler)
        } catch {
            // The client has gone already: no handler, and nobody who would say so.
            session.sessionClosed()
            throw error
        }
    }

    func prepareTLS() -> (() throws -> Void)? {
        guard let tls = self.context.tls.server(self.listener), let channel = self.server?.channel else {
            return nil
        }
        let timeout = self.snapshot.configuration.timeouts.handshake
        return {
            try ServerTLSHandler.begin(on: channel, tls, sweep: self.context.sweep, timeout: timeout) { outcome in
                switch outcome {
                case .established(let facts):
                    self.client.tls = facts
                    if let refusal = self.context.refusal(of: facts, at: self.listener) {
                        self.context.reportRefusal(self.client)
                        self.server?.refuse(refusal)
                    }
                case .failed(let reason):
                    if !self.isClosed { self.context.report(reason, self.client) }
                }
            }
        }
    }

    func injectionSeen() {
        self.injected(by: "client=\(self.client.name)")
    }

    /// Octets came in clear where TLS was to begin.
    func injected(by peer: String) {
        let count = self.context.state.injections.add(1, ordering: .relaxed).newValue
        self.context.logger.warning("starttls-injection \(peer) count=\(count)")
    }

    func clientStartsTLS() {
        guard let connection = self.connection, let channel = connection.handler.channel else { return }
        let connector = BackendConnector(
            context: self.context, snapshot: self.snapshot, client: self.client, deadline: self.deadline)
        connector.beginTLS(
            on: channel, connection.policy.tls, connection.handler, hostName: connection.backend?.hostName,
            address: connection.address)
    }
}

extension LoopContext {
    /// What a client gets whose certificate the listener does not accept, in place of all else; nil where it does.
    fileprivate func refusal(of tls: ClientTLS, at listener: Int) -> SMTPReply? {
        switch (self.tls.server(listener)?.clientCertificates ?? .off, tls.verification) {
        case (.off, _), (.optionalWithoutAuthority, _), (_, .success), (_, .notAsked), (.optional, .none): nil
        case (.on, .none): .noClientCertificate
        case (.on, .failed), (.optional, .failed): .clientCertificateError
        }
    }

    fileprivate func report(_ reason: String, _ client: ClientFacts) {
        self.logger.info("tls-failed client=\(client.name) error=\(TransactionLog.value(reason))")
    }

    fileprivate func reportRefusal(_ client: ClientFacts) {
        let verdict = client.tls?.verification.text ?? "NONE"
        self.logger.info("client-certificate-refused client=\(client.name) verify=\(TransactionLog.value(verdict))")
    }
}
