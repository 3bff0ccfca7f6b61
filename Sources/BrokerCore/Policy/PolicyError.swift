/// What is wrong with a policy, and where.
package struct PolicyError: Error {
    /// What is wrong, in words, without its place.
    package var text: StaticString
    /// The offending bytes, by their offsets; empty where something is missing.
    package var range: TextRange
    /// The line, from 1; 0 where only a part of one was read.
    package var line = 0
    /// The byte in the line, from 1.
    package var column = 0

    init(_ text: StaticString, _ range: TextRange) {
        self.text = text
        self.range = range
    }

    init(_ text: StaticString, _ start: Int, _ end: Int) {
        self.init(text, TextRange(start, end))
    }

    /// Writes `LINE:COLUMN: "WORD": what is wrong`, the word to 64 bytes.
    package func append<let size: Int>(to output: inout TextBuffer<size>, in policy: Span<UInt8>) {
        output.append(decimal: self.line)
        output.append(":")
        output.append(decimal: self.column)
        output.append(": ")
        if self.range.count > 0 {
            output.append(quoted: policy, TextRange(self.range.start, Swift.min(self.range.end, self.range.start + 64)))
            output.append(": ")
        }
        output.append(self.text)
    }
}
