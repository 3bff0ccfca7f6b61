import SMTPCore
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

    @Test(
        "A path is written octet by octet as it is as a value",
        arguments: [
            "a", "", "\"x y\"", "a\\b", "ä", "a\u{202E}b", "a\u{7F}b", "a\tb", "a\"b",
            String(repeating: "l", count: 300),
        ])
    func path(localPart: String) {
        let path = ReversePath.mailbox(Mailbox(localPart: localPart, domain: "d.example"))
        var line = LogLine()
        line.append(path: path)
        #expect(line.text == TransactionLog.value("<\(path)>"))
    }

    @Test("So is the null reverse-path")
    func nullPath() {
        var line = LogLine()
        line.append(path: .null)
        #expect(line.text == "<>")
    }

    @Test(
        "A reply is written as it is as a value",
        arguments: [
            SMTPReply(250, .init(2, 0, 0), "OK queued"), SMTPReply(250, nil, "OK"), SMTPReply(250, nil, ""),
            SMTPReply(550, .init(5, 1, 1), "No \"such\" user"), SMTPReply(451, nil, "a\\b"),
            SMTPReply(250, nil, "grüße"), SMTPReply(250, .init(2, 0, 0), "a\u{2066}b"),
            SMTPReply(250, nil, "tab\there"),
        ])
    func reply(_ reply: SMTPReply) {
        var line = LogLine()
        line.append(reply: reply)
        #expect(line.text == TransactionLog.value(reply.description))
    }

    @Test("So is a reply of several lines")
    func replyOfLines() throws {
        var parser = ReplyParser()
        #expect(try parser.receive(Array("550-5.7.1 One".utf8).span) == nil)
        let reply = try #require(try parser.receive(Array("550 5.7.1 \"two\"".utf8).span))
        var line = LogLine()
        line.append(reply: reply)
        #expect(line.text == TransactionLog.value(reply.description))
    }
}
