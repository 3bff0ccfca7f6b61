/// One line of a reply: its codes, and where its text stands. A trivial value, made without the heap.
public struct ReplyLine: Hashable, Sendable, BitwiseCopyable {
    /// The three digits, 200 to 599.
    public let replyCode: UInt16
    /// Whether the reply ends here: no hyphen behind the code.
    public let isLast: Bool
    /// The enhanced status code that the text begins with.
    public let enhancedStatusCode: EnhancedStatusCode?
    /// All that stands behind the separator, the enhanced status code included.
    public let text: LineRange
    /// What stands behind the enhanced status code; the same as ``text`` where there is none.
    public let textBehindCode: LineRange

    /// Reads one line, without its line end.
    ///
    /// - Throws: ``ReplySyntaxError/notAReply``, ``ReplySyntaxError/lineTooLong`` past 65,535 octets.
    public init(_ line: Span<UInt8>) throws(ReplySyntaxError) {
        guard line.count <= LineRange.longestLine else { throw .lineTooLong }
        guard line.count >= 3, isDigit(line[0]), isDigit(line[1]), isDigit(line[2]) else { throw .notAReply }
        var code: UInt16 = 0
        for index in 0..<3 { code = code * 10 + UInt16(line[index] - UInt8(ascii: "0")) }
        guard (200...599).contains(code) else { throw .notAReply }
        let isLast = line.count == 3 || line[3] == UInt8(ascii: " ")
        guard isLast || line[3] == UInt8(ascii: "-") else { throw .notAReply }
        let start = min(4, line.count)
        let leading = EnhancedStatusCode.leading(line.extracting(start..<line.count))
        self.replyCode = code
        self.isLast = isLast
        self.enhancedStatusCode = leading?.code
        self.text = LineRange(start, line.count)
        self.textBehindCode = LineRange(start + (leading?.length ?? 0), line.count)
    }
}
