import SMTPCore
import Testing

private func mail(_ parameters: String) -> Result<SMTPCommand, CommandSyntaxError> {
    parse("MAIL FROM:<a@b> \(parameters)")
}

private func recipient(_ parameters: String) -> Result<SMTPCommand, CommandSyntaxError> {
    parse("RCPT TO:<a@b> \(parameters)")
}

private func encode(_ octets: [UInt8]) -> String { XText.encode(octets.span) }
private func decode(_ text: String) -> [UInt8]? { XText.decode(Array(text.utf8).span) }

@Suite struct ParameterEdgeCases {
    @Test("32, 33: Every parameter of MAIL is read")
    func mailParameters() {
        let line = "SIZE=12 BODY=BINARYMIME SMTPUTF8 RET=HDRS ENVID=QQ+2B314159 AUTH=e+3Dmc2@example.com"
        let command = mailCommand("a", "b") {
            ($0.size, $0.body, $0.usesSMTPUTF8, $0.returnContent) = (12, .binaryMIME, true, .headers)
            ($0.envelopeID, $0.authorization) = ("QQ+2B314159", "e+3Dmc2@example.com")
        }
        #expect(mail(line) == .success(command))
        #expect(mail(line.split(separator: " ").reversed().joined(separator: "  ")) == .success(command))
        #expect(
            mail("ret=full auth=<>")
                == .success(mailCommand("a", "b") { ($0.returnContent, $0.authorization) = (.full, "<>") }))
    }

    @Test(
        "32, 33: Every parameter of RCPT is read",
        arguments: [
            ("NOTIFY=NEVER", [] as RecipientCommand.Notify, nil), ("notify=success", .success, nil),
            ("NOTIFY=DELAY,FAILURE", [.delay, .failure], nil),
            ("NOTIFY=SUCCESS,FAILURE,DELAY", [.success, .failure, .delay], nil),
            ("ORCPT=rfc822;a+2Bb@example.net", nil, "rfc822;a+2Bb@example.net"), ("orcpt=X-y;", nil, "X-y;"),
            ("ORCPT=utf-8;a@b", nil, "utf-8;a@b"),
            ("ORCPT=UTF-8;\\x{E9}l\\x{2B}\\x{1F4E7}@b", nil, "UTF-8;\\x{E9}l\\x{2B}\\x{1F4E7}@b"),
            ("ORCPT=utf-8;\u{e9}\\x{5C}@b", nil, "utf-8;\u{e9}\\x{5C}@b"),
            ("NOTIFY=NEVER ORCPT=rfc822;x", [], "rfc822;x"),
        ] as [(String, RecipientCommand.Notify?, String?)])
    func recipientParameters(line: String, notify: RecipientCommand.Notify?, original: String?) throws {
        #expect(
            recipient(line)
                == .success(rcptCommand("a", "b") { ($0.notify, $0.originalRecipient) = (notify, original) }))
        guard case .rcpt(let command) = try recipient(line).get() else { throw CommandSyntaxError.invalidArgument }
        #expect(command.isASCII == line.utf8.allSatisfy { $0 < 0x80 })
    }

    @Test(
        "33: A value that a parameter cannot have is 501 5.5.4",
        arguments: [
            "SIZE", "SIZE=", "SIZE=x", "SIZE=1x", "SIZE=100000000000000000000", "BODY", "BODY=8BIT", "SMTPUTF8=",
            "SMTPUTF8=1",
            "RET", "RET=BODY", "RET=FULL,HDRS", "ENVID", "ENVID=", "ENVID=a=b", "AUTH", "AUTH=", "AUTH=a=b", "=x",
            "-a=b", "_=b",
            "SIZE =1", "SIZE= 1", "a@c",
        ])
    func badMailValues(line: String) {
        #expect(mail(line) == .failure(.invalidArgument))
    }

    @Test(
        "33: A value that a parameter cannot have is 501 5.5.4, of RCPT's too",
        arguments: [
            "NOTIFY", "NOTIFY=", "NOTIFY=NEVER,SUCCESS", "NOTIFY=SUCCESS,NEVER", "NOTIFY=SUCCESS,", "NOTIFY=,SUCCESS",
            "NOTIFY=SUCCESS,SUCCESS", "NOTIFY=SUCCESS,,DELAY", "NOTIFY=ALWAYS", "ORCPT", "ORCPT=", "ORCPT=rfc822",
            "ORCPT=;a", "ORCPT=a b;c", "ORCPT=rfc822;a=b", "ORCPT=rf.c;a",
        ])
    func badRecipientValues(line: String) {
        #expect(recipient(line) == .failure(.invalidArgument))
    }

    @Test("33: A parameter twice is 501 5.5.4, with the same value or another")
    func duplicates() {
        for parameter in ["SIZE=1", "BODY=7BIT", "SMTPUTF8", "RET=FULL", "ENVID=x", "AUTH=<>"] {
            #expect(mail("\(parameter) \(parameter)") == .failure(.duplicateParameter))
        }
        #expect(mail("SIZE=1 size=2") == .failure(.duplicateParameter))
        for parameter in ["NOTIFY=NEVER", "ORCPT=rfc822;a"] {
            #expect(recipient("\(parameter) \(parameter)") == .failure(.duplicateParameter))
        }
        #expect("\(CommandSyntaxError.duplicateParameter.reply)".hasPrefix("501 5.5.4 "))
    }

    @Test("33: A parameter of no extension here, or of the other command, is 555 5.5.4")
    func unknown() {
        for parameter in [
            "MT-PRIORITY=3", "BY=120;R", "HOLDFOR=9", "SOLICIT=x", "FOO", "FOO=BAR", "NOTIFY=NEVER", "SIZEX=1",
        ] {
            #expect(mail(parameter) == .failure(.unknownParameter))
        }
        for parameter in ["RRVS=x", "SIZE=1", "SMTPUTF8", "ENVID=x", "X"] {
            #expect(recipient(parameter) == .failure(.unknownParameter))
        }
        #expect("\(CommandSyntaxError.unknownParameter.reply)".hasPrefix("555 5.5.4 "))
    }

    @Test(
        "32: xtext is + and two digits in upper case, or a printable character",
        arguments: [
            ("a", "a"), ("+41", "A"), ("+2B", "+"), ("+3D", "="), ("a+20b", "a b"), ("<>", "<>"), ("+7E+21", "~!"),
        ])
    func validXText(text: String, content: String) {
        #expect(decode(text) == Array(content.utf8))
        #expect(mail("ENVID=\(text)") == .success(mailCommand("a", "b") { $0.envelopeID = text }))
        #expect(mail("AUTH=\(text)") == .success(mailCommand("a", "b") { $0.authorization = text }))
        #expect(recipient("ORCPT=x;\(text)") == .success(rcptCommand("a", "b") { $0.originalRecipient = "x;\(text)" }))
    }

    @Test(
        "32: Anything else is none",
        arguments: ["+", "+4", "+4g", "+2b", "+3d", "+a0", "+ 0", "a+", "++41", "a\u{e9}", "a+-1"])
    func invalidXText(text: String) {
        #expect(decode(text) == nil)
        #expect(mail("ENVID=\(text)") == .failure(.invalidArgument))
        #expect(mail("AUTH=\(text)") == .failure(.invalidArgument))
        #expect(recipient("ORCPT=x;\(text)") == .failure(.invalidArgument))
    }

    @Test("32: Every octet survives encoding and decoding, and none but printable ones leave encoded")
    func octets() {
        let all = (0...255).map { UInt8($0) }
        let text = encode(all)
        #expect(text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "=") })
        #expect(decode(text) == all)
        #expect(encode([]) == "" && decode("") == [])
    }

    @Test("32: CR, LF and other controls in xtext are refused, so none gets into a line or a notification")
    func controlsInXText() {
        for octet in Array(0...0x1F) + [0x7F] as [UInt8] {
            let text = encode([UInt8(ascii: "a"), octet])
            #expect(decode(text) == [UInt8(ascii: "a"), octet])
            #expect(mail("ENVID=\(text)") == .failure(.invalidArgument))
            #expect(mail("AUTH=\(text)") == .failure(.invalidArgument))
            #expect(recipient("ORCPT=x;\(text)") == .failure(.invalidArgument))
        }
        // Eight bits: the mailbox of AUTH= may have them, ENVID= and ORCPT= may not (RFC 3461 sections 4.2, 4.4).
        #expect(mail("AUTH=+C3+A9@b") == .success(mailCommand("a", "b") { $0.authorization = "+C3+A9@b" }))
        #expect(mail("ENVID=+C3+A9") == .failure(.invalidArgument))
        #expect(recipient("ORCPT=x;+C3+A9") == .failure(.invalidArgument))
    }

    @Test("32: A value goes on in the spelling that it came in")
    func spelling() throws {
        guard case .mail(let command) = try mail("ENVID=+41b+2B AUTH=+41@b").get() else {
            throw CommandSyntaxError.invalidArgument
        }
        #expect(ClientCommand.mail(command).line == "MAIL FROM:<a@b> ENVID=+41b+2B AUTH=+41@b\r\n")
        guard case .rcpt(let other) = try recipient("ORCPT=RFC822;+41+2B NOTIFY=DELAY,SUCCESS").get() else {
            throw CommandSyntaxError.invalidArgument
        }
        #expect(ClientCommand.rcpt(other).line == "RCPT TO:<a@b> NOTIFY=SUCCESS,DELAY ORCPT=RFC822;+41+2B\r\n")
    }

    @Test("32: ENVID= has at most 100 characters when decoded, ORCPT= 500 octets, AUTH= 500")
    func lengths() {
        let hundred = String(repeating: "+41", count: 99) + "a"
        #expect((try? mail("ENVID=\(hundred)").get()) != nil)
        #expect(mail("ENVID=\(hundred)b") == .failure(.invalidArgument))
        let original = "rfc822;" + String(repeating: "x", count: 493)
        #expect((try? recipient("ORCPT=\(original)").get()) != nil)
        #expect(recipient("ORCPT=\(original)x") == .failure(.invalidArgument))
        let authorization = String(repeating: "x", count: 500)
        #expect((try? mail("AUTH=\(authorization)").get()) != nil)
        #expect(mail("AUTH=\(authorization)x") == .failure(.invalidArgument))
    }

    @Test(
        "32: A code point of ORCPT=utf-8 is written in as few digits as it needs, and only what has to be",
        arguments: [
            ("\\x{20}", true), ("\\x{2B}", true), ("\\x{3D}", true), ("\\x{5C}", true), ("\\x{A0}", true),
            ("\\x{ff}", true),
            ("\\x{D7FF}", true), ("\\x{E000}", true), ("\\x{10FFFF}", true), ("a", true), ("\u{e9}", true),
            ("", false), ("\\x{41}", false), ("\\x{0D}", false), ("\\x{0A}", false), ("\\x{01}", false),
            ("\\x{7F}", false),
            ("\\x{85}", false), ("\\x{0E9}", false), ("\\x{D800}", false), ("\\x{DFFF}", false), ("\\x{110000}", false),
            ("\\x{1000000}", false), ("\\x{}", false), ("\\x{9}", false), ("\\x{E9", false), ("\\x", false),
            ("\\", false),
            ("\\X{E9}", false), ("\\n", false), ("a+b", false), ("a+2B", false),
        ])
    func codePoints(text: String, isValid: Bool) {
        #expect(((try? recipient("ORCPT=utf-8;\(text)").get()) != nil) == isValid)
    }
}
