import ArgumentParser
import FoundationEssentials
import Inspection

/// Where the broker is.
struct BrokerOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The broker's socket (default: $POSTERN_BROKER, or /run/postern/broker.sock).", valueName: "path"))
    var socket: String?

    /// The socket's path.
    var path: String {
        self.socket ?? ProcessInfo.processInfo.environment["POSTERN_BROKER"] ?? "/run/postern/broker.sock"
    }

    func validate() throws {
        guard self.path.hasPrefix("/") else { throw ValidationError("--socket: \(self.path) is not an absolute path") }
    }

    /// Connects, calls `body`, and says what went wrong.
    func ask<Answer>(_ body: (borrowing BrokerClient) throws(BrokerFailure) -> Answer) throws -> Answer {
        do throws(BrokerFailure) {
            return try body(try BrokerClient(connectingTo: self.path))
        } catch {
            throw Failure.saying("postern sockets: \(error.message)", ExitCode(Int32(error.status)))
        }
    }
}

/// A listener's name as an argument.
struct ListenerName: ExpressibleByArgument {
    let text: String

    init?(argument: String) {
        guard BrokerClient.isName(argument) else { return nil }
        self.text = argument
    }
}
