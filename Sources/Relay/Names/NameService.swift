package import Logging
package import NIOCore
import Resolver
import Routing
import ServiceLifecycle
import Synchronization

/// Knows where backends are that the configuration names: asks about them on one event loop, for all of them.
package final class NameService: Service {
    /// The longest that a start or a reload waits for names that nothing is known of.
    package static let firstAnswer = TimeAmount.seconds(5)

    private let state: RelayState
    private let eventLoop: any EventLoop
    private let logger: Logger
    private let watch: NIOLoopBound<NameWatch>
    /// The addresses that were refused, each told of once.
    private let refused = Mutex<Set<String>>([])

    /// Makes the service; everything happens on `eventLoop`.
    package static func make(
        state: RelayState, eventLoop: any EventLoop, logger: Logger
    ) async throws -> NameService {
        let service = try await eventLoop.submit { NameService(state, eventLoop, logger) }.get()
        // From the first moment on: an address is ours or not as soon as it is known where the relay listens.
        state.onListening { eventLoop.execute { service.watch.value.publishAll() } }
        return service
    }

    private init(_ state: RelayState, _ eventLoop: any EventLoop, _ logger: Logger) {
        self.state = state
        self.eventLoop = eventLoop
        self.logger = logger
        let relay = NIOLoopBoundBox<NameService?>(nil, eventLoop: eventLoop)
        let watch = NameWatch(eventLoop: eventLoop, logger: logger) { relay.value?.publish($0, $1) }
        self.watch = NIOLoopBound(watch, eventLoop: eventLoop)
        relay.value = self
    }

    /// Asks about the names of a configuration that is about to hold, and goes on with those of now. Returns when all have
    /// been asked about, or after ``firstAnswer``.
    package func prepare(_ configuration: RelayConfiguration) async {
        guard configuration.allBackends.contains(where: \.isName) else { return }
        let settings = NameWatch.Settings(configuration)
        try? await self.eventLoop.flatSubmit { [watch, eventLoop] in
            var settings = settings
            settings.names.formUnion(watch.value.names)
            let promise = eventLoop.makePromise(of: Void.self)
            let limit = eventLoop.assumeIsolated().scheduleTask(in: Self.firstAnswer) { promise.succeed() }
            watch.value.follow(settings).assumeIsolated().whenComplete { _ in
                limit.cancel()
                promise.succeed()
            }
            return promise.futureResult
        }.get()
    }

    /// Follows the names of what holds until shutdown begins.
    package func run() async throws {
        self.state.onReplace { self.follow() }
        self.follow()
        try? await gracefulShutdown()
        try? await self.eventLoop.submit { self.watch.value.stop() }.get()
    }

    private func follow() {
        self.eventLoop.execute {
            _ = self.watch.value.follow(NameWatch.Settings(self.state.snapshot.configuration))
        }
    }

    /// On the event loop.
    private func publish(_ backend: BackendAddress, _ places: [ResolvedPlace]) {
        let others = places.filter { place in
            // Whatever the DNS says, mail must not come back here.
            guard let address = try? SocketAddress(ipAddress: place.address.description, port: Int(place.port)),
                self.state.isOurs(address)
            else { return true }
            if self.refused.withLock({ $0.insert("\(backend) \(place.backend)").inserted }) {
                self.logger.error(
                    "backend-refused backend=\(backend) address=\(place.backend) error=\"it is this relay's own listener\""
                )
            }
            return false
        }
        if self.state.groups.resolved(backend, others) { self.state.found() }
    }
}

extension NameWatch.Settings {
    /// Those of a configuration.
    init(_ configuration: RelayConfiguration) {
        self.names = Set(configuration.allBackends.filter(\.isName))
        self.resolver = configuration.resolver
        self.bounds = configuration.names
    }
}
