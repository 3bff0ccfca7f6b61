import ArgumentParser
import Hummingbird

@main
struct PosternAdmin: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "postern-admin",
        abstract: "What the relay does, for browsers, Prometheus and other proxies.",
        version: "0.1.0")

    @Option(help: "Where it listens.")
    var listen = "127.0.0.1:8025"

    func run() async throws {
        let router = Router()
        let app = Application(router: router, configuration: .init(address: .hostname("127.0.0.1", port: 8025)))
        try await app.runService()
    }
}
