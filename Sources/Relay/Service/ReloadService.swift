package import Logging
import ServiceLifecycle

/// Reloads the configuration on request, as a whole or not at all.
package struct ReloadService<Requests: AsyncSequence & Sendable>: Service where Requests.Element: Sendable {
    private let state: RelayState
    private let path: String
    private let hostName: String
    private let logger: Logger
    private let requests: Requests
    private let names: NameService?

    /// Makes the service.
    ///
    /// - Parameters:
    ///   - state: where a new configuration takes effect, for the transactions that begin from then on.
    ///   - path: relay.yaml.
    ///   - hostName: the server's name where the configuration has none.
    ///   - names: finds the backends that a new configuration names, before it takes effect.
    ///   - requests: an element for each request to reload, as for each SIGHUP.
    package init(
        state: RelayState, path: String, hostName: String, logger: Logger, names: NameService? = nil,
        requests: Requests
    ) {
        self.state = state
        self.path = path
        self.hostName = hostName
        self.logger = logger
        self.names = names
        self.requests = requests
    }

    /// Serves requests until shutdown begins.
    package func run() async throws {
        for try await _ in self.requests.cancelOnGracefulShutdown() { await self.reload() }
    }

    private func reload() async {
        let loaded: LoadedConfiguration
        do {
            loaded = try RelayConfiguration.load(path: self.path)
        } catch {
            for problem in error.problems {
                self.logger.error("reload-refused \(problem.description(file: error.file))")
            }
            return
        }
        for warning in loaded.warnings { self.logger.warning("reload \(warning.description(file: self.path))") }
        let places = self.state.snapshot.configuration.listeners.map(\.place)
        guard loaded.configuration.listeners.map(\.place) == places else {
            self.logger.error(
                "reload-refused \(self.path): the listeners differ; they change with a restart, and nothing was changed now"
            )
            return
        }
        guard loaded.configuration.admin?.socket == self.state.snapshot.configuration.admin?.socket else {
            self.logger.error(
                "reload-refused \(self.path): the admin socket differs; it changes with a restart, and nothing was changed now"
            )
            return
        }
        await self.names?.prepare(loaded.configuration)
        do {
            self.state.replace(try RelaySnapshot(loaded.configuration, hostName: self.hostName))
        } catch {
            return self.logger.error("reload-refused \(error)")
        }
        self.logger.notice("reloaded \(self.path)")
    }
}
