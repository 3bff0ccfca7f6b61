import Testing

@testable import Relay

@Suite struct TransactionLogTests {
    @Test(
        "A stranger's value cannot add a key to a line",
        arguments: [
            ("<a@b.example>", "<a@b.example>"), ("<>", "<>"), ("250 2.0.0 OK", #""250 2.0.0 OK""#),
            (#"<"x> reply=250"@d.example>"#, #""<\"x> reply=250\"@d.example>""#), (#"a\b"#, #""a\\b""#), ("", ""),
            ("<ä@b.example>", "<ä@b.example>"), ("<a\u{202E}b\u{2066}@c.example>", "<a?b?@c.example>"),
            ("a\u{2028}b\u{200B}", "a?b?"),
        ])
    func quoted(value: String, text: String) {
        #expect(TransactionLog.value(value) == text)
    }
}
