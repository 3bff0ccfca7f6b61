/// Something wrong in relay.yaml, at a place.
package struct ConfigurationProblem: Hashable, Sendable {
    /// Whether it keeps the relay from starting.
    package enum Severity: Hashable, Sendable {
        /// It does.
        case error
        /// It does not, but it is hardly meant.
        case warning
    }

    /// Whether it keeps the relay from starting.
    package var severity: Severity
    /// The line, from 1; 0 where the file as a whole is meant.
    package var line: Int
    /// The column, from 1, in characters; 0 likewise.
    package var column: Int
    /// The path of keys, and what is wrong there.
    package var message: String
}

extension ConfigurationProblem: Comparable {
    /// Orders by place.
    package static func < (left: ConfigurationProblem, right: ConfigurationProblem) -> Bool {
        (left.line, left.column, left.message) < (right.line, right.column, right.message)
    }
}

extension ConfigurationProblem {
    /// `relay.yaml:7:3: groups.app.balance: …`; warnings are marked as such.
    package func description(file: String) -> String {
        let place = self.line > 0 ? "\(file):\(self.line):\(self.column)" : file
        return "\(place): \(self.severity == .warning ? "warning: " : "")\(self.message)"
    }
}

/// Why a configuration cannot be used: every problem of it, in the order of the file.
package struct ConfigurationError: Error, Equatable, Sendable {
    /// The file, as it was named by the caller.
    package var file: String
    /// At least one error, with the warnings between.
    package var problems: [ConfigurationProblem]
}

extension ConfigurationError: CustomStringConvertible {
    /// A line for each problem.
    package var description: String {
        self.problems.map { $0.description(file: self.file) }.joined(separator: "\n")
    }
}

/// A configuration that can be used, and what to tell its author about it.
package struct LoadedConfiguration: Equatable, Sendable {
    /// What the file says.
    package var configuration: RelayConfiguration
    /// In the order of the file.
    package var warnings: [ConfigurationProblem]
}
