import ArgumentParser
import NIOCore
import NIOPosix
import PosternClient
import PosternNIO
import Relay
import Routing
import Synchronization

/// The listeners that the relay was given, until it serves them. Owns them.
final class ObtainedListeners: Sendable {
    /// One of them.
    final class Entry: Sendable {
        let name: String
        let address: String
        let source: String
        private let listener: Mutex<Listener?>

        fileprivate init(_ listener: consuming sending Listener) {
            self.name = listener.name
            self.address = listener.address
            self.source = "\(listener.source)"
            self.listener = Mutex(.some(listener))
        }

        /// The listener itself, once; nil from then on.
        func take() -> Listener? { self.listener.withLock { $0.take() } }
    }

    private let entries: [Entry]

    /// Takes all that are left; fails where one is no listener.
    init(_ listeners: consuming Listeners) throws(ListenerError) {
        var listeners = listeners
        var entries: [Entry] = []
        while let listener = try listeners.takeFirst() { entries.append(Entry(listener)) }
        self.entries = entries
    }

    /// Those of a name, in order.
    func named(_ name: String) -> [Entry] { self.entries.filter { $0.name == name } }
}

/// How `postern relay` comes to its listeners.
enum RelayListeners {
    /// Asks for those that others have bound.
    static func obtain(_ configuration: RelayConfiguration) throws -> Listeners {
        let names = configuration.listeners.compactMap { listener in
            if case .socket(let name) = listener.place { name } else { nil }
        }
        guard !names.isEmpty else { return Listeners() }
        do {
            return try Listeners.obtain(names)
        } catch {
            let status = error.exitStatus.map { ExitCode($0) }
            throw Failure.saying(
                "postern relay: \(error)",
                status ?? (error.code == .denied ? Failure.permission : Failure.unavailable))
        }
    }

    /// Accepts on them all, and binds those that are the relay's own.
    static func bind(
        _ configuration: RelayConfiguration, _ obtained: ObtainedListeners, _ bootstraps: ListenerBootstraps
    ) async throws -> [RelayService.BoundListener] {
        var bound: [RelayService.BoundListener] = []
        for (index, listener) in configuration.listeners.enumerated() {
            switch listener.place {
            case .socket(let name):
                bound += try await self.serve(name, of: obtained, listener: index, bootstraps)
            case .address(let address, let port):
                let count = listener.sockets.reusePort.count(loops: bootstraps.loopCount)
                for loop in ListenerBootstraps.loops(ofSockets: count, among: bootstraps.loopCount) {
                    let bootstrap = bootstraps.bootstrap(listener: index, loop: loop).binding(listener)
                    bound.append(.init(try await self.bind(bootstrap, address, port), source: "relay", loop: loop))
                }
            case .unix(let path):
                let bootstrap = bootstraps.bootstrap(listener: index, loop: nil).binding(listener)
                let channel = try await self.bind(bootstrap, path, mode: listener.sockets.mode)
                bound.append(.init(channel, source: "relay"))
            }
        }
        return bound
    }

    /// Accepts on every listener of a name. Those of one address share its port, and have a loop each.
    private static func serve(
        _ name: String, of obtained: ObtainedListeners, listener: Int, _ bootstraps: ListenerBootstraps
    ) async throws -> [RelayService.BoundListener] {
        let entries = obtained.named(name)
        var loops: [String: ArraySlice<Int?>] = [:]
        for entry in entries where loops[entry.address] == nil {
            let count = entries.count { $0.address == entry.address }
            loops[entry.address] = ListenerBootstraps.loops(ofSockets: count, among: bootstraps.loopCount)[...]
        }
        var bound: [RelayService.BoundListener] = []
        for entry in entries {
            guard let listening = entry.take() else { continue }
            let loop = loops[entry.address]?.popFirst() ?? nil
            let bootstrap = bootstraps.bootstrap(listener: listener, loop: loop)
            bound.append(
                .init(try await bootstrap.withBoundSocket(listening).get(), source: entry.source, loop: loop))
        }
        return bound
    }

    private static func bind(
        _ bootstrap: ServerBootstrap, _ address: IPAddress, _ port: UInt16
    ) async throws -> any Channel {
        do {
            return try await bootstrap.bind(host: address.description, port: Int(port)).get()
        } catch {
            throw Failure.saying("postern relay: bind \(address) port \(port): \(error)", Failure.unavailable)
        }
    }

    private static func bind(_ bootstrap: ServerBootstrap, _ path: String, mode: UInt16) async throws -> any Channel {
        do {
            try UnixListener.makeRoom(at: path)
            let channel = try await bootstrap.bind(unixDomainSocketPath: path).get()
            try UnixListener.setMode(mode, at: path)
            return channel
        } catch let failure as UnixListener.Failure {
            throw Failure.saying("postern relay: \(failure)", Failure.unavailable)
        } catch {
            throw Failure.saying("postern relay: bind \(path): \(error)", Failure.unavailable)
        }
    }
}
