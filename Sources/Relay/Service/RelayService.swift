import AuthHTTP
package import Logging
package import NIOCore
package import NIOPosix
import ProxyProtocol
import Routing
import SMTPCore
import SMTPNIO
import ServiceLifecycle
import Synchronization

/// The relay as a service: it listens, and at shutdown lets its sessions end.
package struct RelayService: Service {
    /// Where clients connect, each already bound; the service closes them.
    package typealias Bind = @Sendable (ListenerBootstraps) async throws -> [BoundListener]

    /// A listener that accepts.
    package struct BoundListener: Sendable {
        package let channel: any Channel
        let source: String
        /// The loop that accepts and serves its clients; nil where it accepts for all loops.
        let loop: Int?

        /// Makes one; `source` is who bound it, a word for the log.
        package init(_ channel: any Channel, source: String, loop: Int? = nil) {
            self.channel = channel
            self.source = source
            self.loop = loop
        }
    }

    private let state: RelayState
    private let group: MultiThreadedEventLoopGroup
    private let logger: Logger
    private let bind: Bind
    private let drainLimit: Duration?

    /// Makes the service.
    ///
    /// - Parameters:
    ///   - state: what holds; may be replaced while the service runs.
    ///   - group: the event loops; the caller shuts them down after ``run()``.
    ///   - drainLimit: how long sessions may go on after shutdown began; nil: as long as the configuration says then.
    ///   - bind: binds every listener through its bootstrap.
    package init(
        state: RelayState, group: MultiThreadedEventLoopGroup, logger: Logger, drainLimit: Duration? = nil,
        bind: @escaping Bind
    ) {
        self.state = state
        self.group = group
        self.logger = logger
        self.drainLimit = drainLimit
        self.bind = bind
    }

    /// Serves until shutdown begins, then drains: no new client, a 421 to who is idle, the end to who is in a transaction.
    package func run() async throws {
        let loops = try await LoopContexts(self.group, state: self.state, logger: self.logger)
        let listeners = try await self.bind(self.bootstraps(loops))
        self.state.listening(at: listeners.compactMap(\.channel.localAddress))
        loops.warm()
        self.state.onReplace { loops.warm() }
        for listener in listeners {
            let address = listener.channel.localAddress?.hostAndPort ?? "?"
            let loop = listener.loop.map { " loop=\($0)" } ?? ""
            self.logger.notice("ready listener=\(address) source=\(listener.source)\(loop)")
        }
        try? await gracefulShutdown()
        self.logger.notice("draining connections=\(self.connections)")
        await self.stopAccepting(listeners.map(\.channel), loops)
        await loops.drain()
        let configured = self.state.snapshot.configuration.timeouts.drain
        let limit = ContinuousClock.now + (self.drainLimit ?? .nanoseconds(configured.nanoseconds))
        while self.connections > 0, ContinuousClock.now < limit { try? await Task.sleep(for: .milliseconds(50)) }
        if self.connections > 0 {
            self.logger.warning("cut-off connections=\(self.connections)")
        }
        await loops.shutDown()
        await self.state.passwordChecker.shutDown()
        self.logger.notice("stopped")
    }

    /// Closes the listeners, once every client that has been accepted has its session.
    ///
    /// A channel that is being made when its listener closes would be closed without a word. It is made on its own loop,
    /// passed on by the listener's, and registered on its own: each is behind one ``LoopContexts/settle()``. Who is still in
    /// the kernel's queue stays there, for the next process that has the socket.
    private func stopAccepting(_ listeners: [any Channel], _ loops: LoopContexts) async {
        for listener in listeners { try? await listener.setOption(.autoRead, value: false).get() }
        for _ in 1...3 { await loops.settle() }
        for listener in listeners { try? await listener.close() }
    }

    private var connections: Int { self.state.connections.load(ordering: .relaxed) }

    private func bootstraps(_ loops: LoopContexts) -> ListenerBootstraps {
        ListenerBootstraps(loops: Array(self.group.makeIterator())) { [self] listener, loop in
            self.bootstrap(loops, listener: listener, on: loop ?? self.group)
        }
    }

    private func bootstrap(_ loops: LoopContexts, listener: Int, on loop: any EventLoopGroup) -> ServerBootstrap {
        let state = self.state
        let configuration = state.snapshot.configuration.listeners[listener]
        let begin: @Sendable (any Channel) throws -> Void = { channel in
            // Here and not as options of the bootstrap: each of those costs a future for each client.
            try channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: true)
            try channel.syncOptions?.setOption(
                .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 4096, initial: 4096, maximum: 65536))
            let context = loops[channel.eventLoop]
            let terms = context.view.terms(at: listener)
            let count = state.connections.add(1, ordering: .relaxed).newValue
            channel.closeFuture.whenComplete { _ in state.connections.subtract(1, ordering: .relaxed) }
            guard count <= terms.snapshot.configuration.limits.connections else {
                // Where TLS begins with the connection, a word in clear would be none.
                guard terms.tls != .implicit else { throw ChannelError.alreadyClosed }
                return try channel.pipeline.syncOperations.addHandler(RefusalHandler(.tooManyConnections))
            }
            try context.accept(channel, terms)
        }
        let bootstrap = ServerBootstrap(group: loop)
            .childChannelInitializer { channel in channel.eventLoop.makeCompletedFuture { try begin(channel) } }
        if configuration.asksOfConnections { return bootstrap.asking(configuration) }
        return bootstrap.serverChannelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(ClientAcceptor(begin))
            }
        }
    }
}

/// The contexts of all event loops.
private struct LoopContexts: Sendable {
    /// A few: to look through them costs less than a hash.
    private let contexts: [NIOLoopBound<LoopContext>]

    init(_ group: MultiThreadedEventLoopGroup, state: RelayState, logger: Logger) async throws {
        var contexts: [NIOLoopBound<LoopContext>] = []
        for loop in group.makeIterator() {
            contexts.append(
                try await loop.submit {
                    NIOLoopBound(LoopContext(eventLoop: loop, state: state, logger: logger), eventLoop: loop)
                }.get())
        }
        self.contexts = contexts
    }

    /// The context of the loop that this runs on.
    subscript(loop: any EventLoop) -> LoopContext {
        guard let context = self.contexts.first(where: { $0.eventLoop === loop }) else {
            preconditionFailure("a channel on a loop of another group")
        }
        return context.value
    }

    /// Returns once every loop has done what had been given to it.
    func settle() async {
        for context in self.contexts {
            try? await context.eventLoop.submit {}.get()
        }
    }

    /// Connections to backends are made that are to be there before anybody needs them.
    func warm() {
        for context in self.contexts {
            context.eventLoop.execute { context.value.warmer.start() }
        }
    }

    func drain() async {
        for context in self.contexts {
            try? await context.eventLoop.submit { context.value.drain() }.get()
        }
    }

    func shutDown() async {
        for context in self.contexts {
            try? await context.eventLoop.submit { context.value.shutDown() }.get()
        }
    }
}

extension LoopContext {
    /// Gives a channel that has just been accepted its session: at once, or behind the header that a proxy sends first.
    fileprivate func accept(_ channel: any Channel, _ terms: SessionTerms) throws {
        let peer = try channel.remoteAddress.orUnknown()
        let local = channel.localAddress
        guard terms.expectsProxyHeader else {
            return try RelaySession.serve(channel, ClientFacts(address: peer, local: local), terms, context: self)
        }
        guard terms.snapshot.configuration.proxies.contains(peer) else {
            self.logger.warning("proxy-refused proxy=\(peer.hostAndPort) reason=\"it is none of proxies\"")
            return try channel.pipeline.syncOperations.addHandler(RefusalHandler(nil))
        }
        let handler = ProxyHeaderHandler(
            proxy: peer.hostAndPort, timeout: terms.snapshot.configuration.timeouts.proxyHeader, sweep: self.sweep,
            logger: self.logger
        ) { header in
            let facts = ClientFacts(address: peer, local: local, proxy: try header.addresses)
            try RelaySession.serve(channel, facts, terms, context: self)
        }
        try channel.pipeline.syncOperations.addHandler(handler)
    }
}

extension ProxyHeader {
    /// The addresses in it; nil where it has none.
    fileprivate var addresses: LookupRequest.ProxyAddresses? {
        get throws {
            guard case .client(let source, let destination) = self.subject else { return nil }
            return .init(source: try SocketAddress(source), destination: try SocketAddress(destination))
        }
    }
}

extension Optional where Wrapped == SocketAddress {
    /// The client's address; a client that reset its connection before it was looked at has none any more.
    fileprivate func orUnknown() throws -> SocketAddress {
        guard let self else { throw ChannelError.alreadyClosed }
        return self
    }
}
