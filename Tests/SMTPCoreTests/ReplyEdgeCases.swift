import SMTPCore
import Testing

private func receive(_ lines: [[UInt8]], limits: ReplyLimits = ReplyLimits()) throws(ReplySyntaxError) -> [SMTPReply] {
    var parser = ReplyParser(limits: limits)
    var replies: [SMTPReply] = []
    for line in lines { if let reply = try parser.receive(line.span) { replies.append(reply) } }
    return replies
}

private func receive(_ lines: [String]) throws(ReplySyntaxError) -> [SMTPReply] {
    try receive(lines.map { Array($0.utf8) })
}

@Suite struct ReplyEdgeCases {
    @Test("7: A line of the limit is read, one more octet is an error")
    func lineLength() throws {
        let longest = "250 " + String(repeating: "x", count: ReplyLimits().lineLength - 4)
        #expect(try receive([longest]).first?.lines == [String(longest.dropFirst(4))])
        #expect(throws: ReplySyntaxError.lineTooLong) { try receive([longest + "x"]) }
        var limits = ReplyLimits()
        limits.lineLength = .max
        #expect(throws: ReplySyntaxError.lineTooLong) {
            try receive([Array("250 ".utf8) + Array(repeating: 0x78, count: 70_000)], limits: limits)
        }
    }

    @Test("7: A reply without an end is an error at the limit of lines, and not before")
    func endless() throws {
        let most = ReplyLimits().lines
        let whole = Array(repeating: "250-x", count: most - 1) + ["250 x"]
        #expect(try receive(whole).first?.lines.count == most)
        #expect(throws: ReplySyntaxError.tooManyLines) { try receive(Array(repeating: "250-x", count: most + 1)) }
    }

    @Test(
        "7: Codes that differ are an error, and so is what has no code",
        arguments: [
            (["250-a", "550 b"], ReplySyntaxError.codesDiffer), (["250-a", "b"], .notAReply),
            (["250-a", ""], .notAReply),
            (["250-a", "25"], .notAReply), (["250-a", "250_b"], .notAReply), (["250\tx"], .notAReply),
            (["2\u{0}0 x"], .notAReply),
            (["-50 x"], .notAReply), (["+25 x"], .notAReply), (["150 x"], .notAReply), (["999 x"], .notAReply),
            ([" 250 x"], .notAReply),
        ])
    func errors(lines: [String], error: ReplySyntaxError) {
        #expect(throws: error) { try receive(lines) }
    }

    @Test("7: A code without a space, or without a text, is a reply")
    func withoutText() throws {
        #expect(
            try receive(["250", "250 ", "250-", "250"]) == [
                SMTPReply(250, nil, ""), SMTPReply(250, nil, ""), SMTPReply(250, nil, lines: ["", ""]),
            ])
    }

    @Test(
        "7: Control characters in the text become question marks, so that none forges a line",
        arguments: [
            ("250 a\rb", "a?b"), ("250 a\u{0}b", "a?b"), ("250 a\r", "a?"), ("250 a\nb", "a?b"), ("250 \t", "?"),
            ("250 a\u{7f}\u{1b}[2J", "a??[2J"), ("250 a\u{9b}b", "a?b"), ("250 a\u{85}", "a?"), ("250 ok", "ok"),
        ])
    func controls(line: String, text: String) throws {
        #expect(try receive([line]) == [SMTPReply(250, nil, text)])
        let lines = try receive(["250-x", line])
        #expect(lines == [SMTPReply(250, nil, lines: ["x", text])])
        #expect(lines.first?.lines.count == 2)
    }

    @Test("7, 72: UTF-8 is kept, and passed on only to who asked for it; what is no UTF-8 is not kept")
    func utf8() throws {
        let reply = try #require(try receive(["550 5.1.1 caf\u{e9} \u{4f8b}"]).first)
        #expect(reply.lines == ["caf\u{e9} \u{4f8b}"])
        #expect(reply.encoded(utf8: true) == Array("550 5.1.1 caf\u{e9} \u{4f8b}\r\n".utf8))
        #expect(reply.encoded() == Array("550 5.1.1 caf?? ???\r\n".utf8))
        #expect(try receive([Array("250 caf".utf8) + [0xE9, 0xC3]]) == [SMTPReply(250, nil, "caf??")])
        #expect(
            try receive([Array("250-".utf8) + [0xC3], [0x32, 0x35, 0x30, 0x20, 0xA9]]) == [
                SMTPReply(250, nil, lines: ["?", "?"])
            ])
    }

    @Test("7: Text of our own cannot forge a line either")
    func ownText() {
        let reply = SMTPReply(250, .init(2, 0, 0), lines: ["a\r\n550 b", "c\u{85}\u{0}"])
        #expect(reply.lines == ["a??550 b", "c??"])
        #expect(String(decoding: reply.encoded(), as: UTF8.self) == "250-2.0.0 a??550 b\r\n250 2.0.0 c??\r\n")
        #expect(SMTPReply(250, nil, lines: []).lines == [""] && SMTPReply(250, nil, "a\nb").lines == ["a?b"])
    }

    @Test("7: A line that would be over 512 octets goes on in the next, cut between characters")
    func longLines() throws {
        for (text, utf8) in [
            ("x", false), ("\u{e9}", true), ("\u{1F4E8}", true), ("a\u{4f8b}", true), ("\u{4f8b}", false),
        ] {
            for count in [
                1, 100, 122, 123, 124, 125, 126, 165, 166, 167, 249, 250, 251, 499, 500, 501, 502, 1000, 5000,
            ] {
                let long = String(repeating: text, count: count)
                let reply = SMTPReply(550, .init(5, 1, 1), lines: ["first", long, "last"])
                let wire = reply.encoded(utf8: utf8)
                #expect(wire.count <= reply.longestEncoding)
                let lines = wire.split(separator: 0x0A).map { Array($0) }
                #expect(lines.allSatisfy { $0.count + 1 <= 512 && $0.last == 0x0D })
                let texts = lines.map { String(decoding: $0.dropFirst(10).dropLast(), as: UTF8.self) }
                let expected = utf8 ? long : String(decoding: long.utf8.map { $0 < 0x80 ? $0 : 0x3F }, as: UTF8.self)
                #expect(texts.first == "first" && texts.last == "last")
                #expect(texts.dropFirst().dropLast().joined() == expected)
                for line in lines.dropLast() { #expect(line.starts(with: Array("550-5.1.1 ".utf8))) }
                #expect(lines.last?.starts(with: Array("550 5.1.1 ".utf8)) == true)
                // No line more than it takes.
                #expect(lines.count <= 3 + long.utf8.count / 497)
            }
        }
    }

    @Test("7: The wire's form reads back as the same reply")
    func roundTrip() throws {
        for reply in [
            SMTPReply.ok, .oneDestination, SMTPReply(250, nil, lines: ["a", "", "c"]), SMTPReply(354, nil, ""),
            SMTPReply(550, .init(5, 999, 999), lines: ["\u{e9}", "x"]), SMTPReply(599, .init(4, 0, 0), ""),
        ] {
            let wire = reply.encoded(utf8: true)
            #expect(wire.suffix(2) == [0x0D, 0x0A])
            let lines = wire.split(separator: 0x0A).map { Array($0.dropLast()) }
            #expect(try receive(lines) == [reply])
        }
    }

    @Test("69: Lines whose enhanced codes differ are kept as text, the first line's code counts")
    func enhancedCodes() throws {
        #expect(
            try receive(["250-2.1.0 a", "250-2.1.5 b", "250 c"]) == [
                SMTPReply(250, .init(2, 1, 0), lines: ["a", "2.1.5 b", "c"])
            ])
        #expect(try receive(["250-a", "250 2.1.5 b"]) == [SMTPReply(250, nil, lines: ["a", "2.1.5 b"])])
        #expect(try receive(["250 2.01.005 a"]) == [SMTPReply(250, .init(2, 1, 5), "a")])
        #expect(try receive(["550 5.1"]) == [SMTPReply(550, nil, "5.1")])
    }
}
