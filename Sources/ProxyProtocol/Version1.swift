import Routing

/// The text form: one line of at most 107 octets.
enum Version1 {
    private static let prefix = Array("PROXY ".utf8)
    private static let space = UInt8(ascii: " ")

    static func parse(_ octets: Span<UInt8>) throws(ProxyHeaderError) -> ProxyHeader.Parsed? {
        for index in 0..<min(octets.count, self.prefix.count) where octets[index] != self.prefix[index] {
            throw .missing
        }
        guard let end = try self.lineEnd(octets) else { return nil }
        guard end >= self.prefix.count else { throw .missing }
        var words: [[UInt8]] = [[]]
        for index in self.prefix.count..<end {
            if octets[index] == self.space { words.append([]) } else { words[words.count - 1].append(octets[index]) }
        }
        return ProxyHeader.Parsed(header: ProxyHeader(try self.subject(words)), length: end + 2)
    }

    /// Where the CRLF is; nil where it is to come. A CR or an LF alone is no line end, and nothing else either.
    private static func lineEnd(_ octets: Span<UInt8>) throws(ProxyHeaderError) -> Int? {
        for index in 0..<min(octets.count, ProxyHeader.longestVersion1) {
            if octets[index] == 0x0A { throw .malformed }
            guard octets[index] == 0x0D else { continue }
            guard index + 1 < ProxyHeader.longestVersion1 else { throw .tooLong }
            guard index + 1 < octets.count else { return nil }
            guard octets[index + 1] == 0x0A else { throw .malformed }
            return index
        }
        guard octets.count < ProxyHeader.longestVersion1 else { throw .tooLong }
        return nil
    }

    private static func subject(_ words: [[UInt8]]) throws(ProxyHeaderError) -> ProxyHeader.Subject {
        let isVersion6: Bool
        switch words[0] {
        // Whatever stands behind it is to be ignored.
        case Array("UNKNOWN".utf8): return .unknown
        case Array("TCP4".utf8): isVersion6 = false
        case Array("TCP6".utf8): isVersion6 = true
        default: throw .malformed
        }
        guard words.count == 5 else { throw .malformed }
        guard let source = self.address(words[1], isVersion6), let destination = self.address(words[2], isVersion6),
            let sourcePort = self.port(words[3]), let destinationPort = self.port(words[4])
        else { throw .badAddress }
        return .client(.init(source, port: sourcePort), to: .init(destination, port: destinationPort))
    }

    private static func address(_ word: [UInt8], _ isVersion6: Bool) -> IPAddress? {
        guard word.contains(UInt8(ascii: ":")) == isVersion6 else { return nil }
        return IPAddress(String(decoding: word, as: UTF8.self))
    }

    /// Digits without a leading zero.
    private static func port(_ word: [UInt8]) -> UInt16? {
        guard (1...5).contains(word.count), word.count == 1 || word[0] != UInt8(ascii: "0"),
            word.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
        else { return nil }
        return UInt16(String(decoding: word, as: UTF8.self))
    }
}
