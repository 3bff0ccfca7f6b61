/// A text of bounded length, written front to back; what does not fit is left out, and remembered as left out.
package struct TextBuffer<let capacity: Int>: Sendable {
    /// The bytes; those from ``count`` on are zero, so one byte more of capacity than of text ends it for C.
    package internal(set) var storage = InlineArray<capacity, UInt8>(repeating: 0)
    /// How many bytes have been written.
    package internal(set) var count = 0
    /// Whether something did not fit.
    package internal(set) var isTruncated = false

    /// Makes an empty text.
    package init() {}

    /// Writes another text.
    @inline(never) package mutating func append<let size: Int>(_ other: TextBuffer<size>) {
        self.append(other.storage.span, TextRange(0, other.count))
    }

    /// Writes one byte.
    @inline(never) package mutating func append(_ byte: UInt8) {
        guard self.count < capacity else { return self.isTruncated = true }
        self.storage[self.count] = byte
        self.count += 1
    }

    /// Ends the text with an LF, in the last byte's place where there is no room for it.
    @inline(never) package mutating func endLine() {
        if self.count == capacity { self.count -= 1 }
        self.append(UInt8(ascii: "\n"))
    }

    /// Writes a literal.
    @inline(never) package mutating func append(_ text: StaticString) {
        text.forEachByte { _, byte in self.append(byte) }
    }

    /// Writes the bytes of `text` at `range`, as they are.
    @inline(never) package mutating func append(_ text: Span<UInt8>, _ range: TextRange) {
        for offset in range.start..<range.end { self.append(text[offset]) }
    }

    /// Writes the bytes of `text` at `range` between quotes; whatever is not printable ASCII becomes `?`.
    @inline(never) package mutating func append(quoted text: Span<UInt8>, _ range: TextRange) {
        self.append("\"")
        for offset in range.start..<range.end {
            self.append(0x20...0x7E ~= text[offset] ? text[offset] : UInt8(ascii: "?"))
        }
        self.append("\"")
    }

    /// Writes a number in decimal.
    @inline(never) package mutating func append(decimal number: Int) {
        if number < 0 { self.append("-") }
        var divisor: UInt = 1
        let magnitude = number.magnitude
        while magnitude / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            self.append(UInt8(ascii: "0") + UInt8(magnitude / divisor % 10))
            divisor /= 10
        }
    }
}
