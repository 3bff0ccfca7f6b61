/// An enhanced mail system status code, such as `5.7.1` (RFC 3463, RFC 2034).
public struct EnhancedStatusCode: Hashable, Sendable, BitwiseCopyable {
    /// The class: 2 success, 4 persistent transient failure, 5 permanent failure.
    public var codeClass: UInt8
    /// The subject, 0 to 999.
    public var subject: UInt16
    /// The detail, 0 to 999.
    public var detail: UInt16

    /// Makes a code of its three parts.
    public init(_ codeClass: UInt8, _ subject: UInt16, _ detail: UInt16) {
        self.codeClass = codeClass
        self.subject = subject
        self.detail = detail
    }
}

extension EnhancedStatusCode: CustomStringConvertible {
    /// The code as the wire has it.
    public var description: String { "\(self.codeClass).\(self.subject).\(self.detail)" }
}

extension EnhancedStatusCode {
    /// The code that opens a reply's text, and how many octets it and the space behind it take; nil where there is none.
    static func leading(_ text: Span<UInt8>) -> (code: EnhancedStatusCode, length: Int)? {
        guard text.count >= 5, text[1] == UInt8(ascii: ".") else { return nil }
        let codeClass = text[0]
        guard codeClass == UInt8(ascii: "2") || codeClass == UInt8(ascii: "4") || codeClass == UInt8(ascii: "5") else {
            return nil
        }
        var cursor = 2
        guard let subject = number(in: text, at: &cursor), cursor < text.count, text[cursor] == UInt8(ascii: ".") else {
            return nil
        }
        cursor += 1
        guard let detail = number(in: text, at: &cursor) else { return nil }
        if cursor < text.count {
            guard text[cursor] == UInt8(ascii: " ") else { return nil }
            cursor += 1
        }
        return (EnhancedStatusCode(codeClass - UInt8(ascii: "0"), subject, detail), cursor)
    }

    private static func number(in text: Span<UInt8>, at cursor: inout Int) -> UInt16? {
        var value: UInt16 = 0
        var digits = 0
        while cursor < text.count, digits < 3, isDigit(text[cursor]) {
            value = value * 10 + UInt16(text[cursor] - UInt8(ascii: "0"))
            digits += 1
            cursor += 1
        }
        return digits > 0 ? value : nil
    }
}
