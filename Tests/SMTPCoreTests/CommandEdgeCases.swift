import SMTPCore
import Testing

private func longestLine(_ octets: String) -> Int { CommandParser.longestLine(startingWith: Array(octets.utf8).span) }
private func isChunk(_ octets: String) -> Bool { CommandParser.isChunk(startingWith: Array(octets.utf8).span) }
private func isForeign(_ octets: [UInt8]) -> Bool { CommandParser.isForeignProtocol(startingWith: octets.span) }

@Suite struct CommandEdgeCases {
    @Test("6: The longest line that RFC 5321 and the extensions allow is read, parameters and all")
    func longestMail() throws {
        let path = "<\(String(repeating: "l", count: 64))@\(String(repeating: "d.", count: 93))ee>"
        let envelope = String(repeating: "+41", count: 100)
        let authorization = String(repeating: "x", count: 500)
        let mail =
            "MAIL FROM:\(path) SIZE=00000000000000000001 BODY=BINARYMIME SMTPUTF8 RET=FULL ENVID=\(envelope) AUTH=\(authorization)"
        #expect(mail.utf8.count > 1100 && mail.utf8.count + 2 <= CommandParser.longestLine)
        #expect((try? parse(mail).get()) != nil)
        let recipient =
            "RCPT TO:\(path) NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;\(String(repeating: "x", count: 493))"
        #expect((try? parse(recipient).get()) != nil)
    }

    @Test("6: A line over the limit is 500 5.5.2, one of the limit is not; AUTH has its own")
    func limits() {
        func noop(_ length: Int) -> [UInt8] { Array("NOOP ".utf8) + Array(repeating: 0x78, count: length - 7) }
        #expect(parse(noop(CommandParser.longestLine)) == .success(.noop))
        #expect(parse(noop(CommandParser.longestLine + 1)) == .failure(.lineTooLong))
        #expect(parse(noop(100_000)) == .failure(.lineTooLong))
        #expect("\(CommandSyntaxError.lineTooLong.reply)".hasPrefix("500 5.5.2 "))
        let longest = CommandParser.longestAuthLine - "AUTH PLAIN \r\n".utf8.count
        for (count, isRead) in [(longest / 4 * 4, true), (longest / 4 * 4 + 4, false)] {
            let line = Array("AUTH PLAIN ".utf8) + Array(repeating: 0x41, count: count)
            #expect(((try? parse(line).get()) != nil) == isRead)
            if !isRead { #expect(parse(line) == .failure(.lineTooLong)) }
        }
    }

    @Test(
        "6: The limit is known from the first five octets",
        arguments: [
            ("AUTH PLAIN", 12_288), ("auth\tx", 12_288), ("AUTH", 12_288), ("AUT", 2048), ("", 2048), ("AUTHX", 2048),
            ("MAIL FROM:<", 2048), ("BDAT 1", 2048),
        ])
    func limitOfABeginning(octets: String, limit: Int) {
        #expect(longestLine(octets) == limit)
    }

    @Test(
        "6, 43: A line that is over the limit or spoilt and was meant as BDAT ends the session, as its size is not known"
    )
    func spoiltChunks() {
        for line in ["BDAT", "bdat 1", "BDAT\t1", "BDAT\u{0}1", "BDAT=1"] { #expect(isChunk(line)) }
        for line in ["BDA", "", "BDATA 1", "BDAT1", "NOOP"] { #expect(!isChunk(line)) }
        let overlong = "BDAT 1" + String(repeating: " ", count: CommandParser.longestLine)
        for line in [
            overlong, "BDAT", "BDAT ", "BDAT x", "BDAT -1", "BDAT +1", "BDAT 1x", "BDAT 0x10", "BDAT 1,LAST",
            "BDAT LAST",
            "BDAT 1 LASTS", "BDAT 1 LAST LAST", "BDAT 1 2", "BDAT 9223372036854775808", "BDAT 18446744073709551616",
            "BDAT 99999999999999999999", "BDAT 100000000000000000000", "BDAT 000000000000000000001", "BDAT 1\u{0}",
            "BDAT 1 LAST\r", "BDAT\u{0}1", "BDAT=1", "BDAT \u{e9}",
        ] {
            #expect(parse(line) == .failure(.badChunkSize), "\(line.prefix(40))")
        }
        #expect(CommandSyntaxError.badChunkSize.endsSession)
        #expect("\(CommandSyntaxError.badChunkSize.reply)".hasPrefix("501 5.5.4 "))
    }

    @Test("9: No control character gets past any command, at any place")
    func controls() {
        let lines = [
            "NOOP x", "MAIL FROM:<\"a b\"@c> SIZE=1", "RCPT TO:<a@b> ORCPT=rfc822;a", "EHLO a", "RSET", "VRFY a",
            "AUTH PLAIN AAAA", "XCLIENT a",
        ]
        for line in lines.map({ Array($0.utf8) }) {
            for control in Array(0...0x1F) + [0x7F] as [UInt8] where control != 0x09 {
                for index in 0...line.count {
                    let spoilt = line[..<index] + [control] + line[index...]
                    #expect(parse(Array(spoilt)) == .failure(.invalidCharacter))
                }
            }
        }
        #expect("\(CommandSyntaxError.invalidCharacter.reply)".hasPrefix("500 5.5.2 "))
    }

    @Test("9: Nothing behind a NUL is lost")
    func nul() {
        #expect(parse("RCPT TO:<a@b>\u{0}") == .failure(.invalidCharacter))
        #expect(parse("RCPT TO:<a@b\u{0}.c>") == .failure(.invalidCharacter))
    }

    @Test(
        "9: Eight bits stand in MAIL, RCPT and VRFY alone, and there not in keywords and values of ASCII",
        arguments: [
            ("EHLO \u{e9}", CommandSyntaxError.invalidCharacter), ("N\u{d6}\u{d6}P", .invalidCharacter),
            ("\u{e9}", .invalidCharacter), ("QUIT \u{e9}", .invalidCharacter),
            ("AUTH PLAIN \u{e9}", .invalidCharacter), ("MAIL \u{e9}", .invalidArgument),
            ("MAIL FROM:<a@b> \u{e9}=1", .invalidArgument), ("MAIL FROM:<a@b> SIZE=\u{e9}", .invalidArgument),
            ("MAIL FROM:<a@b> ENVID=\u{e9}", .invalidArgument), ("MAIL FROM:<a@b> AUTH=\u{e9}", .invalidArgument),
            ("MAIL FROM:<a@b> SMTPUTF8=\u{e9}", .invalidArgument), ("MAIL FROM:<a@b>\u{e9}", .badReversePath),
            ("RCPT TO:<a@b> ORCPT=rfc822;\u{e9}", .invalidArgument), ("RCPT TO:<a@b> NOTIFY=\u{e9}", .invalidArgument),
            ("RCPT TO:<\"\\\u{e9}\"@b>", .badForwardPath),
        ])
    func eightBits(line: String, error: CommandSyntaxError) {
        #expect(parse(line) == .failure(error))
    }

    @Test(
        "10: What is tolerated",
        arguments: [
            ("noop", SMTPCommand.noop), ("NoOp   ", .noop), ("NOOP\t", .noop), ("QUIT now", .quit), ("RSET x y", .rset),
            ("EHLO\tx\t ", .ehlo("x")), ("EHLO   x", .ehlo("x")), ("HELO x..y_", .helo("x..y_")),
            ("MAIL FROM: <a@b>", mailCommand("a", "b")), ("MAIL FROM:\t<a@b>\t", mailCommand("a", "b")),
            ("MAIL\tfrom:<a@b>", mailCommand("a", "b")), ("MAIL FROM:a@b", mailCommand("a", "b")),
            ("MAIL FROM: a@b  SIZE=1", mailCommand("a", "b") { $0.size = 1 }),
            ("RCPT   To:   c@d", rcptCommand("c", "d")), ("rcpt to:<c@d> \t ", rcptCommand("c", "d")),
            ("MAIL FROM:<a@b> \t size=1\tBODY=7bit ", mailCommand("a", "b") { ($0.size, $0.body) = (1, .sevenBit) }),
            ("HELP", .help), ("DATA ", .data), ("bdat 5 last ", .bdat(size: 5, isLast: true)),
        ])
    func tolerated(line: String, command: SMTPCommand) {
        #expect(parse(line) == .success(command))
    }

    @Test(
        "10: What is not tolerated",
        arguments: [
            (" NOOP", CommandSyntaxError.invalidCommand), ("\tNOOP", .invalidCommand), ("", .invalidCommand),
            (" ", .invalidCommand), ("NOOPx", .invalidCommand), ("MAILFROM:<a@b>", .invalidCommand),
            ("MAIL FROM <a@b>", .invalidArgument), ("MAIL FROM :<a@b>", .invalidArgument),
            ("MAIL TO:<a@b>", .invalidArgument), ("RCPT <a@b>", .invalidArgument),
            ("MAIL FROM:< a@b>", .badReversePath),
            ("MAIL FROM:<a@b >", .badReversePath), ("MAIL FROM:<a@b", .badReversePath),
            ("MAIL FROM:a@b>", .badReversePath), ("MAIL FROM:< >", .badReversePath), ("MAIL FROM:", .badReversePath),
            ("MAIL FROM:<<a@b>>", .badReversePath), ("RCPT TO:Name <a@b>", .badForwardPath),
            ("RCPT TO:<a@b> <c@d>", .invalidArgument), ("DATA x", .invalidArgument), ("EHLO", .invalidArgument),
            ("EHLO x y", .invalidArgument), ("STARTTLS x", .invalidArgument),
        ])
    func notTolerated(line: String, error: CommandSyntaxError) {
        #expect(parse(line) == .failure(error))
    }

    @Test(
        "11: Another protocol's opening ends the session, with 521",
        arguments: [
            "GET / HTTP/1.1", "get /", "POST / HTTP/1.1", "HEAD / HTTP/1.0", "PUT /x", "DELETE /x", "PATCH /x",
            "TRACE / HTTP/1.1", "CONNECT a:25 HTTP/1.1", "OPTIONS * HTTP/1.1", "OPTIONS rtsp://a RTSP/1.0",
            "PRI * HTTP/2.0", "PROPFIND / HTTP/1.1", "DESCRIBE rtsp://a/b RTSP/1.0", "INVITE sip:a@b SIP/2.0",
            "REGISTER sip:a SIP/2.0", "SSH-2.0-OpenSSH_9.2", "SSH-1.99-x", "Host: mail.example:25",
            "Content-Length: 7", "Subject: no 354 was waited for", "from: a@b", "*1", "$4",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 25",
            "GET /\u{0} HTTP/1.1", "GET /\u{e9}", "GET / \(String(repeating: "x", count: 4000))",
        ])
    func foreignProtocols(line: String) {
        #expect(parse(line) == .failure(.foreignProtocol))
        #expect(isForeign(Array("\(line)\r\n".utf8)))
    }

    @Test(
        "11: Binary openings end the session, whether or not they have a line end",
        arguments: [
            [0x16, 0x03, 0x01, 0x02, 0x00, 0x01], [0x16, 0x03], [0x80, 0x2E, 0x01, 0x03, 0x01, 0x00],
            [0x80, 0x2E, 0x01, 0x00, 0x02, 0x00], [0x03, 0x00, 0x00, 0x13, 0x0E, 0xE0],
            [0x00, 0x00, 0x00, 0x54, 0xFF, 0x53, 0x4D, 0x42], [0x00, 0x00, 0x00, 0x54, 0xFE, 0x53, 0x4D, 0x42, 0x40],
        ] as [[UInt8]])
    func binaryProtocols(octets: [UInt8]) {
        #expect(isForeign(octets))
        #expect(parse(octets) == .failure(.foreignProtocol))
        #expect(isForeign(octets + [0x0A, 0x0D, 0x0A]))
    }

    @Test("11: The reply is 521 5.5.1 and the session ends")
    func foreignReply() {
        #expect("\(CommandSyntaxError.foreignProtocol.reply)".hasPrefix("521 5.5.1 "))
        #expect(CommandSyntaxError.foreignProtocol.endsSession)
    }

    @Test(
        "11: No command of SMTP's is taken for one of another protocol, nor the beginning of one",
        arguments: [
            "HELO x", "EHLO x", "MAIL FROM:<a@b>", "MAIL FROM: <a@b>", "RCPT TO:<a@b>", "DATA", "BDAT 1 LAST", "RSET",
            "NOOP",
            "VRFY x", "HELP", "QUIT", "STARTTLS", "AUTH PLAIN", "EXPN x", "XCLIENT NAME=x", "FOO", "GETX /", "\u{e9}",
            "",
            "SSH", ":", "MAIL:x", "COPY", "HOST", "\u{16}", "\u{16}\u{2}", "*", "**", "\u{0}",
        ])
    func notForeign(line: String) {
        let octets = Array("\(line)\r\n".utf8)
        for end in 0...octets.count { #expect(!isForeign(Array(octets[..<end])), "\(line)") }
        #expect(parse(line) != .failure(.foreignProtocol))
    }

    @Test("17: A verb that is known and not served is no unknown one")
    func unimplemented() {
        for verb in ["EXPN", "ETRN", "TURN", "ATRN", "SEND", "SOML", "SAML", "XCLIENT", "XFORWARD"] {
            #expect(parse("\(verb) x") == .success(.unimplemented))
        }
        #expect(parse("WIZ") == .failure(.invalidCommand))
        #expect("\(CommandSyntaxError.invalidCommand.reply)".hasPrefix("500 5.5.1 "))
    }

    @Test("17: STARTTLS with an argument is 501")
    func startTLSWithArgument() {
        #expect(parse("STARTTLS x") == .failure(.invalidArgument))
        #expect("\(CommandSyntaxError.invalidArgument.reply)".hasPrefix("501 5.5.4 "))
    }
}
