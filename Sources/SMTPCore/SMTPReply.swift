/// A reply: what a server answers to a command (RFC 5321 section 4.2).
///
/// It holds at least one line of text, and each line is printable ASCII, so that no reply can forge another one.
public struct SMTPReply: Hashable, Sendable {
    /// The three digits, 200 to 599.
    public var replyCode: UInt16
    /// The enhanced status code, written on every line (RFC 2034 section 4); nil where the wire has none.
    public var enhancedStatusCode: EnhancedStatusCode?
    /// The text of each line, without codes and line ends.
    public private(set) var lines: [String]

    /// Makes a reply of one line.
    ///
    /// Octets of `text` outside printable ASCII are written as `?`.
    public init(_ replyCode: UInt16, _ enhancedStatusCode: EnhancedStatusCode? = nil, _ text: String) {
        self.init(replyCode, enhancedStatusCode, lines: [text])
    }

    /// Makes a reply of one line or more; an empty array counts as one empty line.
    public init(_ replyCode: UInt16, _ enhancedStatusCode: EnhancedStatusCode? = nil, lines: [String]) {
        self.replyCode = replyCode
        self.enhancedStatusCode = enhancedStatusCode
        self.lines = lines.isEmpty ? [""] : lines.map(Self.sanitised)
    }
}

extension SMTPReply {
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

    private static func sanitised(_ text: String) -> String {
        if text.utf8.allSatisfy(isPrintable) { return text }
        return String(decoding: text.utf8.map { isPrintable($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
    }
}

extension SMTPReply: CustomStringConvertible {
    /// The lines as the wire has them, joined by ` / `: for logs and tests.
    public var description: String {
        let code = self.enhancedStatusCode.map { "\(self.replyCode) \($0)" } ?? "\(self.replyCode)"
        return self.lines.map { "\(code) \($0)" }.joined(separator: " / ")
    }
}
