extension SocketSpec {
    /// Reads a spec of PB1: `tcp [::]:25`, with `v6only` and `device=NAME` behind it where they hold, and no other word.
    package init(wireAt range: TextRange, in text: Span<UInt8>) throws(PolicyError) {
        var words = WordReader(range)
        guard let transport = words.next(in: text), let address = words.next(in: text), address.count > 0 else {
            throw .init("a spec is tcp or udp, then ADDRESS:PORT", range)
        }
        if text.holds("tcp", at: transport) {
            try self.init(transport: .tcp, addressAt: address, in: text)
        } else if text.holds("udp", at: transport) {
            try self.init(transport: .udp, addressAt: address, in: text)
        } else {
            throw .init("a socket is tcp or udp", transport)
        }
        while let word = words.next(in: text) {
            if text.holds("v6only", at: word), self.host.family == .ipv6, !self.isV6Only {
                self.isV6Only = true
            } else if text.begins(word, with: "device="), self.device.count == 0,
                text.isDevice(TextRange(word.start + 7, word.end))
            {
                self.device.append(text, TextRange(word.start + 7, word.end))
            } else {
                throw .init("not a word of a spec", word)
            }
        }
    }

    /// Whether a socket made for one is a socket for the other: the same address and port by value, and the same options
    /// as far as they can be seen on a socket.
    package func isEquivalent(to other: SocketSpec) -> Bool {
        self.isSameSocket(as: other) && self.isV6Only == other.isV6Only
    }
}

/// The words of a text, with one space between them.
package struct WordReader {
    private var rest: TextRange

    /// Reads the words in `range`.
    package init(_ range: TextRange) {
        self.rest = range
    }

    /// The next word, empty where two spaces stand together or one at either end; nil behind the last one.
    package mutating func next(in text: Span<UInt8>) -> TextRange? {
        guard self.rest.start <= self.rest.end else { return nil }
        let end = text.firstOffset(of: UInt8(ascii: " "), in: self.rest)
        let word = TextRange(self.rest.start, end)
        self.rest.start = end + 1
        return word
    }
}
