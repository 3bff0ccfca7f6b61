import NIOCore
import NIOSSL
import Routing
import SMTPNIO

/// Begins TLS on a client's connection: reads what the client says first, chooses the certificate, and puts the library's
/// handler behind itself. It leaves once the handshake is done.
///
///     socket - ServerTLSHandler - NIOSSLServerHandler - ServerTLSWatcher - SMTPServerHandler
final class ServerTLSHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// What comes of a handshake; each is the last word.
    enum Outcome {
        /// It is done.
        case established(ClientTLS)
        /// It came to nothing, for this reason; the connection is closed, or about to be.
        case failed(String)
    }

    /// no_application_protocol (RFC 7301 section 3.2), fatal.
    private static let noApplicationProtocol: [UInt8] = [21, 3, 3, 0, 2, 2, 120]

    private let tls: ServerTLS
    private let verification: PeerVerification
    private let watcher: ServerTLSWatcher
    private var hello: [UInt8] = []
    private var needed = 0
    private var isBegun = false
    /// The cipher suite that was chosen, once it is known.
    private(set) var cipher: UInt16?
    /// The name that the client asked for, as routes compare it.
    private(set) var serverName: String?

    private init(_ tls: ServerTLS, _ watcher: ServerTLSWatcher) {
        self.tls = tls
        self.verification = PeerVerification(depth: tls.verifyDepth)
        self.watcher = watcher
    }

    /// Puts TLS in front of what is in the channel's pipeline; `completion` is called once, on the event loop.
    ///
    /// - Parameter timeout: for the handshake as a whole.
    static func begin(
        on channel: any Channel, _ tls: ServerTLS, sweep: SessionSweep, timeout: TimeAmount,
        completion: @escaping (Outcome) -> Void
    ) throws {
        let watcher = ServerTLSWatcher(
            asksForCertificate: tls.clientCertificates != .off, sweep: sweep, deadline: .now() + timeout,
            completion: completion)
        let handler = ServerTLSHandler(tls, watcher)
        watcher.handshake = handler
        try channel.pipeline.syncOperations.addHandlers([handler, watcher], position: .first)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !self.isBegun else { return context.fireChannelRead(data) }
        let octets = self.unwrapInboundIn(data)
        self.hello += octets.readableBytesView
        guard self.hello.count >= self.needed else { return }
        switch ClientHello.parse(self.hello) {
        case .needMore(let count) where count <= ClientHello.longest + 1024:
            self.needed = count
        case .needMore, .malformed:
            // In clear there is nothing to say on a broken stream.
            self.fail("no TLS handshake", context)
        case .whole(let hello):
            if let offered = hello.protocols, !offered.contains(Array(ServerTLS.applicationProtocol.utf8)) {
                // A client that would speak HTTP was led here by somebody (RFC 7301 section 3.2, ALPACA).
                context.writeAndFlush(
                    self.wrapOutboundOut(ByteBuffer(bytes: Self.noApplicationProtocol)), promise: nil)
                return self.fail("no application protocol in common", context)
            }
            self.begin(hello, context)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        context.fireChannelReadComplete()
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if self.cipher == nil {
            let octets = self.unwrapOutboundIn(data)
            self.cipher = CipherSuite.chosen(inServerHello: Array(octets.readableBytesView.prefix(128)))
        }
        context.write(data, promise: promise)
    }

    /// What became of the client's certificate.
    func verdict(hasCertificate: Bool) -> ClientTLS.Verification {
        self.tls.clientCertificates == .off ? .notAsked : self.verification.verdict(hasCertificate: hasCertificate)
    }

    private func begin(_ hello: ClientHello, _ context: ChannelHandlerContext) {
        self.isBegun = true
        self.serverName = hello.serverName.flatMap(ServerNamePattern.canonical)
        do {
            let tlsContext = try self.tls.context(for: hello.serverName)
            let handler =
                self.tls.clientCertificates == .off
                ? NIOSSLServerHandler(context: tlsContext) : try self.verification.handler(tlsContext)
            self.watcher.library = handler
            try context.pipeline.syncOperations.addHandler(handler, position: .after(self))
        } catch {
            return self.fail("\(error)", context)
        }
        let octets = self.hello
        self.hello = []
        context.fireChannelRead(NIOAny(ByteBuffer(bytes: octets)))
    }

    private func fail(_ reason: String, _ context: ChannelHandlerContext) {
        self.isBegun = true
        self.hello = []
        self.watcher.fail(reason)
        context.close(promise: nil)
    }
}

/// Hears of the end of a handshake, behind the library's handler, and bounds its time.
final class ServerTLSWatcher: ChannelInboundHandler, SweptSession {
    typealias InboundIn = ByteBuffer

    private let asksForCertificate: Bool
    private let sweep: SessionSweep
    private var sweepToken: SessionSweep.Token?
    private var completion: ((ServerTLSHandler.Outcome) -> Void)?
    private var context: ChannelHandlerContext?
    let deadline: NIODeadline
    weak var handshake: ServerTLSHandler?
    weak var library: NIOSSLServerHandler?

    init(
        asksForCertificate: Bool, sweep: SessionSweep, deadline: NIODeadline,
        completion: @escaping (ServerTLSHandler.Outcome) -> Void
    ) {
        self.asksForCertificate = asksForCertificate
        self.sweep = sweep
        self.deadline = deadline
        self.completion = completion
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        self.sweepToken = self.sweep.add(self)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if isHandshakeCompleted(event) { self.completed(context) }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.fail(describe(tlsError: error))
        context.fireErrorCaught(error)
        guard error as? NIOSSLError == .uncleanShutdown, let library = self.library else { return }
        // Whoever ended without a close does not answer one either: the connection ends here and now, past the library's
        // handler, which would wait for it.
        try? context.pipeline.syncOperations.context(handler: library).close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.fail("the client left")
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.fail("the connection ended")
        self.context = nil
    }

    func deadlineExpired() {
        self.fail("timeout")
        self.context?.close(promise: nil)
    }

    /// Nothing that is worth waiting for has begun.
    func drain() {
        self.fail("the relay stops")
        self.context?.close(promise: nil)
    }

    /// The handshake came to nothing; what comes of it after this is not told.
    func fail(_ reason: String) {
        self.end()?(.failed(reason))
    }

    private func completed(_ context: ChannelHandlerContext) {
        guard let completion = self.end(), let library = self.library, let handshake = self.handshake else { return }
        let certificate = self.asksForCertificate ? library.peerCertificate : nil
        let octets = certificate.flatMap { try? $0.toDERBytes() }
        let tls = ClientTLS(
            version: library.tlsVersion.map { $0.name } ?? "",
            cipher: handshake.cipher.flatMap(CipherSuite.name) ?? "",
            serverName: handshake.serverName,
            verification: handshake.verdict(hasCertificate: octets != nil),
            certificate: octets.map(ClientCertificate.init))
        context.pipeline.syncOperations.removeHandler(handshake, promise: nil)
        completion(.established(tls))
    }

    private func end() -> ((ServerTLSHandler.Outcome) -> Void)? {
        if let token = self.sweepToken { self.sweep.remove(token) }
        self.sweepToken = nil
        defer { self.completion = nil }
        return self.completion
    }
}
