import BrokerCore
import Testing

@Suite struct TextTests {
    @Test("What does not fit into a text is left out, and remembered")
    func truncation() {
        var text = TextBuffer<4>()
        text.append("abcd")
        #expect(!text.isTruncated)
        text.append("e")
        #expect(text.isTruncated)
        #expect(text.string == "abcd")
    }

    @Test("Numbers are written in decimal", arguments: [0, 1, 9, 10, 65535, -7, Int.max, Int.min])
    func decimal(number: Int) {
        var text = TextBuffer<32>()
        text.append(decimal: number)
        #expect(text.string == "\(number)")
    }

    @Test("What is quoted cannot move a terminal's cursor")
    func quoted() {
        let bytes = Array("a\u{1B}[2J\n\u{E9}".utf8)
        var text = TextBuffer<32>()
        text.append(quoted: bytes.span, TextRange(0, bytes.count))
        #expect(text.string == "\"a?[2J???\"")
    }

    @Test(
        "A decimal number has no sign, no leading zero, no other byte, and a limit",
        arguments: [
            ("0", 0), ("25", 25), ("18446744073709551615", UInt64.max), ("18446744073709551616", nil), ("", nil),
            ("007", nil), ("+1", nil), ("-1", nil), ("1 ", nil), ("1a", nil), ("0x10", nil),
        ] as [(String, UInt64?)])
    func parseDecimal(text: String, expected: UInt64?) {
        let bytes = Array(text.utf8)
        let found = bytes.span.decimal(at: TextRange(0, bytes.count), upTo: .max)
        #expect(found == expected)
        #expect(Array("26".utf8).span.decimal(at: TextRange(0, 2), upTo: 25) == nil)
    }
}
