import NIOCore
import NIOPosix
import NIOSSL
import ProxyProtocol
import Routing
import SMTPCore
import SMTPNIO

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

    /// Asks a backend what it has, in the way that `policy` has sessions with it begin; `context` is for TLS.
    func ask(
        _ backend: BackendAddress, _ policy: DeliveryPolicy, _ context: NIOSSLContext?
    ) -> EventLoopFuture<ServerCapabilities> {
        let probe = Probe(
            name: self.name, sweep: self.sweep, backend: backend, policy: policy, context: context,
            promise: self.eventLoop.makePromise())
        self.probes[ObjectIdentifier(probe)] = probe
        let limit = self.eventLoop.assumeIsolated().scheduleTask(in: self.timeout) { probe.cancel() }
        probe.answer.assumeIsolated().whenComplete { _ in
            limit.cancel()
            self.probes[ObjectIdentifier(probe)] = nil
        }
        guard !self.isCancelled else {
            probe.cancel()
            return probe.answer
        }
        ClientBootstrap(group: self.eventLoop).connectTimeout(self.timeout).connect(to: backend, on: self.eventLoop)
            .assumeIsolated().whenComplete { probe.connected($0) }
        return probe.answer
    }

    /// Ends every probe, and those that are asked for from now on.
    func cancel() {
        self.isCancelled = true
        for probe in self.probes.values { probe.cancel() }
    }
}

/// One question to a backend: what it says of itself. It greets, is told EHLO, then QUIT; no envelope is named.
private final class Probe: SMTPClientDelegate {
    private let promise: EventLoopPromise<ServerCapabilities>
    /// Nil once there is an answer.
    private var handler: SMTPClientHandler?

    private let backend: BackendAddress
    /// The octets in front of the session: where the backend waits for a PROXY header, one that names nobody.
    private let header: [UInt8]
    private let tls: BackendTLS
    private let context: NIOSSLContext?

    init(
        name: String, sweep: SessionSweep, backend: BackendAddress, policy: DeliveryPolicy, context: NIOSSLContext?,
        promise: EventLoopPromise<ServerCapabilities>
    ) {
        self.promise = promise
        self.backend = backend
        self.header = policy.identity.octets(ProxyHeader(.proxy))
        self.tls = policy.tls
        self.context = context
        self.handler = SMTPClientHandler(
            name: name, requiresStartTLS: policy.tls.mode == .startTLS, sweep: sweep, delegate: self)
    }

    var answer: EventLoopFuture<ServerCapabilities> { self.promise.futureResult }

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
                if self.tls.mode == .implicit { try self.beginTLS(on: channel, handler) }
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
        self.end(.success(handler.capabilities))
    }

    func clientStartsTLS() {
        guard let handler = self.handler, let channel = handler.channel else { return }
        do { try self.beginTLS(on: channel, handler) } catch { handler.tlsFailed() }
    }

    private func beginTLS(on channel: any Channel, _ handler: SMTPClientHandler) throws {
        guard let context = self.context else { return handler.tlsFailed() }
        // (That it failed is what the probe's own failure says; a session that meets it says why.)
        try BackendTLSWatcher.begin(
            on: channel, self.tls, context, for: handler, hostName: self.backend.hostName
        ) { _ in }
    }

    func clientFailed(_ failure: SMTPClientFailure) {
        self.end(.failure(failure))
    }

    // No envelope is named, and no message sent.
    func clientAnswered(_ question: ClientSession.Question, _ reply: SMTPReply) {}
    func clientWritabilityChanged(_ isWritable: Bool) {}

    private func end(_ result: Result<ServerCapabilities, any Error>) {
        guard let handler = self.handler else { return }
        self.handler = nil
        // Takes leave where the session is ready for that, and closes where it is not.
        handler.quit()
        self.promise.completeWith(result)
    }
}
