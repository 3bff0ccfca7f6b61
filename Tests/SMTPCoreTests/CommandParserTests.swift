import SMTPCore
import Testing

/// Parses a line given as text, or as octets.
private func parse(_ line: String) -> Result<SMTPCommand, CommandSyntaxError> {
    parse(Array(line.utf8))
}

private func parse(_ octets: [UInt8]) -> Result<SMTPCommand, CommandSyntaxError> {
    Result { () throws(CommandSyntaxError) in try CommandParser.parse(octets.span) }
}

private func mailbox(_ localPart: String, _ domain: String) -> Mailbox {
    Mailbox(localPart: localPart, domain: domain)
}

@Suite struct CommandParserTests {
    @Test(
        "Commands are read whatever the case of their verb",
        arguments: [
            ("HELO example.net", SMTPCommand.helo("example.net")),
            ("ehlo [192.0.2.1]", .ehlo("[192.0.2.1]")),
            ("EHLO  example.net ", .ehlo("example.net")),
            ("data", .data), ("Rset", .rset), ("RSET now", .rset), ("NOOP whatever", .noop), ("QUIT", .quit),
            ("VRFY user", .vrfy), ("HELP", .help), ("HELP MAIL", .help),
            ("EXPN list", .unimplemented), ("ETRN x", .unimplemented), ("STARTTLS", .unimplemented),
            ("AUTH PLAIN", .unimplemented), ("XCLIENT ADDR=1.2.3.4", .unimplemented),
            ("BDAT 100 LAST", .bdat(size: 100, isLast: true)),
            ("MAIL FROM:<>", .mail(MailCommand(.null))),
            ("mail from:<a@b.example>", .mail(MailCommand(.mailbox(mailbox("a", "b.example"))))),
            ("MAIL FROM: <a@b.example>", .mail(MailCommand(.mailbox(mailbox("a", "b.example"))))),
            ("MAIL FROM:a@b.example", .mail(MailCommand(.mailbox(mailbox("a", "b.example"))))),
            (
                "MAIL FROM:<a@b.example> SIZE=1000 BODY=8BITMIME",
                .mail(MailCommand(.mailbox(mailbox("a", "b.example")), size: 1000, body: .eightBitMIME))
            ),
            ("MAIL FROM:<> body=7bit size=0", .mail(MailCommand(.null, size: 0, body: .sevenBit))),
            ("MAIL FROM:<> SIZE=99999999999999999999", .mail(MailCommand(.null, size: .max))),
            ("RCPT TO:<c@d.example>", .rcpt(RecipientCommand(.mailbox(mailbox("c", "d.example"))))),
            ("RCPT TO:<Postmaster>", .rcpt(RecipientCommand(.postmaster))),
            ("RCPT TO:<POSTMASTER>", .rcpt(RecipientCommand(.postmaster))),
            ("RCPT TO:postmaster", .rcpt(RecipientCommand(.postmaster))),
            ("RCPT TO:<postmaster@d.example>", .rcpt(RecipientCommand(.mailbox(mailbox("postmaster", "d.example"))))),
            (
                "RCPT TO:<@a.example,@b.example:c@d.example>",
                .rcpt(RecipientCommand(.mailbox(mailbox("c", "d.example"))))
            ),
            ("RCPT TO:<\"a@b\"@c.example>", .rcpt(RecipientCommand(.mailbox(mailbox("\"a@b\"", "c.example"))))),
            (#"RCPT TO:<"a\"b> c"@c.example>"#, .rcpt(RecipientCommand(.mailbox(mailbox(#""a\"b> c""#, "c.example"))))),
            ("RCPT TO:<\"\"@c.example>", .rcpt(RecipientCommand(.mailbox(mailbox("\"\"", "c.example"))))),
            ("RCPT TO:<a@[IPv6:2001:db8::1]>", .rcpt(RecipientCommand(.mailbox(mailbox("a", "[IPv6:2001:db8::1]"))))),
            ("RCPT TO:<A.b+c@D.Example>", .rcpt(RecipientCommand(.mailbox(mailbox("A.b+c", "D.Example"))))),
            ("RCPT TO:<a@d.example.>", .rcpt(RecipientCommand(.mailbox(mailbox("a", "d.example."))))),
            ("RCPT TO:<a%b!c@d.example>", .rcpt(RecipientCommand(.mailbox(mailbox("a%b!c", "d.example"))))),
        ])
    func commands(line: String, command: SMTPCommand) {
        #expect(parse(line) == .success(command))
    }

    @Test(
        "What is no command gets the reply that says why",
        arguments: [
            ("", SMTPReply.invalidCommand), (" NOOP", .invalidCommand), ("FOO", .invalidCommand),
            ("MAILFROM:<a@b>", .invalidCommand), ("NOOPS", .invalidCommand),
            ("HELO", .invalidArgument), ("EHLO a b", .invalidArgument), ("DATA now", .invalidArgument),
            ("MAIL", .invalidArgument), ("MAIL <a@b.example>", .invalidArgument), ("RCPT FROM:<a@b>", .invalidArgument),
            ("MAIL FROM:", .badReversePath), ("MAIL FROM:<a@b", .badReversePath),
            ("MAIL FROM:<a b@c>", .badReversePath),
            ("MAIL FROM:<a>", .badReversePath), ("MAIL FROM:<@b>", .badReversePath),
            ("MAIL FROM:<a@>", .badReversePath),
            ("MAIL FROM:<a@b>>", .badReversePath), ("MAIL FROM:<a@b>SIZE=1", .badReversePath),
            ("MAIL FROM:<a@b..c>", .badReversePath), ("MAIL FROM:<\"a@b.example>", .badReversePath),
            ("MAIL FROM:<@x:>", .badReversePath), ("MAIL FROM:<a@[]>", .badReversePath),
            ("RCPT TO:<>", .badForwardPath), ("RCPT TO:<user>", .badForwardPath),
            ("RCPT TO:<postmasters>", .badForwardPath), ("RCPT TO:<a@b>,<c@d>", .badForwardPath),
            ("MAIL FROM:<> SIZE=", .invalidArgument), ("MAIL FROM:<> SIZE=abc", .invalidArgument),
            ("MAIL FROM:<> SIZE=1 SIZE=1", .invalidArgument), ("MAIL FROM:<> SIZE=-1", .invalidArgument),
            ("MAIL FROM:<> SIZE=100000000000000000000", .invalidArgument),
            ("MAIL FROM:<> BODY=BINARYMIME", .invalidArgument), ("MAIL FROM:<> BODY", .invalidArgument),
            ("MAIL FROM:<> =1", .invalidArgument), ("MAIL FROM:<> A=b=c", .invalidArgument),
            ("MAIL FROM:<> RET=FULL", .unknownParameter), ("MAIL FROM:<> SMTPUTF8", .unknownParameter),
            ("RCPT TO:<a@b> NOTIFY=NEVER", .unknownParameter), ("MAIL FROM:<> AUTH=<>", .unknownParameter),
            ("NOOP \u{0}", .invalidCharacter), ("RCPT TO:<\u{e9}@b>", .invalidCharacter),
            ("NOOP\rNOOP", .invalidCharacter),
            ("MAIL FROM:<a\u{7f}@b>", .invalidCharacter),
        ])
    func refusals(line: String, reply: SMTPReply) {
        #expect(throws: CommandSyntaxError.self) { try parse(line).get() }
        if case .failure(let error) = parse(line) { #expect(error.reply == reply) }
    }

    @Test(
        "Another protocol's opening ends the session",
        arguments: [
            "GET / HTTP/1.1", "POST / HTTP/1.1", "CONNECT a:25 HTTP/1.1", "PRI * HTTP/2.0", "OPTIONS * HTTP/1.1",
        ])
    func foreignProtocol(line: String) {
        #expect(parse(line) == .failure(CommandSyntaxError.foreignProtocol))
    }

    @Test("A TLS ClientHello ends the session")
    func clientHello() {
        #expect(
            parse([0x16, 0x03, 0x01, 0x02, 0x00, 0x01])
                == .failure(CommandSyntaxError.foreignProtocol))
    }

    @Test("Local-part, domain and path have RFC 5321's limits")
    func lengths() {
        let local64 = String(repeating: "l", count: 64)
        let label = String(repeating: "d", count: 63)
        let domain255 = [label, label, label, String(repeating: "e", count: 63)].joined(separator: ".")
        #expect(domain255.utf8.count == 255)
        #expect(
            parse("RCPT TO:<\(local64)@d.example>")
                == .success(.rcpt(RecipientCommand(.mailbox(mailbox(local64, "d.example"))))))
        #expect(parse("RCPT TO:<l\(local64)@d.example>") == .failure(CommandSyntaxError.badForwardPath))
        #expect(parse("RCPT TO:<a@\(label)d>") == .failure(CommandSyntaxError.badForwardPath))
        // 64 + 1 + 255 is over the 256 octets of a path, its angle brackets included (RFC 5321 section 4.5.3.1.3).
        #expect(parse("RCPT TO:<\(local64)@\(domain255)>") == .failure(CommandSyntaxError.badForwardPath))
        let path256 = "<a@\(domain255.dropFirst(3))>"
        #expect(path256.utf8.count == 256)
        #expect((try? parse("RCPT TO:\(path256)").get()) != nil)
    }

    @Test("No line, however it is cut or spoilt, stops the parser")
    func garbage() {
        var generator = SplitMix(state: 25)
        let seeds = [
            "MAIL FROM:<@a,@b:\"x\\\"y\"@[IPv6:::1]> SIZE=10 BODY=8BITMIME", "RCPT TO:<postmaster>", "EHLO a.example",
            "DATA",
        ].map { Array($0.utf8) }
        for _ in 0..<20_000 {
            var line = seeds[Int(generator.next() % UInt64(seeds.count))]
            for _ in 0..<Int(generator.next() % 4) {
                guard !line.isEmpty else { break }
                let index = Int(generator.next() % UInt64(line.count))
                switch generator.next() % 3 {
                case 0: line[index] = UInt8(truncatingIfNeeded: generator.next())
                case 1: line.remove(at: index)
                default: line.insert(UInt8(truncatingIfNeeded: generator.next()), at: index)
                }
            }
            if case .success(.rcpt(let recipient)) = parse(line), case .mailbox(let mailbox) = recipient.forwardPath {
                #expect(mailbox.localPart.utf8.count <= 64 && mailbox.domain.utf8.count <= 255)
                #expect(mailbox.description.utf8.allSatisfy { (0x20..<0x7F).contains($0) })
            }
        }
    }
}

/// A small generator of its own seed: the same garbage in every run.
struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var value = self.state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
