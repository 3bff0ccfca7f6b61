package import Logging
package import NIOCore
import ServiceLifecycle

/// Probes the backends of the groups whose `health` asks for it, until shutdown begins.
package struct HealthService: Service {
    private let state: RelayState
    private let eventLoop: any EventLoop
    private let logger: Logger

    /// Makes the service; all probes run on `eventLoop`.
    package init(state: RelayState, eventLoop: any EventLoop, logger: Logger) {
        self.state = state
        self.eventLoop = eventLoop
        self.logger = logger
    }

    /// Probes until shutdown begins.
    package func run() async throws {
        let watch = try await self.eventLoop.submit {
            let watch = HealthWatch(state: self.state, eventLoop: self.eventLoop, logger: self.logger)
            watch.start()
            return NIOLoopBound(watch, eventLoop: self.eventLoop)
        }.get()
        try? await gracefulShutdown()
        try? await self.eventLoop.submit { watch.value.stop() }.get()
    }
}
