import SMTPCore

/// A line of the log that is being written: octets, most of which are copied as they are.
struct LogLine {
    private var octets: [UInt8] = []

    init() {
        self.octets.reserveCapacity(384)
    }

    var text: String { String(decoding: self.octets, as: UTF8.self) }

    /// Words of ours, or what is known to be one word.
    mutating func append(_ words: String) {
        self.octets.append(contentsOf: words.utf8)
    }

    /// Words, and a count behind them, which is not negative.
    mutating func append(_ words: String, _ count: some BinaryInteger) {
        self.append(words)
        let number = UInt64(clamping: count)
        var divisor: UInt64 = 1
        while number / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            self.octets.append(UInt8(ascii: "0") + UInt8(number / divisor % 10))
            divisor /= 10
        }
    }

    /// A path in its angle brackets, as ``TransactionLog/value(_:)`` has it.
    mutating func append(path: ReversePath) {
        let path = path.description
        guard Self.isPlain(path, allowsSpace: false) else { return self.append(TransactionLog.value("<\(path)>")) }
        self.append("<")
        self.append(path)
        self.append(">")
    }

    /// A reply, as ``TransactionLog/value(_:)`` has it.
    mutating func append(reply: SMTPReply) {
        guard Self.isPlain(reply.text, allowsSpace: true) else {
            return self.append(TransactionLog.value(reply.description))
        }
        // (There is a space in it always.)
        self.append("\"", reply.replyCode)
        if let code = reply.enhancedStatusCode {
            self.append(" ", code.codeClass)
            self.append(".", code.subject)
            self.append(".", code.detail)
        }
        self.append(" ")
        self.append(reply.text)
        self.append("\"")
    }

    /// Whether the text is ASCII without anything that ends a word or a value, or has to be escaped.
    private static func isPlain(_ text: String, allowsSpace: Bool) -> Bool {
        let least: UInt8 = allowsSpace ? 0x20 : 0x21
        let octets = text.utf8Span.span
        for index in 0..<octets.count {
            let octet = octets[index]
            if octet < least || octet >= 0x7F || octet == UInt8(ascii: "\"") || octet == UInt8(ascii: "\\") {
                return false
            }
        }
        return true
    }
}
