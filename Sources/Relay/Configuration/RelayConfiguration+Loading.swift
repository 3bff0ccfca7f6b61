extension RelayConfiguration {
    /// Reads and checks a file of at most 1 MiB.
    ///
    /// Fails with every problem at once; where the file cannot be read, with one at line 0.
    package static func load(path: String) throws(ConfigurationError) -> LoadedConfiguration {
        throw ConfigurationError(file: path, problems: [])
    }

    /// Checks the octets of a file; `file` is its name in messages.
    ///
    /// Fails with every problem at once.
    package static func decode(_ octets: [UInt8], file: String) throws(ConfigurationError) -> LoadedConfiguration {
        throw ConfigurationError(file: file, problems: [])
    }
}
