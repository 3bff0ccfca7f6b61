import ArgumentParser
import Hummingbird
import Logging
import NIOPosix

/// `postern-admin`: pages about the relay, and its routes for other proxies. A client of the relay's admin socket.
@main
struct PosternAdmin: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "postern-admin",
        abstract: "Answers nginx's auth_http protocol from the relay's own routes.",
        discussion: """
            /mail/auth answers other proxies: nginx's mail proxy, or another Postern. The relay has to have an admin socket \
            that this user may use (relay.yaml, admin:).

            Exit status: 0; 64 usage; 69 it cannot listen.
            """,
        version: "0.1.0")

    @Option(help: ArgumentHelp("Where to listen.", valueName: "address:port"))
    var listen = ListenAddress(host: "127.0.0.1", port: 8025)

    @Option(help: ArgumentHelp("The relay's admin socket.", valueName: "path"))
    var socket = "/run/postern-relay/admin.sock"

    func run() async throws {
        var logger = Logger(label: "postern-admin", factory: { StreamLogHandler.standardError(label: $0) })
        logger.logLevel = .notice
        let relay = RelayClient(path: self.socket, group: .singletonMultiThreadedEventLoopGroup)
        let listen = self.listen
        let app = Application(
            router: AuthPage(relay: relay, logger: logger).router(),
            configuration: .init(address: .hostname(listen.host, port: listen.port), serverName: nil),
            onServerRunning: { [logger] _ in logger.notice("ready listener=\(listen)") },
            logger: logger)
        do {
            try await app.runService()
        } catch {
            logger.error("listen \(listen): \(error); choose another place with --listen")
            throw ExitCode(69)
        }
    }
}

/// An address and a port, as `127.0.0.1:8025` or `[::1]:8025`.
struct ListenAddress: ExpressibleByArgument, CustomStringConvertible, Sendable {
    let host: String
    let port: Int

    init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// Fails where the text has no port from 0 to 65535, or no host.
    init?(argument: String) {
        guard let colon = argument.lastIndex(of: ":"), let port = UInt16(argument[argument.index(after: colon)...])
        else {
            return nil
        }
        var host = argument[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard !host.isEmpty else { return nil }
        self.init(host: String(host), port: Int(port))
    }

    var description: String { self.host.contains(":") ? "[\(self.host)]:\(self.port)" : "\(self.host):\(self.port)" }
}
