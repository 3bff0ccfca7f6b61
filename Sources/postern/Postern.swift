import ArgumentParser

@main
struct Postern: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "postern",
        abstract: "An SMTP relay that needs no privilege, and the tools around it.",
        version: "0.1.0",
        subcommands: [
            RelayCommand.self, Check.self, ImportCommand.self, SinkCommand.self, SocketsCommand.self,
            DoctorCommand.self, BackendCommand.self,
        ])
}
