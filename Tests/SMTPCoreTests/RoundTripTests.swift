import SMTPCore
import Testing

/// Makes commands of the grammar, every part of it at random, from a seed.
private struct CommandGenerator {
    var random: SplitMix

    mutating func below(_ bound: Int) -> Int { Int(self.random.next() % UInt64(bound)) }

    mutating func text(_ alphabet: [Character], _ lengths: ClosedRange<Int>) -> String {
        let length = lengths.lowerBound + self.below(lengths.count)
        return String((0..<length).map { _ in alphabet[self.below(alphabet.count)] })
    }

    mutating func localPart() -> String {
        if self.below(3) > 0 { return self.text(Array("abcXYZ019!#$%&'*+-/=?^_`{|}~.\u{e9}\u{4f8b}"), 1...16) }
        var text = ""
        for _ in 0..<self.below(12) {
            let octet = Character(UnicodeScalar(UInt8(0x20 + self.below(0x5F))))
            text += octet == "\"" || octet == "\\" || self.below(5) == 0 ? "\\\(octet)" : "\(octet)"
        }
        return "\"\(text)\""
    }

    mutating func domain() -> String {
        switch self.below(6) {
        case 0: return "[\(self.below(256)).\(self.below(256)).\(self.below(256)).\(self.below(256))]"
        case 1: return "[IPv6:\(String(self.below(65536), radix: 16))::\(String(self.below(65536), radix: 16))]"
        case 2: return "[x-tag:\(self.text(Array("abc:;,.@<>\""), 1...8))]"
        default:
            let labels = (0...self.below(4)).map { _ in self.text(Array("abcXYZ019-_\u{e9}\u{4f8b}"), 1...12) }
            return labels.joined(separator: ".") + (self.below(8) == 0 ? "." : "")
        }
    }

    mutating func xtext(_ lengths: ClosedRange<Int>) -> String {
        let octets = Array(self.text((0x20..<0x7F).map { Character(UnicodeScalar(UInt8($0))) }, lengths).utf8)
        return XText.encode(octets.span)
    }

    mutating func mailbox() -> Mailbox { Mailbox(localPart: self.localPart(), domain: self.domain()) }

    mutating func mail() -> MailCommand {
        var mail = MailCommand(self.below(8) == 0 ? .null : .mailbox(self.mailbox()))
        if self.below(2) == 0 { mail.size = self.random.next() >> UInt64(self.below(64)) }
        if self.below(2) == 0 { mail.body = [.sevenBit, .eightBitMIME, .binaryMIME][self.below(3)] }
        mail.usesSMTPUTF8 = self.below(2) == 0
        if self.below(3) == 0 { mail.returnContent = self.below(2) == 0 ? .full : .headers }
        if self.below(3) == 0 { mail.envelopeID = self.xtext(1...100) }
        if self.below(3) == 0 { mail.authorization = self.below(2) == 0 ? "<>" : self.xtext(1...160) }
        return mail
    }

    mutating func recipient() -> RecipientCommand {
        var recipient = RecipientCommand(self.below(8) == 0 ? .postmaster : .mailbox(self.mailbox()))
        if self.below(2) == 0 { recipient.notify = .init(rawValue: UInt8(self.below(8))) }
        switch self.below(4) {
        case 0: recipient.originalRecipient = "rfc822;\(self.xtext(0...160))"
        case 1: recipient.originalRecipient = "utf-8;\(self.text(Array("ab@.\u{e9}\u{4f8b}"), 1...20))\\x{5C}"
        default: break
        }
        return recipient
    }
}

@Suite struct RoundTripTests {
    @Test("What is encoded reads back as the same: 100,000 commands, every part of the grammar at random")
    func commands() throws {
        var generator = CommandGenerator(random: SplitMix(state: 5321))
        for _ in 0..<50_000 {
            let mail = generator.mail()
            try self.check(ClientCommand.mail(mail), .mail(mail))
            let recipient = generator.recipient()
            try self.check(ClientCommand.rcpt(recipient), .rcpt(recipient))
        }
    }

    private func check(_ command: ClientCommand, _ expected: SMTPCommand) throws {
        let line = Array(command.line.utf8)
        guard line.suffix(2) == [0x0D, 0x0A], line.dropLast(2).allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
            Issue.record("a control character in \(command.line)")
            return
        }
        let parsed = parse(Array(line.dropLast(2)))
        guard parsed == .success(expected) else {
            Issue.record("\(command.line) -> \(parsed)")
            return
        }
        // (Strings are compared by canonical equivalence: the octets have to be the same as well.)
        switch try parsed.get() {
        case .mail(let mail): if Array(ClientCommand.mail(mail).line.utf8) != line { Issue.record("\(command.line)") }
        case .rcpt(let recipient):
            if Array(ClientCommand.rcpt(recipient).line.utf8) != line { Issue.record("\(command.line)") }
        default: Issue.record("\(command.line)")
        }
    }

    @Test("A value that was not parsed cannot end a line either")
    func forgedValues() {
        var mail = MailCommand(.mailbox(Mailbox(localPart: "a\r\nRSET\r\n", domain: "b\u{0}\u{7f}")))
        mail.envelopeID = "x\r\nQUIT"
        #expect(ClientCommand.mail(mail).line == "MAIL FROM:<a??RSET??@b??> ENVID=x??QUIT\r\n")
        #expect(ClientCommand.ehlo("x\nQUIT").line == "EHLO x?QUIT\r\n")
        var recipient = RecipientCommand(.postmaster)
        recipient.originalRecipient = "rfc822;\r\nDATA"
        #expect(ClientCommand.rcpt(recipient).line == "RCPT TO:<Postmaster> ORCPT=rfc822;??DATA\r\n")
    }

    @Test("The ranges of a command lie within its line, wherever the line stands in memory")
    func ranges() throws {
        let line = Array("RCPT TO:<@x:\"a@b\"@c.example> NOTIFY=NEVER ORCPT=rfc822;a ".utf8)
        let around =
            [UInt8](repeating: UInt8(ascii: "x"), count: 7) + line + [UInt8](repeating: UInt8(ascii: ">"), count: 7)
        let part = around.span.extracting(7..<7 + line.count)
        let syntax = try CommandParser.parse(part)
        #expect(try CommandParser.parse(line.span) == syntax)
        guard case .rcpt(let recipient) = syntax else { throw CommandSyntaxError.invalidCommand }
        #expect(line[recipient.forwardPath.mailbox.offsets].elementsEqual(Array("\"a@b\"@c.example".utf8)))
        #expect(line[Int(recipient.forwardPath.at)] == UInt8(ascii: "@") && recipient.forwardPath.isASCII)
        #expect(
            SMTPCommand(syntax, in: part)
                == rcptCommand("\"a@b\"", "c.example") { ($0.notify, $0.originalRecipient) = ([], "rfc822;a") })
    }
}
