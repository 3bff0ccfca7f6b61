import ArgumentParser
import FoundationEssentials
import Logging
import NIOCore
import NIOPosix
import PosternClient
import PosternNIO
import Relay
import Routing
import ServiceLifecycle
import Synchronization
import UnixSignals

/// `postern relay`: the daemon.
struct RelayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "relay",
        abstract: "Relay mail to the backends that relay.yaml or a lookup names.",
        discussion: """
            Listeners by name come from systemd (LISTEN_FDS) or from postern-binder, which POSTERN_BINDER names where it \
            is not /usr/bin/postern-binder. SIGHUP reloads the configuration, as a whole or not at all. SIGTERM, SIGQUIT \
            and SIGINT drain: no new client, and an end to every transaction.

            Exit status: 0; 64 usage; 69 a listener is not to be had; 77 not permitted; 78 the configuration or the \
            policy cannot be used.
            """)

    @Option(help: ArgumentHelp("The configuration.", valueName: "file"))
    var config = "/etc/postern/relay.yaml"

    @Option(help: ArgumentHelp("From debug, info (a line a message), notice, warning, error up.", valueName: "level"))
    var logLevel = LogLevel.info

    func run() async throws {
        let logger = Logger.postern("postern relay", level: self.logLevel)
        let configuration = try self.loadConfiguration()
        // Before anything starts a thread: this changes the environment, and may start a child.
        let listeners = Mutex(try Self.obtainListeners(configuration))
        ResourceLimits.raiseOpenFiles()

        let hostName = ProcessInfo.processInfo.hostName
        let state = RelayState(RelaySnapshot(configuration, hostName: hostName))
        let group = MultiThreadedEventLoopGroup(numberOfThreads: EventLoops.count)
        let relay = RelayService(state: state, group: group, logger: logger) { bootstrap in
            var channels: [any Channel] = []
            for listener in configuration.listeners {
                switch listener {
                case .socket(let name):
                    while let bound = try listeners.withLock({ try $0.take(name) }) {
                        channels.append(try await bootstrap.withBoundSocket(bound).get())
                    }
                case .address(let address, let port):
                    channels.append(try await Self.bind(bootstrap, address, port))
                }
            }
            if let loop = configuration.backendReaching(channels.compactMap(\.localAddress)) {
                throw Failure.saying(
                    "postern relay: backend \(loop.backend) is this relay's own listener \(loop.listener): mail would go in "
                        + "circles; name the server behind it in \(self.config)", Failure.configuration)
            }
            return channels
        }
        let reload = ReloadService(
            state: state, path: self.config, hostName: hostName, logger: logger,
            requests: await UnixSignalsSequence(trapping: .sighup))
        try await ServiceGroup(
            configuration: .init(
                services: [
                    .init(service: relay, successTerminationBehavior: .gracefullyShutdownGroup),
                    .init(service: reload),
                ],
                gracefulShutdownSignals: [.sigterm, .sigquit, .sigint], logger: .quiet)
        ).run()
        try await group.shutdownGracefully()
    }

    private func loadConfiguration() throws -> RelayConfiguration {
        do {
            let loaded = try RelayConfiguration.load(path: self.config)
            for warning in loaded.warnings { Output.errorLine(warning.description(file: self.config)) }
            return loaded.configuration
        } catch {
            throw Failure.saying(error.description, Failure.configuration)
        }
    }

    private static func obtainListeners(_ configuration: RelayConfiguration) throws -> Listeners {
        let names = configuration.listeners.compactMap { listener in
            if case .socket(let name) = listener { name } else { nil }
        }
        guard !names.isEmpty else { return Listeners() }
        do {
            return try Listeners.obtain(names)
        } catch {
            throw Failure.saying(
                "postern relay: \(error)", error.exitStatus.map { ExitCode($0) } ?? Failure.unavailable)
        }
    }

    private static func bind(
        _ bootstrap: ServerBootstrap, _ address: IPAddress, _ port: UInt16
    ) async throws -> any Channel {
        do {
            return try await bootstrap.serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .serverChannelOption(.backlog, value: 4096)
                .bind(host: address.description, port: Int(port)).get()
        } catch {
            throw Failure.saying("postern relay: bind \(address) port \(port): \(error)", Failure.unavailable)
        }
    }
}
