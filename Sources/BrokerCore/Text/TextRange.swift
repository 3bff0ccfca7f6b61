/// A part of a text, by the offset of its first byte and of the one behind its last.
package struct TextRange: Equatable, Sendable {
    /// The offset of the first byte.
    package var start: Int
    /// The offset behind the last byte.
    package var end: Int

    /// Makes the range from `start` up to `end`.
    package init(_ start: Int, _ end: Int) {
        self.start = start
        self.end = end
    }

    /// How many bytes the range holds.
    package var count: Int { self.end - self.start }
}

extension Span where Element == UInt8 {
    /// Whether the bytes at `range` are exactly `word`.
    @inline(never) package func holds(_ word: StaticString, at range: TextRange) -> Bool {
        guard word.utf8CodeUnitCount == range.count else { return false }
        return self.begins(range, with: word)
    }

    /// Whether the bytes at `range` begin with `word`.
    @inline(never) package func begins(_ range: TextRange, with word: StaticString) -> Bool {
        guard word.utf8CodeUnitCount <= range.count else { return false }
        var equal = true
        word.forEachByte { index, byte in equal = equal && self[range.start + index] == byte }
        return equal
    }

    /// Whether both hold the same bytes.
    @inline(never) package func isEqual(to other: Span<UInt8>) -> Bool {
        guard self.count == other.count else { return false }
        for index in 0..<self.count where self[index] != other[index] { return false }
        return true
    }

    /// The offset of the first `byte` in `range`, or the range's end.
    @inline(never) package func firstOffset(of byte: UInt8, in range: TextRange) -> Int {
        var offset = range.start
        while offset < range.end, self[offset] != byte { offset += 1 }
        return offset
    }

    /// The decimal number that fills `range`, without sign or leading zeros; nil if it is none or above `limit`.
    @inline(never) package func decimal(at range: TextRange, upTo limit: UInt64) -> UInt64? {
        guard range.count == 1 || (range.count > 1 && self[range.start] != UInt8(ascii: "0")) else { return nil }
        return self.number(at: range, radix: 10, upTo: limit)
    }

    /// The number of that radix, to 16, that fills `range`; nil if it is none or above `limit`.
    @inline(never) package func number(at range: TextRange, radix: UInt64, upTo limit: UInt64) -> UInt64? {
        guard range.count > 0 else { return nil }
        var value: UInt64 = 0
        for offset in range.start..<range.end {
            let byte = self[offset]
            guard byte.isAlphanumeric else { return nil }
            let digit = UInt64(byte.isDigit ? byte - UInt8(ascii: "0") : (byte | 0x20) - UInt8(ascii: "a") + 10)
            let (shifted, overflow) = value.multipliedReportingOverflow(by: radix)
            guard digit < radix, !overflow, shifted <= limit, digit <= limit - shifted else { return nil }
            value = shifted + digit
        }
        return value
    }

    /// Whether `range` is a listener's name: `[A-Za-z0-9._-]{1,63}`.
    @inline(never) package func isName(_ range: TextRange) -> Bool {
        guard 1...63 ~= range.count else { return false }
        for offset in range.start..<range.end where !self[offset].isNameByte { return false }
        return true
    }
}

extension UInt8 {
    /// Whether this is one of 0–9.
    package var isDigit: Bool { UInt8(ascii: "0")...UInt8(ascii: "9") ~= self }

    /// Whether this is an ASCII letter or digit.
    package var isAlphanumeric: Bool {
        self.isDigit || UInt8(ascii: "a")...UInt8(ascii: "z") ~= self | 0x20
    }

    /// Whether this may stand in a name, of a listener, a user or a group.
    package var isNameByte: Bool {
        self.isAlphanumeric || self == UInt8(ascii: ".") || self == UInt8(ascii: "_") || self == UInt8(ascii: "-")
    }
}
