import SMTPCore
import Testing

private func parse(_ lines: [String], limits: ReplyLimits = ReplyLimits()) throws -> [SMTPReply] {
    var parser = ReplyParser(limits: limits)
    return try lines.compactMap { line throws(ReplySyntaxError) in try parser.receive(Array(line.utf8).span) }
}

@Suite struct ReplyParserTests {
    @Test(
        "Replies of one line are read",
        arguments: [
            ("250 OK", SMTPReply(250, nil, "OK")), ("250", SMTPReply(250, nil, "")), ("250 ", SMTPReply(250, nil, "")),
            ("250 2.1.5 Fine", SMTPReply(250, .init(2, 1, 5), "Fine")),
            ("550 5.1.1", SMTPReply(550, .init(5, 1, 1), "")),
            ("354 go", SMTPReply(354, nil, "go")), ("250 2.1 no code", SMTPReply(250, nil, "2.1 no code")),
            ("250 2.1.5x no code", SMTPReply(250, nil, "2.1.5x no code")),
            ("250 3.1.5 no code", SMTPReply(250, nil, "3.1.5 no code")),
            ("550 5.7.1234 no code", SMTPReply(550, nil, "5.7.1234 no code")),
            ("421 caf\u{e9}\u{7}", SMTPReply(421, nil, "caf\u{e9}?")),
        ])
    func oneLine(line: String, reply: SMTPReply) throws {
        #expect(try parse([line]) == [reply])
    }

    @Test("Replies of several lines are put together, and the next one starts anew")
    func lines() throws {
        let replies = try parse([
            "250-a", "250-b", "250 c", "550-5.1.1 one", "550-5.1.1 two", "550 5.1.2 three", "221 bye",
        ])
        #expect(
            replies == [
                SMTPReply(250, nil, lines: ["a", "b", "c"]),
                SMTPReply(550, .init(5, 1, 1), lines: ["one", "two", "5.1.2 three"]),
                SMTPReply(221, nil, "bye"),
            ])
    }

    @Test(
        "What is no reply is an error",
        arguments: [
            (["25"], ReplySyntaxError.notAReply), ([""], .notAReply), (["2500 OK"], .notAReply), (["abc"], .notAReply),
            (["199 x"], .notAReply), (["600 x"], .notAReply), (["250_x"], .notAReply),
            (["250-a", "251 b"], .codesDiffer),
            (["250 " + String(repeating: "x", count: 2045)], .lineTooLong),
            (Array(repeating: "250-x", count: 129), .tooManyLines),
        ])
    func errors(lines: [String], error: ReplySyntaxError) {
        #expect(throws: error) { try parse(lines) }
    }

    @Test("A reply without an enhanced code gets one of its class, but for 3yz")
    func enhancedCodes() {
        #expect(SMTPReply(250, nil, "x").withEnhancedStatusCode() == SMTPReply(250, .init(2, 0, 0), "x"))
        #expect(SMTPReply(550, .init(5, 1, 1), "x").withEnhancedStatusCode() == SMTPReply(550, .init(5, 1, 1), "x"))
        #expect(SMTPReply(450, .init(5, 1, 1), "x").withEnhancedStatusCode() == SMTPReply(450, .init(4, 0, 0), "x"))
        #expect(SMTPReply(354, nil, "x").withEnhancedStatusCode() == SMTPReply(354, nil, "x"))
    }

    @Test("No text can hold a line end")
    func sanitised() {
        #expect(SMTPReply(250, nil, "a\r\n250 b\u{0}").lines == ["a??250 b?"])
    }
}
