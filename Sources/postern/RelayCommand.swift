import ArgumentParser
import FoundationEssentials
import Logging
import NIOCore
import NIOPosix
import PosternClient
import Relay
import ServiceLifecycle
import UnixSignals

/// `postern relay`: the daemon.
struct RelayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "relay",
        abstract: "Relay mail to the backends that relay.yaml or a lookup names.",
        discussion: """
            Listeners by name come from systemd (LISTEN_FDS), from postern-broker (POSTERN_BROKER, else \
            /run/postern/broker.sock), or from postern-binder (POSTERN_BINDER, else /usr/bin/postern-binder). SIGHUP reloads the configuration, as a whole or not at all. SIGTERM, SIGQUIT \
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
        var obtained = try RelayListeners.obtain(configuration)
        let lease = obtained.takeLease()
        let listeners = try ObtainedListeners(obtained)
        ResourceLimits.raiseOpenFiles()

        let hostName = ProcessInfo.processInfo.hostName
        let state: RelayState
        do {
            state = RelayState(try RelaySnapshot(configuration, hostName: hostName))
        } catch {
            throw Failure.saying("postern relay: \(error)", Failure.configuration)
        }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: EventLoops.count)
        let names = try await NameService.make(state: state, eventLoop: group.next(), logger: logger)
        // Before anybody connects: a backend that is a name has an address by then, if it can have one.
        await names.prepare(configuration)
        let relay = RelayService(state: state, group: group, logger: logger) { bootstraps in
            let bound = try await RelayListeners.bind(configuration, listeners, bootstraps)
            if let loop = configuration.backendReaching(bound.compactMap(\.channel.localAddress)) {
                throw Failure.saying(
                    "postern relay: backend \(loop.backend) is this relay's own listener \(loop.listener): mail would go in "
                        + "circles; name the server behind it in \(self.config)", Failure.configuration)
            }
            return bound
        }
        let reload = ReloadService(
            state: state, path: self.config, hostName: hostName, logger: logger, names: names,
            requests: await UnixSignalsSequence(trapping: .sighup))
        let certificates = CertificateService(state: state, logger: logger)
        let probes = ProbeService(state: state, eventLoop: group.next(), logger: logger)
        let keeper = LeaseService(lease, group: group, logger: logger)
        // The last of them is shut down first; the lease is watched until the relay has drained.
        var services = [ServiceGroupConfiguration.ServiceConfiguration]()
        if let keeper { services.append(.init(service: keeper)) }
        services.append(.init(service: relay, successTerminationBehavior: .gracefullyShutdownGroup))
        services.append(.init(service: names))
        services.append(.init(service: reload))
        services.append(.init(service: certificates))
        services.append(.init(service: probes))
        services.append(.init(service: HealthService(state: state, eventLoop: group.next(), logger: logger)))
        if let admin = configuration.admin {
            services.append(
                .init(
                    service: AdminService(
                        state: state, path: admin.socket, eventLoop: group.next(), logger: logger)))
        }
        try await ServiceGroup(
            configuration: .init(
                services: services, gracefulShutdownSignals: [.sigterm, .sigquit, .sigint], logger: .quiet)
        ).run()
        try await group.shutdownGracefully()
        // Given back with the process.
        withExtendedLifetime(keeper) {}
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
}
