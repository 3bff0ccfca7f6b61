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
public struct ReplyParser: Sendable {
    private let limits: ReplyLimits
    private var replyCode: UInt16 = 0
    private var enhancedStatusCode: EnhancedStatusCode?
    private var lines: [String] = []

    /// Makes a parser with nothing read.
    public init(limits: ReplyLimits = ReplyLimits()) {
        self.limits = limits
    }

    /// Takes one line, without its line end; returns the reply when the line was its last.
    ///
    /// After an error the stream cannot be trusted: close it.
    public mutating func receive(_ line: Span<UInt8>) throws(ReplySyntaxError) -> SMTPReply? {
        guard line.count <= self.limits.lineLength else { throw .lineTooLong }
        guard self.lines.count < self.limits.lines else { throw .tooManyLines }
        guard line.count >= 3, isDigit(line[0]), isDigit(line[1]), isDigit(line[2]) else { throw .notAReply }
        var code: UInt16 = 0
        for index in 0..<3 { code = code * 10 + UInt16(line[index] - UInt8(ascii: "0")) }
        guard (200...599).contains(code) else { throw .notAReply }
        let isLast = line.count == 3 || line[3] == UInt8(ascii: " ")
        guard isLast || line[3] == UInt8(ascii: "-") else { throw .notAReply }
        guard self.lines.isEmpty || code == self.replyCode else { throw .codesDiffer }

        var text = line.extracting(min(4, line.count)..<line.count)
        if let (enhanced, length) = EnhancedStatusCode.leading(text) {
            if self.lines.isEmpty { self.enhancedStatusCode = enhanced }
            if self.enhancedStatusCode == enhanced { text = text.extracting(length..<text.count) }
        }
        self.replyCode = code
        self.lines.append(Self.printable(text))
        guard isLast else { return nil }
        defer {
            self.lines = []
            self.enhancedStatusCode = nil
        }
        return SMTPReply(self.replyCode, self.enhancedStatusCode, lines: self.lines)
    }

    private static func printable(_ text: Span<UInt8>) -> String {
        for index in 0..<text.count where !isPrintable(text[index]) {
            var octets: [UInt8] = []
            octets.reserveCapacity(text.count)
            for index in 0..<text.count { octets.append(isPrintable(text[index]) ? text[index] : UInt8(ascii: "?")) }
            return String(decoding: octets, as: UTF8.self)
        }
        return string(text)
    }
}
