extension RelayConfiguration {
    /// Reads and checks a file of at most 1 MiB, and the files of certificates that it names.
    ///
    /// Fails with every problem at once; where the file cannot be read, with one at line 0.
    package static func load(path: String) throws(ConfigurationError) -> LoadedConfiguration {
        let octets: [UInt8]
        do {
            octets = try ConfigurationFile.read(path)
        } catch {
            let problem = ConfigurationProblem(severity: .error, line: 0, column: 0, message: error.message)
            throw ConfigurationError(file: path, problems: [problem])
        }
        return try Self.decode(octets, file: path, readsFiles: true)
    }

    /// Checks the octets of a file; `file` is its name in messages.
    ///
    /// - Parameter readsFiles: checks the files that it names, too.
    ///
    /// Fails with every problem at once.
    package static func decode(
        _ octets: [UInt8], file: String, readsFiles: Bool = false
    ) throws(ConfigurationError) -> LoadedConfiguration {
        let tree = YAMLTree(octets)
        var decoder = ConfigurationDecoder()
        decoder.readsFiles = readsFiles
        for problem in tree.problems { decoder.error(problem.mark, "", problem.message) }
        var configuration: RelayConfiguration?
        if let root = tree.root {
            if let draft = decoder.draft(root) {
                configuration = decoder.assemble(draft, root: root.mark)
                if readsFiles { decoder.checkFiles(draft) }
            }
        } else if tree.problems.isEmpty {
            decoder.error(YAMLMark(line: 1, column: 1), "", "the file is empty")
        }
        let problems = decoder.problems.sorted()
        guard let configuration, problems.allSatisfy({ $0.severity == .warning }) else {
            throw ConfigurationError(file: file, problems: problems)
        }
        return LoadedConfiguration(configuration: configuration, warnings: problems)
    }
}
