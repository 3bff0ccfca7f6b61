/// An nginx.conf as a relay.yaml.
package struct NginxImport: Equatable, Sendable {
    /// The text of relay.yaml, with comments.
    package var yaml: String
    /// What it does not say, or says otherwise, in the order of the files.
    package var notes: [ImportNote]
    /// The lines that /etc/postern/sockets.conf needs; empty where no listener has a privileged port.
    package var socketLines: [String]

    /// Imports the file at `path`, and what it includes.
    ///
    /// Fails where nginx would not start with it, and where there is nothing to import.
    package init(_ path: String, from files: some NginxFiles) throws(NginxConfigurationError) {
        let directives = try Self.directives(path, files)
        let mail = try NginxMail(directives, folder: NginxPath.folder(of: path))
        var plan = RelayPlan(mail)
        let document = plan.document()
        self.notes = plan.notes
        self.socketLines = plan.socketLines
        self.yaml = Self.head(path, plan).map(YAMLValue.comment).joined(separator: "\n") + "\n\n" + document
    }

    private static func directives<Files: NginxFiles>(
        _ path: String, _ files: Files
    ) throws(NginxConfigurationError) -> [NginxDirective] {
        try NginxReader<Files>.read(path, from: files)
    }

    private static func head(_ path: String, _ plan: RelayPlan) -> [String] {
        var lines = [
            "Made by postern import from \(Printable.text(path)). Check it with: postern check --config FILE",
            "What nginx says at more than one place is resolved here: each listener has what holds for it.",
        ]
        if !plan.socketLines.isEmpty {
            lines += ["", "/etc/postern/sockets.conf has to have, for a relay that runs as the user postern:"]
            lines += plan.socketLines.map { "    " + $0 }
        }
        if !plan.notes.isEmpty {
            lines += ["", "What is left out, or different:"]
            lines += plan.notes.map { "    " + $0.description }
        }
        return lines
    }
}
