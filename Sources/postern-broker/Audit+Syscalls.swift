internal import CPosternSys

/// One line of the log, `postern-broker: event=EVENT key=value …`, being written. Values come from the kernel, the
/// policy and names that were checked: none needs quoting.
struct AuditLine {
    fileprivate var text = TextBuffer<1024>()

    /// Begins the line.
    init(_ event: StaticString) {
        self.text.append("postern-broker: event=")
        self.text.append(event)
    }

    /// Writes ` key=value`.
    mutating func add(_ key: StaticString, _ value: StaticString) { self.add(key) { $0.append(value) } }

    /// Writes ` key=NUMBER`.
    mutating func add(_ key: StaticString, _ number: Int) { self.add(key) { $0.append(decimal: number) } }

    /// Writes ` key=` and what `value` writes.
    mutating func add(_ key: StaticString, _ value: (inout TextBuffer<1024>) -> Void) {
        self.text.append(" ")
        self.text.append(key)
        self.text.append("=")
        value(&self.text)
    }
}

/// The log on standard error. A reader that does not read costs lines, never time; what many refusals would write is
/// bounded, and counted.
struct Audit {
    /// Refusals that are written at once, and more a second.
    private static var burst: Int { 200 }
    private static var rate: Int { 50 }

    private var tokens = 200
    private var refilled = 0
    private var suppressed = 0

    /// Writes a line about what was granted or has happened.
    func write(_ line: borrowing AuditLine) {
        var text = line.text
        text.end(milliseconds: 0)
    }

    /// Writes a line about a refusal, unless there were too many.
    mutating func write(refusal line: borrowing AuditLine, now: Int) {
        let seconds = (now - self.refilled) / 1000
        if seconds > 0 {
            self.tokens = min(Self.burst, self.tokens + seconds * Self.rate)
            self.refilled += seconds * 1000
            self.reportSuppressed()
        }
        guard self.tokens > 0 else {
            self.suppressed += 1
            return
        }
        self.tokens -= 1
        self.write(line)
    }

    /// Says how many lines were left out since the last time.
    mutating func reportSuppressed() {
        guard self.suppressed > 0, self.tokens > 0 else { return }
        var line = AuditLine("suppressed")
        line.add("refusals", self.suppressed)
        self.write(line)
        self.suppressed = 0
    }
}
