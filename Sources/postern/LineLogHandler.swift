import Logging

/// Writes a line for each event to standard error: time in UTC, level, message; one write(2) each.
///
///     2026-11-22T20:58:25.123Z info delivered client=192.0.2.1:4711 from=<a@example.net> recipients=1 …
struct LineLogHandler: LogHandler {
    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]

    func log(event: LogEvent) {
        var line = Timestamp.now.description
        line += " \(event.level) \(event.message)"
        if !self.metadata.isEmpty || event.metadata?.isEmpty == false {
            let metadata = self.metadata.merging(event.metadata ?? [:], uniquingKeysWith: { $1 })
            for (key, value) in metadata.sorted(by: { $0.key < $1.key }) { line += " \(key)=\(value)" }
        }
        // One event is one line, whatever an error's text holds.
        if line.utf8.contains(where: { $0 < 0x20 }) {
            line = String(decoding: line.utf8.map { $0 < 0x20 ? UInt8(ascii: "?") : $0 }, as: UTF8.self)
        }
        Output.errorLine(line)
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }
}
