import NIOCore
import NIOPosix
import NIOSSL
import ProxyProtocol
import Routing
import SMTPCore
import SMTPNIO

/// Whom a probe asks, and what.
struct ProbeQuestion: Sendable {
    /// Where to connect.
    var address: BackendAddress
    /// The backend as the configuration has it, which may be a name.
    var configured: BackendAddress
    /// How sessions with it begin.
    var policy: DeliveryPolicy
    /// What to ask beyond EHLO, and in which time; nil: nothing.
    var health: ProbePolicy?
}

/// What a backend said to a probe.
struct ProbeAnswer: Sendable {
    /// What it said of itself.
    var capabilities: ServerCapabilities
    /// The reply to MAIL or RCPT, where that was a refusal.
    var refusal: SMTPReply?
}

/// Probes that were begun together, on one event loop; confined to it.
final class ProbeRound {
    private let name: String
    private let timeout: TimeAmount
    private let eventLoop: any EventLoop
    private let sweep: SessionSweep
    private var probes: [ObjectIdentifier: Probe] = [:]
    private var isCancelled = false

    /// `name` is what to say in EHLO, `timeout` the time for a probe as a whole.
    init(name: String, timeout: TimeAmount, eventLoop: any EventLoop) {
        self.name = name
        self.timeout = timeout
        self.eventLoop = eventLoop
        self.sweep = SessionSweep(eventLoop: eventLoop)
    }

    /// Asks a backend what it has; `context` is for TLS.
    func ask(_ question: ProbeQuestion, _ context: NIOSSLContext?) -> EventLoopFuture<ProbeAnswer> {
        let timeout = question.health.map { TimeAmount.nanoseconds($0.timeout.nanoseconds) } ?? self.timeout
        let probe = Probe(
            name: self.name, sweep: self.sweep, question: question, context: context,
            promise: self.eventLoop.makePromise())
        self.probes[ObjectIdentifier(probe)] = probe
        let limit = self.eventLoop.assumeIsolated().scheduleTask(in: timeout) { probe.cancel() }
        probe.answer.assumeIsolated().whenComplete { _ in
            limit.cancel()
            self.probes[ObjectIdentifier(probe)] = nil
        }
        guard !self.isCancelled else {
            probe.cancel()
            return probe.answer
        }
        ClientBootstrap(group: self.eventLoop).connectTimeout(timeout)
            .connect(to: question.address, on: self.eventLoop).assumeIsolated().whenComplete { probe.connected($0) }
        return probe.answer
    }

    /// Ends every probe, and those that are asked for from now on.
    func cancel() {
        self.isCancelled = true
        for probe in self.probes.values { probe.cancel() }
    }
}

/// One question to a backend: what it says of itself, and of a recipient.
///
///     S: 220 backend ESMTP
///     C: EHLO relay                                S: 250-backend / 250 PIPELINING
///     C: MAIL FROM:<> / RCPT TO:<probe@…>          S: 250 OK / 250 OK              where a recipient is to be named
///     C: RSET / QUIT                               S: 250 OK / 221 bye
private final class Probe: SMTPClientDelegate {
    private let promise: EventLoopPromise<ProbeAnswer>
    /// Nil once there is an answer.
    private var handler: SMTPClientHandler?

    private let question: ProbeQuestion
    /// The octets in front of the session: where the backend waits for a PROXY header, one that names nobody.
    private let header: [UInt8]
    private let context: NIOSSLContext?

    init(
        name: String, sweep: SessionSweep, question: ProbeQuestion, context: NIOSSLContext?,
        promise: EventLoopPromise<ProbeAnswer>
    ) {
        self.promise = promise
        self.question = question
        self.header = question.policy.identity.octets(ProxyHeader(.proxy))
        self.context = context
        self.handler = SMTPClientHandler(
            name: name, requiresStartTLS: question.policy.tls.mode == .startTLS, sweep: sweep, delegate: self)
    }

    var answer: EventLoopFuture<ProbeAnswer> { self.promise.futureResult }

    /// The time is over.
    func cancel() {
        self.end(.failure(SMTPClientFailure.timeout))
    }

    func connected(_ result: Result<any Channel, any Error>) {
        switch (result, self.handler) {
        case (.success(let channel), let handler?):
            if !self.header.isEmpty { channel.writeAndFlush(ByteBuffer(bytes: self.header), promise: nil) }
            do {
                try channel.pipeline.syncOperations.addHandler(handler)
                if self.question.policy.tls.mode == .implicit { try self.beginTLS(on: channel, handler) }
            } catch {
                channel.close(promise: nil)
                self.end(.failure(error))
            }
        case (.success(let channel), nil):
            channel.close(promise: nil)
        case (.failure(let error), _):
            self.end(.failure(error))
        }
    }

    func clientReady() {
        guard let handler = self.handler else { return }
        guard let recipient = self.question.health?.recipient else { return self.end(.success(self.answered(handler))) }
        handler.begin(MailCommand(self.question.health?.sender ?? .null), RecipientCommand(recipient))
    }

    func clientAnswered(_ question: ClientSession.Question, _ reply: SMTPReply) {
        guard let handler = self.handler else { return }
        self.end(.success(self.answered(handler, refusal: reply.isPositiveCompletion ? nil : reply)))
    }

    func clientStartsTLS() {
        guard let handler = self.handler, let channel = handler.channel else { return }
        do { try self.beginTLS(on: channel, handler) } catch { handler.tlsFailed() }
    }

    private func beginTLS(on channel: any Channel, _ handler: SMTPClientHandler) throws {
        guard let context = self.context else { return handler.tlsFailed() }
        // (That it failed is what the probe's own failure says; a session that meets it says why.)
        try BackendTLSWatcher.begin(
            on: channel, self.question.policy.tls, context, for: handler, hostName: self.question.configured.hostName
        ) { _ in }
    }

    func clientFailed(_ failure: SMTPClientFailure) {
        self.end(.failure(failure))
    }

    // No message is sent.
    func clientWritabilityChanged(_ isWritable: Bool) {}

    private func answered(_ handler: SMTPClientHandler, refusal: SMTPReply? = nil) -> ProbeAnswer {
        ProbeAnswer(capabilities: handler.capabilities, refusal: refusal)
    }

    private func end(_ result: Result<ProbeAnswer, any Error>) {
        guard let handler = self.handler else { return }
        self.handler = nil
        // Takes leave where the session is ready for that, and closes where it is not.
        handler.quit(resetting: self.question.health?.recipient != nil)
        self.promise.completeWith(result)
    }
}
