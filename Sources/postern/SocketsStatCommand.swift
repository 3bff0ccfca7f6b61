import ArgumentParser
import Inspection

/// `postern sockets stat`.
struct SocketsStat: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stat", abstract: "One name: its sockets, its counts, and who holds it.")

    @Argument var name: ListenerName

    @Flag(help: "Print a JSON document.")
    var json = false

    @OptionGroup var broker: BrokerOptions

    func run() throws {
        let statistics = try self.broker.ask { client throws(BrokerFailure) in
            try client.statistics(of: self.name.text)
        }
        if self.json {
            try Output.json(statistics)
        } else {
            Output.text(statistics.text(userName: NameStatistics.userName))
        }
    }
}
