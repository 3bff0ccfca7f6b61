import NIOCore

/// Reads typed values out of a YAML tree, and collects every problem on the way instead of stopping at the first.
///
/// A method that returns nil has reported why; the caller goes on with the rest.
struct ConfigurationDecoder {
    /// In the order in which they were found.
    private(set) var problems: [ConfigurationProblem] = []
    /// Whether the files that the configuration names are read and checked, too.
    var readsFiles = false
    /// Whether the file has a lookup for all listeners, right or wrong.
    var hasLookup = false

    /// Keys of a mapping: those that are read, and those that a later version will read.
    struct Keys {
        var known: [String]
        var later: [String] = []

        init(_ known: String..., later: [String] = []) {
            self.known = known
            self.later = later
        }
    }

    /// The values of a mapping by their keys.
    struct Fields {
        fileprivate var values: [String: YAMLNode] = [:]
        /// Where the mapping begins.
        var mark: YAMLMark

        /// Makes fields of the entries of a mapping that begins there.
        init(_ entries: [YAMLNode.Entry] = [], mark: YAMLMark) {
            self.mark = mark
            for entry in entries { self.values[entry.key] = entry.value }
        }

        /// Whether no key is there.
        var isEmpty: Bool { self.values.isEmpty }

        /// The value of a key, if it is there and not null.
        subscript(key: String) -> YAMLNode? {
            self.values[key].flatMap { $0.isNull ? nil : $0 }
        }
    }

    mutating func error(_ mark: YAMLMark, _ path: String, _ message: String) {
        self.report(.error, mark, path, message)
    }

    mutating func warning(_ mark: YAMLMark, _ path: String, _ message: String) {
        self.report(.warning, mark, path, message)
    }

    private mutating func report(
        _ severity: ConfigurationProblem.Severity, _ mark: YAMLMark, _ path: String, _ message: String
    ) {
        self.problems.append(
            ConfigurationProblem(
                severity: severity, line: mark.line, column: mark.column,
                message: path.isEmpty ? message : "\(path): \(message)"))
    }
}

extension ConfigurationDecoder {
    /// The fields of a mapping; unknown keys are reported and left out. Null counts as an empty mapping.
    mutating func fields(_ node: YAMLNode, _ path: String, _ keys: Keys) -> Fields? {
        guard let entries = self.entries(node, path) else { return nil }
        var fields = Fields(mark: node.mark)
        for entry in entries {
            if keys.known.contains(entry.key) {
                fields.values[entry.key] = entry.value
            } else if keys.later.contains(entry.key) {
                self.error(entry.mark, path, "\(entry.key) is not in this version")
            } else {
                let hint = Spelling.hint(entry.key, among: keys.known + keys.later)
                self.error(entry.mark, path, "unknown key \"\(entry.key)\"\(hint)")
            }
        }
        return fields
    }

    /// The entries of a mapping whose keys are names.
    mutating func entries(_ node: YAMLNode, _ path: String) -> [YAMLNode.Entry]? {
        if node.isNull { return [] }
        if case .mapping(let entries) = node.content { return entries }
        self.wrongType(node, path, "keys with values")
        return nil
    }

    /// The elements of a list; null counts as an empty one.
    mutating func elements(_ node: YAMLNode, _ path: String) -> [YAMLNode]? {
        if node.isNull { return [] }
        if case .sequence(let elements) = node.content { return elements }
        self.wrongType(node, path, "a list")
        return nil
    }

    /// A scalar's text, not empty.
    mutating func text(_ node: YAMLNode, _ path: String, _ what: String = "a text") -> String? {
        guard case .scalar(let text, _) = node.content, !node.isNull else {
            self.wrongType(node, path, what)
            return nil
        }
        guard !text.isEmpty else {
            self.error(node.mark, path, "it is empty")
            return nil
        }
        return text
    }

    /// A whole number in a range.
    mutating func integer(_ node: YAMLNode, _ path: String, _ range: ClosedRange<Int>, zeroIsNone: Bool = false) -> Int?
    {
        guard let text = self.text(node, path, "a whole number") else { return nil }
        guard let value = Self.digits(text) else {
            self.error(node.mark, path, "\"\(text)\" is not a whole number")
            return nil
        }
        guard range.contains(value) || zeroIsNone && value == 0 else {
            let none = zeroIsNone ? ", or 0 for no limit" : ""
            self.error(node.mark, path, "\(text) is not from \(range.lowerBound) to \(range.upperBound)\(none)")
            return nil
        }
        return value
    }

    /// One of the words of a set.
    mutating func word(_ node: YAMLNode, _ path: String, _ words: [String], later: [String] = []) -> String? {
        guard let text = self.text(node, path, "a word") else { return nil }
        if words.contains(text) { return text }
        if later.contains(text) {
            self.error(node.mark, path, "\"\(text)\" is not in this version")
        } else {
            let all = words + later
            let choice = all.joined(separator: ", ")
            self.error(node.mark, path, "\"\(text)\" is not one of \(choice)\(Spelling.hint(text, among: all))")
        }
        return nil
    }

    /// A number of octets, such as `50MiB`; 0 for no limit.
    ///
    /// - Parameter zero: what 0 stands for.
    mutating func size(
        _ node: YAMLNode, _ path: String, _ range: ClosedRange<Int>, zero: String = "no limit"
    ) -> Int? {
        guard let text = self.text(node, path, "a size such as 50MiB") else { return nil }
        let number = text.prefix { $0.isASCII && $0.isNumber }
        let unit = text.dropFirst(number.count).drop { $0 == " " }.lowercased()
        guard let value = Self.digits(number), let factor = Self.sizeUnits[unit] else {
            self.error(
                node.mark, path, "\"\(text)\" is not a size: write octets, or a number with KB, MB, GB, KiB, MiB or GiB"
            )
            return nil
        }
        let (octets, overflow) = value.multipliedReportingOverflow(by: factor)
        guard octets == 0 || !overflow && range.contains(octets) else {
            self.error(
                node.mark, path,
                "\(text) is not from \(range.lowerBound) to \(range.upperBound) octets, or 0 for \(zero)")
            return nil
        }
        return octets
    }

    /// A time, such as `5s`, `100ms` or `1m30s`.
    mutating func duration(_ node: YAMLNode, _ path: String, _ range: ClosedRange<TimeAmount>) -> TimeAmount? {
        guard let text = self.text(node, path, "a time such as 5s") else { return nil }
        guard let value = Self.time(text) else {
            let hint = Self.digits(text) == nil ? "" : "; did you mean \"\(text)s\"?"
            self.error(node.mark, path, "\"\(text)\" is not a time: write numbers with ms, s, m or h\(hint)")
            return nil
        }
        guard range.contains(value) else {
            let bounds = "\(Self.text(range.lowerBound)) to \(Self.text(range.upperBound))"
            self.error(node.mark, path, "\(text) is not from \(bounds)")
            return nil
        }
        return value
    }

    private mutating func wrongType(_ node: YAMLNode, _ path: String, _ expected: String) {
        let found: String
        switch node.content {
        case .unusable: return  // Reported already.
        case .scalar(let text, _): found = node.isNull ? "nothing" : "\"\(text)\""
        case .sequence: found = "a list"
        case .mapping: found = "keys with values"
        }
        self.error(node.mark, path, "\(expected) is expected here, not \(found)")
    }
}

extension ConfigurationDecoder {
    private static let sizeUnits = [
        "": 1, "b": 1, "kb": 1000, "mb": 1_000_000, "gb": 1_000_000_000, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30,
    ]
    private static let timeUnits: [(String, Int64)] = [
        ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000),
    ]

    /// A number of digits alone: no sign, no blanks, no underscores.
    static func digits(_ text: some StringProtocol) -> Int? {
        guard (1...18).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        return Int(text)
    }

    private static func time(_ text: String) -> TimeAmount? {
        var total: Int64 = 0
        var rest = text[...]
        while !rest.isEmpty {
            let number = rest.prefix { $0.isASCII && $0.isNumber }
            rest = rest.dropFirst(number.count)
            let unit = rest.prefix { !$0.isNumber }
            rest = rest.dropFirst(unit.count)
            guard let value = Self.digits(number), value <= 1_000_000,
                let factor = Self.timeUnits.first(where: { $0.0 == unit })?.1
            else { return nil }
            total += Int64(value) * factor
        }
        return text.isEmpty ? nil : .nanoseconds(total)
    }

    /// A time as the configuration has it.
    static func text(_ amount: TimeAmount) -> String {
        var rest = amount.nanoseconds
        var text = ""
        for (unit, factor) in Self.timeUnits.reversed() where rest >= factor {
            text += "\(rest / factor)\(unit)"
            rest %= factor
        }
        return text.isEmpty ? "0s" : text
    }
}
