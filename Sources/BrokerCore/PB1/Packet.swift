/// What is wrong with a PB1 packet. A bad byte is neither printable ASCII nor LF; a bad head is not `PB1 WORD… TAG`; a
/// bad line is not `key=value` with a key of a-z, 0-9, `.`, `_` and `-`.
package enum PacketError: UInt8, Error {
    case empty = 1
    case tooLong, badByte, badHead, badVersion, badLine, repeatedKey, tooManyKeys
}

/// One PB1 packet, read line by line: the head, then `key=value` in any order. Offsets are into the packet's text.
///
/// ```text
/// C: PB1 GET a1        S: PB1 200 OK a1
/// C: name=smtp         S: fds=1
///                      S: fd.0=smtp tcp [::]:25
/// ```
package struct Packet: Sendable {
    /// The most bytes of a request.
    package static var maxRequest: Int { 4096 }
    /// The most keys of a request beside `name`: each is compared with all before it, and that takes time.
    package static var maxKeys: Int { 32 }
    /// The most bytes of a reply.
    package static var maxReply: Int { 16384 }

    /// A request's verb; nil in a reply.
    package private(set) var verb: TextRange?
    /// A reply's code, 100 to 999; 0 in a request.
    package private(set) var code = 0
    /// What joins a request and its reply: 1 to 8 letters and digits.
    package private(set) var tag = TextRange(0, 0)
    private var head = 0
    private var offset = 0
    private var keyCount = 0

    /// Reads a request's head, `PB1 VERB TAG`.
    package init(request text: Span<UInt8>) throws(PacketError) {
        self.head = try Packet.check(text, Packet.maxRequest)
        self.offset = self.head
        let verb = self.field(4, in: text)
        self.verb = verb
        try self.readTag(behind: verb, in: text)
    }

    /// Reads a reply's head, `PB1 CODE WORD TAG`.
    package init(reply text: Span<UInt8>) throws(PacketError) {
        self.head = try Packet.check(text, Packet.maxReply)
        self.offset = self.head
        let code = self.field(4, in: text)
        guard code.count == 3, let number = text.decimal(at: code, upTo: 999) else { throw .badHead }
        self.code = Int(number)
        try self.readTag(behind: self.field(code.end + 1, in: text), in: text)
    }

    /// Reads the next line; nil at the end. A key stands once, but `name` in a request and `item` in a reply.
    package mutating func next(in text: Span<UInt8>) throws(PacketError) -> (key: TextRange, value: TextRange)? {
        guard self.offset < text.count else { return nil }
        let (key, value) = try Packet.line(at: &self.offset, in: text)
        guard !text.holds(self.verb == nil ? "item" : "name", at: key) else { return (key, value) }
        self.keyCount += 1
        guard self.verb == nil || self.keyCount <= Packet.maxKeys else { throw .tooManyKeys }
        var earlier = self.head
        while earlier < key.start {
            let other = try Packet.line(at: &earlier, in: text).key
            guard
                other == key
                    || !text.extracting(other.start..<other.end)
                        .isEqual(to: text.extracting(key.start..<key.end))
            else { throw .repeatedKey }
        }
        return (key, value)
    }

    /// Checks length, bytes and version; returns the offset behind the first line.
    private static func check(_ text: Span<UInt8>, _ limit: Int) throws(PacketError) -> Int {
        guard text.count > 0 else { throw .empty }
        guard text.count <= limit else { throw .tooLong }
        for index in 0..<text.count where !(0x20...0x7E ~= text[index] || text[index] == 0x0A) { throw .badByte }
        let end = text.firstOffset(of: 0x0A, in: TextRange(0, text.count))
        guard end > 4, text.begins(TextRange(0, end), with: "PB") else { throw .badHead }
        guard text.begins(TextRange(0, end), with: "PB1 ") else { throw .badVersion }
        return end + 1
    }

    /// The bytes from `start` up to a space, or up to the first line's end.
    private func field(_ start: Int, in text: Span<UInt8>) -> TextRange {
        let line = TextRange(Swift.min(start, self.head - 1), self.head - 1)
        return TextRange(line.start, text.firstOffset(of: UInt8(ascii: " "), in: line))
    }

    private mutating func readTag(behind word: TextRange, in text: Span<UInt8>) throws(PacketError) {
        self.tag = TextRange(word.end + 1, self.head - 1)
        guard word.count > 0, 1...8 ~= self.tag.count else { throw .badHead }
        for index in self.tag.start..<self.tag.end where !text[index].isAlphanumeric { throw .badHead }
    }

    /// Reads the line at `offset` and steps behind it.
    private static func line(
        at offset: inout Int, in text: Span<UInt8>
    ) throws(PacketError) -> (key: TextRange, value: TextRange) {
        let end = text.firstOffset(of: 0x0A, in: TextRange(offset, text.count))
        let key = TextRange(offset, text.firstOffset(of: UInt8(ascii: "="), in: TextRange(offset, end)))
        guard key.end < end, text.isName(key) else { throw .badLine }
        for index in key.start..<key.end where UInt8(ascii: "A")...UInt8(ascii: "Z") ~= text[index] { throw .badLine }
        offset = end + 1
        return (key, TextRange(key.end + 1, end))
    }
}
