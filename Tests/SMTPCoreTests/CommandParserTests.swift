import SMTPCore
import Testing

/// Parses a line given as text, or as octets.
func parse(_ line: String) -> Result<SMTPCommand, CommandSyntaxError> {
    parse(Array(line.utf8))
}

func parse(_ octets: [UInt8]) -> Result<SMTPCommand, CommandSyntaxError> {
    Result { () throws(CommandSyntaxError) in try CommandParser.command(octets.span) }
}

func mailbox(_ localPart: String, _ domain: String) -> Mailbox {
    Mailbox(localPart: localPart, domain: domain)
}

/// MAIL with a mailbox and what `change` adds to it.
func mailCommand(_ localPart: String, _ domain: String, _ change: (inout MailCommand) -> Void = { _ in }) -> SMTPCommand
{
    var mail = MailCommand(.mailbox(mailbox(localPart, domain)))
    change(&mail)
    return .mail(mail)
}

/// RCPT with a mailbox and what `change` adds to it.
func rcptCommand(
    _ localPart: String, _ domain: String, _ change: (inout RecipientCommand) -> Void = { _ in }
) -> SMTPCommand {
    var recipient = RecipientCommand(.mailbox(mailbox(localPart, domain)))
    change(&recipient)
    return .rcpt(recipient)
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
            ("VRFY \u{e9}l\u{e8}ve SMTPUTF8", .vrfy), ("STARTTLS", .startTLS), ("starttls ", .startTLS),
            ("EXPN list", .unimplemented), ("ETRN x", .unimplemented), ("TURN", .unimplemented),
            ("ATRN a,b", .unimplemented), ("SEND FROM:<a@b>", .unimplemented), ("SOML", .unimplemented),
            ("SAML", .unimplemented), ("BURL x", .unimplemented), ("LHLO x", .unimplemented),
            ("XCLIENT ADDR=1.2.3.4", .unimplemented), ("xforward x", .unimplemented), ("XEXCH50 1 2", .unimplemented),
            ("BDAT 100 LAST", .bdat(size: 100, isLast: true)), ("bdat 0", .bdat(size: 0, isLast: false)),
            ("BDAT\t 7  last ", .bdat(size: 7, isLast: true)),
            ("BDAT 9223372036854775807", .bdat(size: 0x7FFF_FFFF_FFFF_FFFF, isLast: false)),
            ("BDAT 00000000000000000012", .bdat(size: 12, isLast: false)),
            ("AUTH PLAIN", .auth(AuthCommand(mechanism: "PLAIN"))),
            ("auth scram-sha-1 =", .auth(AuthCommand(mechanism: "SCRAM-SHA-1", initialResponse: "="))),
            ("AUTH PLAIN AHUAcA==", .auth(AuthCommand(mechanism: "PLAIN", initialResponse: "AHUAcA=="))),
            ("AUTH LOGIN dXNl", .auth(AuthCommand(mechanism: "LOGIN", initialResponse: "dXNl"))),
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
            ("MAIL FROM:<> BODY=9BIT", .invalidArgument), ("MAIL FROM:<> BODY", .invalidArgument),
            ("VRFY", .invalidArgument), ("VRFY ", .invalidArgument), ("STARTTLS now", .invalidArgument),
            ("AUTH", .invalidArgument), ("AUTH A/B", .invalidArgument), ("AUTH PLAIN AHUAcA== x", .invalidArgument),
            ("AUTH ABCDEFGHIJKLMNOPQRSTU", .invalidArgument), ("AUTH PLAIN AHUAcA=", .invalidBase64),
            ("AUTH PLAIN ====", .invalidBase64), ("AUTH PLAIN A=Bc", .invalidBase64), ("AUTH PLAIN *", .invalidBase64),
            ("EHLO \u{e9}.example", .invalidCharacter), ("HELO a\u{1}b", .invalidCharacter),
            ("EHLO \(String(repeating: "e", count: 256))", .invalidArgument),
            ("NOOP \u{e9}", .invalidCharacter), ("EXPN \u{e9}", .invalidCharacter),
            ("MAIL FROM:<> =1", .invalidArgument), ("MAIL FROM:<> A=b=c", .invalidArgument),
            ("MAIL FROM:<> FOO", .unknownParameter), ("RCPT TO:<a@b> SIZE=1", .unknownParameter),
            ("NOOP \u{0}", .invalidCharacter),
            ("NOOP\rNOOP", .invalidCharacter),
            ("MAIL FROM:<a\u{7f}@b>", .invalidCharacter),
        ])
    func refusals(line: String, reply: SMTPReply) {
        #expect(throws: CommandSyntaxError.self) { try parse(line).get() }
        if case .failure(let error) = parse(line) { #expect(error.reply == reply) }
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
                #expect(mailbox.description.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F })
                #expect(mailbox.isASCII == mailbox.description.utf8.allSatisfy { $0 < 0x80 })
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
