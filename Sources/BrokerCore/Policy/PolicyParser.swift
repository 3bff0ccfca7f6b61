/// Where a reader stands in the policy: on a line, and how far into it.
struct PolicyLine {
    /// The line's number, from 1; 0 before the first.
    var number = 0
    /// The offset of the line's first byte.
    var start = 0
    /// The offset of the line's LF, or of the text's end.
    var end = -1
    /// How far the line has been read.
    var offset = 0

    /// Goes to the next line; false at the end of the text.
    mutating func advance(in text: Span<UInt8>) -> Bool {
        guard self.end + 1 < text.count else { return false }
        self.number += 1
        self.start = self.end + 1
        self.end = text.firstOffset(of: UInt8(ascii: "\n"), in: TextRange(self.start, text.count))
        self.offset = self.start
        return true
    }

    /// The next word of the line; nil at its end or at a comment.
    mutating func nextWord(in text: Span<UInt8>) -> TextRange? {
        while self.offset < self.end, text[self.offset].isBlank { self.offset += 1 }
        guard self.offset < self.end, text[self.offset] != UInt8(ascii: "#") else { return nil }
        let start = self.offset
        while self.offset < self.end, !text[self.offset].isBlank { self.offset += 1 }
        return TextRange(start, self.offset)
    }
}

extension UInt8 {
    /// Whether this is a space or a tab.
    fileprivate var isBlank: Bool { self == UInt8(ascii: " ") || self == UInt8(ascii: "\t") }
}

/// Reads a policy line by line, and keeps what holds for the whole: at most 64 names, 8 sockets a name, none twice.
///
/// A policy is only valid as a whole: who uses an entry reads to the end first.
package struct PolicyParser {
    /// The largest policy, in bytes.
    package static var maxLength: Int { 65536 }

    private struct Name {
        var range = TextRange(0, 0)
        var sockets = 0
        /// The lines of this name, each placed behind it; as many as sockets or fewer.
        var lines = InlineArray<8, PolicyLine>(repeating: PolicyLine())
        var lineCount = 0
    }

    private var line = PolicyLine()
    private var names = InlineArray<64, Name>(repeating: Name())
    private var nameCount = 0

    /// Makes a parser that stands before the first line.
    package init() {}

    /// Reads the next entry; nil at the end. `text` is the same text in each call.
    package mutating func next(in text: Span<UInt8>) throws(PolicyError) -> PolicyEntry? {
        do throws(PolicyError) {
            while self.line.advance(in: text) {
                for offset in self.line.start..<self.line.end
                where (text[offset] < 0x20 && text[offset] != UInt8(ascii: "\t")) || text[offset] == 0x7F {
                    throw .init("control character (a line ends in LF alone)", offset, offset + 1)
                }
                guard let name = self.line.nextWord(in: text) else { continue }
                let behindName = self.line
                let entry = try PolicyEntry(named: name, from: &self.line, in: text)
                try self.record(entry, behindName, in: text)
                // A file that is being written may end in the middle of a line: 1001 would read as 10, bob-2 as bob.
                guard self.line.end < text.count else {
                    throw .init("the line end is missing: the file may be cut off here", self.line.end, self.line.end)
                }
                return entry
            }
            return nil
        } catch {
            var error = error
            error.line = self.line.number
            error.column = error.range.start - self.line.start + 1
            throw error
        }
    }

    /// Counts the entry's name and sockets, and finds one that stands there already.
    private mutating func record(
        _ entry: PolicyEntry, _ line: PolicyLine, in text: Span<UInt8>
    ) throws(PolicyError) {
        var index = 0
        while index < self.nameCount,
            !text.extracting(self.names[index].range.start..<self.names[index].range.end)
                .isEqual(to: text.extracting(entry.name.start..<entry.name.end))
        { index += 1 }
        if index == self.nameCount {
            guard index < 64 else { throw .init("more than 64 names", entry.name.start, entry.name.end) }
            self.nameCount += 1
            self.names[index].range = entry.name
        }
        for earlier in 0..<self.names[index].lineCount {
            var earlierLine = self.names[index].lines[earlier]
            let other = try PolicyEntry(named: self.names[index].range, from: &earlierLine, in: text)
            guard !other.socket.isSameSocket(as: entry.socket) else {
                throw .init("the same socket twice under one name", entry.address.start, entry.address.end)
            }
        }
        self.names[index].sockets += entry.socket.descriptorCount
        guard self.names[index].sockets <= 8 else {
            throw .init("more than 8 sockets under one name", entry.name.start, entry.name.end)
        }
        self.names[index].lines[self.names[index].lineCount] = line
        self.names[index].lineCount += 1
    }
}
