/// A PB1 request, being written: `PB1 VERB TAG`, then lines.
package struct RequestWriter: Sendable {
    /// The text so far; whoever sends it looks at ``TextBuffer/isTruncated`` first.
    package private(set) var text = TextBuffer<4096>()

    /// Writes the head.
    package init(_ verb: StaticString, tag: StaticString) {
        self.text.append("PB1 ")
        self.text.append(verb)
        self.text.append(" ")
        self.text.append(tag)
        self.text.append("\n")
    }

    /// Writes `KEY=VALUE`, the value being the bytes of `value` at `range`.
    package mutating func append(_ key: StaticString, _ value: Span<UInt8>, _ range: TextRange) {
        self.text.append(key)
        self.text.append("=")
        self.text.append(value, range)
        self.text.append("\n")
    }

    /// Writes `KEY=VALUE`.
    package mutating func append(_ key: StaticString, _ value: StaticString) {
        self.text.append(key)
        self.text.append("=")
        self.text.append(value)
        self.text.append("\n")
    }

    /// Writes `KEY=NUMBER`.
    package mutating func append(_ key: StaticString, decimal number: Int) {
        self.text.append(key)
        self.text.append("=")
        self.text.append(decimal: number)
        self.text.append("\n")
    }
}
