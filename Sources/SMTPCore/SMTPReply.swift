/// A reply: what a server answers to a command (RFC 5321 section 4.2).
///
/// It holds at least one line of text, and no line holds a control character, so that no reply can forge another one.
public struct SMTPReply: Sendable {
    /// The three digits, 200 to 599.
    public var replyCode: UInt16
    /// The enhanced status code, written on every line (RFC 2034 section 4); nil where the wire has none.
    public var enhancedStatusCode: EnhancedStatusCode?
    /// The lines' text, without codes, with an LF between two and no other control character: one text, so that a reply is one
    /// allocation or none.
    public let text: String

    /// Makes a reply of one line.
    ///
    /// Control characters of `text` are written as `?`. What is not ASCII stays: whether it may go on the wire is known
    /// where the reply is encoded (RFC 6531 section 3.7.4).
    public init(_ replyCode: UInt16, _ enhancedStatusCode: EnhancedStatusCode? = nil, _ text: String) {
        self.init(replyCode, enhancedStatusCode, sanitised: Self.sanitised(text))
    }

    /// Makes a reply of one line or more; an empty array counts as one empty line.
    public init(_ replyCode: UInt16, _ enhancedStatusCode: EnhancedStatusCode? = nil, lines: [String]) {
        guard lines.count > 1 else {
            self.init(replyCode, enhancedStatusCode, lines.first ?? "")
            return
        }
        var text = ""
        text.reserveCapacity(lines.reduce(lines.count) { $0 + $1.utf8.count })
        for (index, line) in lines.enumerated() {
            if index > 0 { text += "\n" }
            text += Self.sanitised(line)
        }
        self.init(replyCode, enhancedStatusCode, sanitised: text)
    }

    /// Makes a reply of lines that hold no control character, with an LF between two.
    init(_ replyCode: UInt16, _ enhancedStatusCode: EnhancedStatusCode?, sanitised text: String) {
        self.replyCode = replyCode
        self.enhancedStatusCode = enhancedStatusCode
        self.text = text
    }
}

extension SMTPReply {
    /// The text of each line, without codes and line ends. Makes an array each time.
    public var lines: [String] {
        self.text.utf8.split(separator: lineFeed, omittingEmptySubsequences: false).map { String(Substring($0)) }
    }

    /// The first digit: 2, 3, 4 or 5 (RFC 5321 section 4.2.1).
    public var replyClass: UInt16 { self.replyCode / 100 }

    /// Whether the command succeeded: 2yz.
    public var isPositiveCompletion: Bool { self.replyClass == 2 }

    /// Whether more input is asked for: 3yz.
    public var isPositiveIntermediate: Bool { self.replyClass == 3 }

    /// Whether the client should try again later: 4yz.
    public var isTransientNegative: Bool { self.replyClass == 4 }

    /// Whether the client must not try again: 5yz.
    public var isPermanentNegative: Bool { self.replyClass == 5 }

    /// The same reply with an enhanced status code of its class where it had none, or one of another class.
    ///
    /// Replies in the 3yz class have none (RFC 2034 section 4).
    public func withEnhancedStatusCode() -> SMTPReply {
        guard !self.isPositiveIntermediate else { return self }
        let codeClass = UInt8(truncatingIfNeeded: self.replyClass)
        if self.enhancedStatusCode?.codeClass == codeClass { return self }
        var reply = self
        reply.enhancedStatusCode = EnhancedStatusCode(codeClass, 0, 0)
        return reply
    }

    /// The text with a `?` for each control character: those of ASCII, and U+0080 to U+009F, which terminals obey too.
    private static func sanitised(_ text: String) -> String {
        if !text.utf8.contains(where: { $0 < 0x20 || $0 >= 0x7F }) { return text }
        var scalars = String.UnicodeScalarView()
        scalars.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars {
            let isControl = scalar.value < 0x20 || (0x7F..<0xA0).contains(scalar.value)
            scalars.append(isControl ? "?" : scalar)
        }
        return String(scalars)
    }
}

extension SMTPReply: Hashable {
    /// Whether both are the same, octet by octet.
    public static func == (left: SMTPReply, right: SMTPReply) -> Bool {
        left.replyCode == right.replyCode && left.enhancedStatusCode == right.enhancedStatusCode
            && sameOctets(left.text, right.text)
    }

    /// Feeds the octets, since equality goes by them.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(self.replyCode)
        hasher.combine(self.enhancedStatusCode)
        hasher.combineOctets(of: self.text)
    }
}

extension SMTPReply: CustomStringConvertible {
    /// The lines as the wire has them, joined by ` / `: for logs and tests.
    public var description: String {
        let code = self.enhancedStatusCode.map { "\(self.replyCode) \($0)" } ?? "\(self.replyCode)"
        guard self.text.utf8.contains(lineFeed) else { return "\(code) \(self.text)" }
        return self.lines.map { "\(code) \($0)" }.joined(separator: " / ")
    }
}
