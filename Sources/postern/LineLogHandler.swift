import Logging

/// Writes a line for each event to standard error: time in UTC, level, message; one write(2) each.
///
///     2026-11-22T20:58:25.123Z info delivered client=192.0.2.1:4711 from=<a@example.net> recipients=1 …
struct LineLogHandler: LogHandler {
    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]

    func log(event: LogEvent) {
        var line: [UInt8] = []
        line.reserveCapacity(512)
        Timestamp.now.append(to: &line)
        line.append(UInt8(ascii: " "))
        line.append(contentsOf: event.level.rawValue.utf8)
        line.append(UInt8(ascii: " "))
        line.append(contentsOf: event.message.description.utf8)
        if !self.metadata.isEmpty || event.metadata?.isEmpty == false {
            let metadata = self.metadata.merging(event.metadata ?? [:], uniquingKeysWith: { $1 })
            for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
                line.append(contentsOf: " \(key)=\(value)".utf8)
            }
        }
        // One event is one line, whatever an error's text holds.
        for index in line.indices where line[index] < 0x20 { line[index] = UInt8(ascii: "?") }
        line.append(UInt8(ascii: "\n"))
        Output.errorOctets(line)
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }
}
