import AuthHTTP
package import Logging
package import NIOCore
import Resolver
import SMTPNIO

/// What the sessions of one event loop share; confined to it.
package final class LoopContext {
    let eventLoop: any EventLoop
    let sweep: SessionSweep
    /// Where what sessions and lookups have to say waits for the end of the loop's turn.
    let flushes: FlushQueue
    let state: RelayState
    let logger: Logger
    /// The choosing among backends.
    let groups: GroupStates
    /// Connections to backends that wait for their next session.
    let pool: BackendPool
    /// Makes connections for that pool.
    private(set) lazy var warmer = PoolWarmer(context: self)
    /// What holds, as this loop knows it.
    package let view: LoopView
    private let resolvers: LoopResolvers
    private var lookups: [LookupClient] = []

    /// Makes the context of an event loop; on that loop.
    package init(eventLoop: any EventLoop, state: RelayState, logger: Logger) {
        self.eventLoop = eventLoop
        self.sweep = SessionSweep(eventLoop: eventLoop)
        self.flushes = FlushQueue(eventLoop: eventLoop)
        self.state = state
        self.logger = logger
        self.view = LoopView(state)
        self.groups = GroupStates(eventLoop: eventLoop, directory: state.groups, logger: logger)
        self.resolvers = LoopResolvers(eventLoop: eventLoop)
        self.pool = BackendPool(sweep: self.sweep, view: self.view)
        self.groups.drainHook = { [pool] in pool.drain($0) }
        self.groups.restsHook = { [pool] in pool.holds(.endpoint(ObjectIdentifier($0))) }
        self.groups.shedHook = { [pool] in pool.shed($0) }
    }

    /// What holds now; a transaction keeps the one that it began with.
    var snapshot: RelaySnapshot { self.view.snapshot }

    /// The certificates for connections that begin now.
    var tls: TLSContexts { self.view.tls }

    /// Keeps what a backend said of itself.
    func learn(of connection: BackendConnection) {
        guard let backend = connection.backend else { return }
        let capabilities = connection.handler.capabilities
        if self.view.learn(capabilities, of: backend) { self.logger.learnt(capabilities, of: backend) }
    }

    /// The client that asks lookups on this loop: one for each place to ask; a reload that changes them makes new ones.
    func lookupClient(_ configuration: LookupConfiguration) -> LookupClient {
        if let client = self.lookups.first(where: { $0.configuration == configuration }) { return client }
        let current = self.snapshot.configuration.allLookups
        for retired in self.lookups where !current.contains(retired.configuration) {
            // By then every question that it was asked has had its answer, or its time.
            let bound = NIOLoopBound(retired, eventLoop: self.eventLoop)
            self.eventLoop.scheduleTask(in: .minutes(10)) { bound.value.shutDown() }
        }
        self.lookups.removeAll { !current.contains($0.configuration) }
        let client = LookupClient(
            eventLoop: self.eventLoop, configuration: configuration, environment: self.lookupEnvironment)
        self.lookups.append(client)
        return client
    }

    /// Whatever a lookup answers, mail must not come back here. Names are the resolver's, where there is one.
    private var lookupEnvironment: LookupEnvironment {
        var environment = LookupEnvironment.system(on: self.eventLoop)
        let system = environment.resolve
        environment.flushes = self.flushes
        environment.objection = { [view = self.view] in view.isOurs($0) ? "which is this relay" : nil }
        environment.resolve = { [view = self.view, resolvers = self.resolvers] name, port, completion in
            guard let resolver = view.snapshot.configuration.resolver else { return system(name, port, completion) }
            _ = resolvers.resolver(resolver).addresses(of: name, port: port, completion: completion)
        }
        return environment
    }

    /// The resolver of this loop; a reload that changes whom to ask makes a new one.
    func nameResolver(_ configuration: ResolverConfiguration) -> NameResolver {
        self.resolvers.resolver(configuration)
    }

    /// The relay is about to stop: sessions end as soon as that costs nobody a message, and no connection is kept.
    func drain() {
        self.pool.shutDown()
        self.sweep.forEach { $0.drain() }
    }

    /// Ends what this loop still does: every session is over.
    package func shutDown() {
        for client in self.lookups { client.shutDown() }
        self.lookups = []
        self.resolvers.shutDown()
        self.pool.shutDown()
        self.groups.shutDown()
    }
}

/// The resolver of an event loop, as the configuration of now asks for it.
private final class LoopResolvers {
    private let eventLoop: any EventLoop
    private var resolver: NameResolver?

    init(eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
    }

    func resolver(_ configuration: ResolverConfiguration) -> NameResolver {
        if let resolver = self.resolver, resolver.configuration == configuration { return resolver }
        // Who still asks the old one keeps it.
        let resolver = NameResolver(eventLoop: self.eventLoop, configuration: configuration)
        self.resolver = resolver
        return resolver
    }

    func shutDown() {
        self.resolver?.shutDown()
        self.resolver = nil
    }
}
