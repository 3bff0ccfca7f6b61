import ArgumentParser
import Inspection

/// `postern sockets list`.
struct SocketsList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Every socket that you may list, and how many hold it.")

    @Flag(help: "Print a JSON document.")
    var json = false

    @OptionGroup var broker: BrokerOptions

    func run() throws {
        let listing = try self.broker.ask { client throws(BrokerFailure) in try client.list() }
        if self.json { try Output.json(listing) } else { Output.text(BrokerSocket.table(listing.sockets)) }
    }
}
