import AdminProtocol
import ArgumentParser
import Relay

/// `postern backend`: how the backends of a running relay are, and the command that takes one out of use.
struct BackendCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backend",
        abstract: "List the backends of a running relay, and drain one.",
        discussion: """
            relay.yaml says who may: admin: {socket: …, allow: […]}.

            Exit status: 0; 64 usage; 65 no such group or backend; 69 no relay answers, or not this user.
            """,
        subcommands: [BackendList.self, BackendDrain.self, BackendUndrain.self])
}

/// Which relay is asked.
struct AdminOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The relay's admin socket.", valueName: "path"))
    var socket = "/run/postern-relay/admin.sock"

    /// Asks the relay; throws the exit status where it does not answer, or says that it cannot.
    func ask(_ request: AdminRequest) async throws -> AdminAnswer {
        let answer: AdminAnswer
        do {
            answer = try await AdminClient(path: self.socket).ask(request)
        } catch {
            throw Failure.saying("postern backend: \(error)", Failure.unavailable)
        }
        if let error = answer.error { throw Failure.saying("postern backend: \(error)", Failure.data) }
        return answer
    }
}

/// `postern backend list`.
struct BackendList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Every group, its backends and how they are.")

    @Flag(help: "Print a JSON document.")
    var json = false

    @OptionGroup var relay: AdminOptions

    func run() async throws {
        let groups = try await self.relay.ask(.backends).groups ?? []
        if self.json { try Output.json(groups) } else { Output.text(BackendTable.text(groups)) }
    }
}

/// `postern backend drain`.
struct BackendDrain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain", abstract: "Begin no session at a backend any more; those that run end by themselves.")

    @Argument(help: "The group's name.") var group: String
    @Argument(help: "The backend as relay.yaml has it.") var backend: String
    @OptionGroup var relay: AdminOptions

    func run() async throws {
        Output.line(
            BackendTable.text(try await self.relay.ask(.drain(group: self.group, backend: self.backend)).drained))
    }
}

/// `postern backend undrain`.
struct BackendUndrain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "undrain", abstract: "Begin sessions at a backend again.")

    @Argument(help: "The group's name.") var group: String
    @Argument(help: "The backend as relay.yaml has it.") var backend: String
    @OptionGroup var relay: AdminOptions

    func run() async throws {
        Output.line(
            BackendTable.text(try await self.relay.ask(.undrain(group: self.group, backend: self.backend)).drained))
    }
}
