import ArgumentParser
import Relay

/// `postern check`: finds every mistake in a configuration, without starting anything.
struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Check relay.yaml and say what it means.",
        discussion: """
            Every problem is printed to standard error as FILE:LINE:COLUMN: MESSAGE, and the exit status is 78 \
            (EX_CONFIG) where one of them is an error. Nothing is connected to and nothing is resolved.
            """)

    @Option(help: ArgumentHelp("The configuration.", valueName: "file"))
    var config = "/etc/postern/relay.yaml"

    func run() throws {
        do {
            let loaded = try RelayConfiguration.load(path: self.config)
            for warning in loaded.warnings { Output.errorLine(warning.description(file: self.config)) }
            Output.line(loaded.configuration.summary)
        } catch {
            Output.errorLine(error.description)
            throw Failure.configuration
        }
    }
}
