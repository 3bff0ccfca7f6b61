/// The broker's reply, being written: `PB1 CODE WORD TAG`, then lines.
package struct ReplyWriter: Sendable {
    /// The text so far.
    package private(set) var text = TextBuffer<16384>()

    /// Makes an empty writer, whose buffer is used again and again.
    package init() {}

    /// Begins a reply. A tag that could not be read is answered as `0`.
    @inline(never)
    package mutating func begin(_ code: ReplyCode, tag: Span<UInt8>) {
        self.text.removeAll()
        self.text.append("PB1 ")
        self.text.append(decimal: Int(code.rawValue))
        self.text.append(" ")
        self.text.append(code.word)
        self.text.append(" ")
        if tag.count > 0 { self.text.append(tag, TextRange(0, tag.count)) } else { self.text.append("0") }
        self.text.append("\n")
    }

    /// Writes `KEY=VALUE`.
    @inline(never)
    package mutating func append(_ key: StaticString, _ value: StaticString) {
        self.append(key) { $0.append(value) }
    }

    /// Writes `KEY=NUMBER`.
    @inline(never)
    package mutating func append(_ key: StaticString, decimal number: Int) {
        self.append(key) { $0.append(decimal: number) }
    }

    /// Writes `KEY=` and what `value` writes.
    package mutating func append(_ key: StaticString, _ value: (inout TextBuffer<16384>) -> Void) {
        self.text.append(key)
        self.text.append("=")
        value(&self.text)
        self.text.append("\n")
    }

    /// Writes `KEY.NUMBER=` and what `value` writes.
    package mutating func append(_ key: StaticString, _ number: Int, _ value: (inout TextBuffer<16384>) -> Void) {
        self.text.append(key)
        self.text.append(".")
        self.text.append(decimal: number)
        self.text.append("=")
        value(&self.text)
        self.text.append("\n")
    }
}
