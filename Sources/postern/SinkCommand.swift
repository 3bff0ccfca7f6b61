import ArgumentParser
import FoundationEssentials
import Logging
import NIOCore
import Relay
import Routing
import ServiceLifecycle
import UnixSignals

/// `postern sink`: a backend for demonstrations and tests.
struct SinkCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sink",
        abstract: "Take every message, and print one line for each.",
        discussion:
            "A backend for demonstrations and tests: it keeps messages with --maildir, and forgets them without.")

    @Option(help: "Where to listen: an IP address and a port.")
    var listen = "127.0.0.1:2525"

    @Option(help: "A folder to keep the messages in, as a Maildir; made where it is not there.")
    var maildir: String?

    @Option(help: "What to log: info, notice, warning, error.")
    var logLevel = LogLevel.notice

    func run() async throws {
        let address: SocketAddress
        do {
            guard case .ip(let host, let port) = try BackendAddress(parsing: self.listen) else {
                throw ValidationError("--listen \(self.listen): not an IP address and a port")
            }
            address = try SocketAddress(ipAddress: host.description, port: Int(port))
        } catch let error as AddressError {
            throw ValidationError("--listen \(self.listen): \(error.message)")
        }
        let configuration = SinkService.Configuration(
            address: address, serverName: ProcessInfo.processInfo.hostName, maildir: self.maildir)
        do {
            let service = try SinkService(
                configuration, logger: .postern("postern sink", level: self.logLevel), report: Output.line)
            try await ServiceGroup(
                services: [service], gracefulShutdownSignals: [.sigterm, .sigquit, .sigint], logger: .quiet
            ).run()
        } catch {
            throw Failure.saying("postern sink: \(self.listen): \(error)", Failure.unavailable)
        }
    }
}
