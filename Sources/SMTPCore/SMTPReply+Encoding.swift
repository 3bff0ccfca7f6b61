extension SMTPReply {
    /// The longest line that is sent, its CRLF included (RFC 5321 section 4.5.3.1.5).
    public static let longestLine = 512

    /// The reply as the wire has it (RFC 5321 section 4.2), the CRLF of each line included.
    ///
    /// - Parameter utf8: whether the client may get UTF-8: it asked for SMTPUTF8 (RFC 6531 section 3.7.4). Where not, each
    ///   octet over 127 is a `?`.
    public func encoded(utf8: Bool = false) -> [UInt8] {
        var octets: [UInt8] = []
        octets.reserveCapacity(self.longestEncoding)
        self.encode(utf8: utf8) { part in
            for index in 0..<part.count { octets.append(part[index]) }
        }
        return octets
    }

    /// How many octets ``encoded(utf8:)`` makes at most.
    public var longestEncoding: Int {
        let octets = self.text.utf8Span.span
        var lines = 1
        for index in 0..<octets.count where octets[index] == lineFeed { lines += 1 }
        // (A cut falls between characters, of four octets at most.)
        let cuts = octets.count / (Self.longestLine - InlinePrefix.longest - 2 - 3)
        return octets.count + (lines + cuts) * (InlinePrefix.longest + 2)
    }

    /// Passes the wire's form on in parts, in order, without the heap: see ``encoded(utf8:)``.
    ///
    /// A line that would be longer than ``longestLine`` goes on in the next.
    public func encode(utf8: Bool = false, _ write: (Span<UInt8>) -> Void) {
        var prefix = InlinePrefix(self.replyCode, self.enhancedStatusCode)
        let lineEnd: [2 of UInt8] = [carriageReturn, lineFeed]
        let span = self.text.utf8Span
        let octets = span.span
        let passesAll = utf8 || span.isKnownASCII
        var start = 0
        while true {
            var end = start
            let room = start + Self.longestLine - 2 - prefix.count
            while end < octets.count, octets[end] != lineFeed, end < room { end += 1 }
            let isCut = end < octets.count && octets[end] != lineFeed
            if isCut { while end > start, octets[end] & 0xC0 == 0x80 { end -= 1 } }
            prefix.octets[prefix.separator] = end < octets.count ? UInt8(ascii: "-") : UInt8(ascii: " ")
            write(prefix.octets.span.extracting(0..<prefix.count))
            if passesAll {
                write(octets.extracting(start..<end))
            } else {
                Self.encodeASCII(octets.extracting(start..<end), write)
            }
            write(lineEnd.span)
            guard end < octets.count else { return }
            start = isCut ? end : end + 1
        }
    }

    private static func encodeASCII(_ text: Span<UInt8>, _ write: (Span<UInt8>) -> Void) {
        let mark: [1 of UInt8] = [UInt8(ascii: "?")]
        var start = 0
        for index in 0..<text.count where text[index] >= 0x80 {
            write(text.extracting(start..<index))
            write(mark.span)
            start = index + 1
        }
        write(text.extracting(start..<text.count))
    }
}

/// What stands in front of a line's text: `250-2.1.5 `.
private struct InlinePrefix {
    /// A code of at most five digits (whoever made it), a separator, and an enhanced status code of at most 3, 5 and 5.
    var octets = [22 of UInt8](repeating: 0)
    var count = 0
    var separator = 0
    static let longest = 22

    init(_ replyCode: UInt16, _ code: EnhancedStatusCode?) {
        self.append(replyCode)
        self.separator = self.count
        self.append(octet: UInt8(ascii: " "))
        guard let code else { return }
        self.append(UInt16(code.codeClass))
        self.append(octet: dot)
        self.append(code.subject)
        self.append(octet: dot)
        self.append(code.detail)
        self.append(octet: UInt8(ascii: " "))
    }

    private mutating func append(octet: UInt8) {
        self.octets[self.count] = octet
        self.count += 1
    }

    private mutating func append(_ number: UInt16) {
        var divisor: UInt16 = 1
        while number / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            self.append(octet: UInt8(truncatingIfNeeded: number / divisor % 10) + UInt8(ascii: "0"))
            divisor /= 10
        }
    }
}
