import ArgumentParser
import Logging

/// `--log-level`.
enum LogLevel: String, CaseIterable, ExpressibleByArgument {
    case debug, info, notice, warning, error

    fileprivate var level: Logger.Level {
        switch self {
        case .debug: .debug
        case .info: .info
        case .notice: .notice
        case .warning: .warning
        case .error: .error
        }
    }
}

extension Logger {
    /// The program's logger: to standard error, from `level` up.
    static func postern(_ label: String, level: LogLevel) -> Logger {
        var logger = Logger(label: label, factory: { _ in LineLogHandler() })
        logger.logLevel = level.level
        return logger
    }

    /// For libraries that tell more than an operator wants to hear.
    static var quiet: Logger { .postern("postern", level: .error) }
}
