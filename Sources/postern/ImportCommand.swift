import ArgumentParser
import NginxImport

/// `postern import`: makes a relay.yaml of an nginx.conf.
struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Make a relay.yaml of an nginx.conf's mail section.",
        discussion: """
            Prints relay.yaml; what it leaves out, and what sockets.conf has to have, stands in its comments and is said \
            on standard error. Includes are read, relative to the folder of the file; http{} and stream{} are skipped. \
            Nothing is connected to and nothing is resolved.
            """)

    @Argument(help: ArgumentHelp("The configuration of nginx.", valueName: "nginx.conf"))
    var source: String

    @Option(name: [.short, .long], help: ArgumentHelp("Write to this file instead.", valueName: "file"))
    var output: String?

    @Flag(help: "Replace the file if it is there.")
    var force = false

    func validate() throws {
        if self.force, self.output == nil { throw ValidationError("--force is about --output, which is not there") }
    }

    func run() throws {
        let files = DiskFiles()
        let imported: NginxImport
        do {
            imported = try NginxImport(DiskFiles.absolute(self.source), from: files)
        } catch {
            throw Failure.saying(error.description, error.isUnreadable ? Failure.input : Failure.data)
        }
        if let output {
            do {
                try NewFile.write(imported.yaml, to: output, mode: files.mode, replaces: self.force)
            } catch {
                throw Failure.saying(error.message, Failure.output)
            }
        } else {
            Output.text(imported.yaml)
        }
        for note in imported.notes { Output.errorLine(note.description) }
        if !imported.socketLines.isEmpty {
            Output.errorLine("/etc/postern/sockets.conf has to have:")
            for line in imported.socketLines { Output.errorLine("    " + line) }
        }
    }
}
