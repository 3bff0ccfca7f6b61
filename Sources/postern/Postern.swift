import ArgumentParser

@main
struct Postern: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "postern")
    mutating func run() async throws {}
}
