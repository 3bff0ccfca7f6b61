/// A value to be written as YAML.
indirect enum YAMLValue: Equatable {
    /// Written plain where that is safe, else in double quotes.
    case text(String)
    /// A number or a time, in figures.
    case figure(String)
    /// `[a, b]`, in one line.
    case words([String])
    /// `{key: value, …}`, in one line.
    case pairs([(key: String, value: YAMLValue)])
    case mapping([Entry])
    case list([[Entry]])

    /// A key with its value, and what is said about it.
    struct Entry: Equatable {
        var key: String
        var value: YAMLValue
        /// Behind the value; in front of the key where the value has lines of its own.
        var comment: String?
        /// Lines of comment in front of the key.
        var lead: [String] = []

        init(_ key: String, _ value: YAMLValue, _ comment: String? = nil, lead: [String] = []) {
            self.key = key
            self.value = value
            self.comment = comment
            self.lead = lead
        }
    }

    static func == (left: YAMLValue, right: YAMLValue) -> Bool { left.inline == right.inline }
}

extension YAMLValue {
    /// The whole document, ending in a line's end.
    static func document(_ entries: [Entry]) -> String {
        var lines: [String] = []
        for entry in entries {
            if !lines.isEmpty { lines.append("") }
            Self.write(entry, indent: "", into: &lines)
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// A comment line; what it quotes cannot end it.
    static func comment(_ text: String) -> String { text.isEmpty ? "#" : "# " + Self.oneLine(text) }

    private static func oneLine(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.map { Printable.isControl($0) ? "?" : $0 }))
    }

    private static func write(_ entry: Entry, indent: String, into lines: inout [String]) {
        for line in entry.lead { lines.append(indent + Self.comment(line)) }
        let head = indent + Self.scalar(entry.key) + ":"
        let tail = entry.comment.map { "  " + Self.comment($0) } ?? ""
        switch entry.value {
        case .mapping(let entries) where !entries.isEmpty:
            lines.append(head + tail)
            for entry in entries { Self.write(entry, indent: indent + "  ", into: &lines) }
        case .list(let items) where !items.isEmpty:
            lines.append(head + tail)
            for item in items {
                var block: [String] = []
                for entry in item { Self.write(entry, indent: indent + "    ", into: &block) }
                // The dash stands in front of the first key, below the comments that lead it.
                if let first = block.firstIndex(where: { !$0.drop { $0 == " " }.hasPrefix("#") }) {
                    block[first] = indent + "  - " + block[first].dropFirst(indent.count + 4)
                }
                lines += block
            }
        case .text, .figure, .words, .pairs, .mapping, .list:
            lines.append(head + " " + entry.value.inline + tail)
        }
    }

    private var inline: String {
        switch self {
        case .text(let text): Self.isURL(text) ? text : Self.scalar(text)
        case .figure(let text): text
        case .words(let words): "[" + words.map(Self.scalar).joined(separator: ", ") + "]"
        case .pairs(let pairs):
            "{" + pairs.map { "\(Self.scalar($0.key)): \($0.value.inline)" }.joined(separator: ", ") + "}"
        case .mapping(let entries):
            "{" + entries.map { "\(Self.scalar($0.key)): \($0.value.inline)" }.joined(separator: ", ") + "}"
        case .list(let items):
            "[" + items.map { YAMLValue.mapping($0).inline }.joined(separator: ", ") + "]"
        }
    }

    /// A URL that YAML takes for nothing else, at the end of a line.
    private static func isURL(_ text: String) -> Bool {
        text.hasPrefix("http://") && text.utf8.last != UInt8(ascii: ":")
            && text.utf8.allSatisfy { Self.isPlain($0) || "/:?=&%~+".utf8.contains($0) }
    }

    private static func isPlain(_ octet: UInt8) -> Bool {
        0x30...0x39 ~= octet || 0x41...0x5A ~= octet || 0x61...0x7A ~= octet || "._/-".utf8.contains(octet)
    }

    /// What YAML has other ideas about.
    private static let special: Set<String> = ["null", "true", "false", "yes", "no", "y", "n"]

    private static func scalar(_ text: String) -> String {
        if let first = text.utf8.first, Self.isPlain(first), first != UInt8(ascii: "-"), first != UInt8(ascii: "."),
            text.utf8.allSatisfy(Self.isPlain), !Self.special.contains(text.lowercased())
        {
            return text
        }
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": quoted += "\\" + String(scalar)
            case _ where Printable.isControl(scalar):
                let digits = String(scalar.value, radix: 16, uppercase: true)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
