import ArgumentParser
import FoundationEssentials
import Logging
import NIOCore
import NIOPosix
import Relay
import Routing
import ServiceLifecycle
import UnixSignals

/// `postern relay`: the daemon.
struct RelayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "relay",
        abstract: "Relay mail to the backends that relay.yaml or a lookup names.",
        discussion: """
            Listeners by name come from systemd (LISTEN_FDS) or from postern-binder, which POSTERN_BINDER names where it \
            is not /usr/bin/postern-binder. SIGTERM and SIGQUIT drain: no new client, and an end to every transaction.
            """)

    @Option(help: "The configuration.")
    var config = "/etc/postern/relay.yaml"

    @Option(help: "What to log: debug, info (a line a message), notice, warning, error.")
    var logLevel = LogLevel.info

    func run() async throws {
        let logger = Logger.postern("postern relay", level: self.logLevel)
        let loaded: LoadedConfiguration
        do {
            loaded = try RelayConfiguration.load(path: self.config)
        } catch {
            throw Failure.saying(error.description, Failure.configuration)
        }
        for warning in loaded.warnings { Output.errorLine(warning.description(file: self.config)) }
        let configuration = loaded.configuration
        let snapshot = RelaySnapshot(configuration, hostName: ProcessInfo.processInfo.hostName)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: EventLoops.count)
        let service = RelayService(state: RelayState(snapshot), group: group, logger: logger) { bootstrap in
            var channels: [any Channel] = []
            for listener in configuration.listeners {
                switch listener {
                case .socket(let name):
                    throw Failure.saying("postern relay: listener \(name)", Failure.unavailable)
                case .address(let address, let port):
                    channels.append(try await bootstrap.bind(host: address.description, port: Int(port)).get())
                }
            }
            return channels
        }
        try await ServiceGroup(
            services: [service], gracefulShutdownSignals: [.sigterm, .sigquit, .sigint], logger: .quiet
        ).run()
        try await group.shutdownGracefully()
    }
}
