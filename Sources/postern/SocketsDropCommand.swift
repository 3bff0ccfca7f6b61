import ArgumentParser
import Inspection

/// `postern sockets drop`.
struct SocketsDrop: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drop", abstract: "Make the broker close its copies; who holds the name keeps it.")

    @Argument var name: ListenerName

    @OptionGroup var broker: BrokerOptions

    func run() throws {
        let count = try self.broker.ask { client throws(BrokerFailure) in try client.drop(self.name.text) }
        Output.line("dropped \(self.name.text): \(count) \(count == 1 ? "socket" : "sockets")")
    }
}
