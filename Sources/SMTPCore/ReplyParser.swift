/// Bounds on what a server may answer.
public struct ReplyLimits: Hashable, Sendable {
    /// The longest line, in octets without its line end; RFC 5321 section 4.5.3.1.5 allows 510, servers send more.
    public var lineLength = 2048
    /// The most lines in one reply.
    public var lines = 128

    /// The defaults.
    public init() {}
}

/// Why a line is no reply.
public enum ReplySyntaxError: UInt8, Error, Sendable {
    /// Longer than ``ReplyLimits/lineLength``.
    case lineTooLong
    /// More lines than ``ReplyLimits/lines``.
    case tooManyLines
    /// Three digits from 200 to 599 and then a space, a hyphen or nothing: the line has not got that.
    case notAReply
    /// A continuation line has another code than the first line (RFC 5321 section 4.2.1).
    case codesDiffer
}

/// Puts the lines of a reply together (RFC 5321 section 4.2).
///
///     S: 250-backend.example
///     S: 250-PIPELINING
///     S: 250 SIZE 1000000
///
/// Tolerant of a code without a space or a text behind it, of lines whose enhanced status codes differ (the first line's
/// counts, the others stay text), and of any octet in the text: UTF-8 is kept, control characters and what is not UTF-8
/// become `?`.
public struct ReplyParser: Sendable {
    private let limits: ReplyLimits
    private var replyCode: UInt16 = 0
    private var enhancedStatusCode: EnhancedStatusCode?
    private var lines = 0
    /// The text of the lines so far, an LF behind each; its memory is kept for the next reply.
    private var text: [UInt8] = []

    /// Makes a parser with nothing read.
    public init(limits: ReplyLimits = ReplyLimits()) {
        self.limits = limits
    }

    /// Takes one line, without its line end; returns the reply when the line was its last.
    ///
    /// After an error the stream cannot be trusted: close it.
    public mutating func receive(_ octets: Span<UInt8>) throws(ReplySyntaxError) -> SMTPReply? {
        guard octets.count <= self.limits.lineLength else { throw .lineTooLong }
        guard self.lines < self.limits.lines else { throw .tooManyLines }
        let line = try ReplyLine(octets)
        let isFirst = self.lines == 0
        guard isFirst || line.replyCode == self.replyCode else { throw .codesDiffer }
        let code = isFirst ? line.enhancedStatusCode : self.enhancedStatusCode
        let isCodeCommon = line.enhancedStatusCode == code
        let text = octets.extracting((isCodeCommon ? line.textBehindCode : line.text).offsets)
        if isFirst, line.isLast { return SMTPReply(line.replyCode, code, sanitised: Self.sanitised(text)) }

        self.replyCode = line.replyCode
        self.enhancedStatusCode = code
        self.lines += 1
        Self.append(text, to: &self.text)
        guard line.isLast else {
            self.text.append(lineFeed)
            return nil
        }
        let reply = SMTPReply(self.replyCode, code, sanitised: string(self.text.span))
        self.lines = 0
        // (One reply of the longest kind must not be remembered by its size for as long as the connection lasts.)
        self.text.removeAll(keepingCapacity: self.text.capacity <= 4096)
        return reply
    }

    private static func sanitised(_ text: Span<UInt8>) -> String {
        var isPlain = true
        for index in 0..<text.count { isPlain = isPlain && isPrintable(text[index]) }
        if isPlain { return string(text) }
        var octets: [UInt8] = []
        octets.reserveCapacity(text.count)
        Self.append(text, to: &octets)
        return string(octets.span)
    }

    /// Appends a line's text as UTF-8 without control characters.
    private static func append(_ text: Span<UInt8>, to octets: inout [UInt8]) {
        var isUTF8 = false
        if let _ = try? UTF8Span(validating: text) { isUTF8 = true }
        var index = 0
        while index < text.count {
            let octet = text[index]
            index += 1
            if isPrintable(octet) || (octet >= 0x80 && isUTF8) {
                // U+0080 to U+009F: two octets, one character, which terminals obey.
                if octet == 0xC2, text[index] < 0xA0 {
                    octets.append(UInt8(ascii: "?"))
                    index += 1
                } else {
                    octets.append(octet)
                }
            } else {
                octets.append(UInt8(ascii: "?"))
            }
        }
    }
}
