/// A part of a line, by the offset of its first octet and of the one behind its last.
public struct LineRange: Hashable, Sendable, BitwiseCopyable {
    /// The offset of the first octet.
    public let start: UInt16
    /// The offset behind the last octet.
    public let end: UInt16

    /// Makes the range from `start` up to `end`, in a line of at most ``longestLine`` octets.
    init(_ start: Int, _ end: Int) {
        self.start = UInt16(start)
        self.end = UInt16(end)
    }

    /// The longest line that has ranges.
    static let longestLine = Int(UInt16.max)
}

extension LineRange {
    /// The offsets, for `Span.extracting(_:)`.
    public var offsets: Range<Int> { Int(self.start)..<Int(self.end) }

    /// How many octets the range holds.
    public var count: Int { Int(self.end) - Int(self.start) }

    /// Whether the range holds nothing.
    public var isEmpty: Bool { self.start == self.end }
}
