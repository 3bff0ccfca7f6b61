import SMTPCore
import Testing

private let badMAIL = SMTPReply.badReversePath
private let badRCPT = SMTPReply.badForwardPath

@Suite struct AddressEdgeCases {
    @Test(
        "23: The null reverse-path is taken, with parameters and without",
        arguments: [
            ("MAIL FROM:<>", MailCommand(.null)), ("MAIL FROM: <>", MailCommand(.null)),
            ("MAIL FROM:<> SIZE=10", MailCommand(.null, size: 10)),
            ("MAIL FROM:<> SIZE=10 BODY=8BITMIME", MailCommand(.null, size: 10, body: .eightBitMIME)),
        ])
    func nullReversePath(line: String, command: MailCommand) {
        #expect(parse(line) == .success(.mail(command)))
    }

    @Test("23: Nothing but MAIL has a null path", arguments: ["RCPT TO:<>", "RCPT TO: <> NOTIFY=NEVER", "RCPT TO:"])
    func nullForwardPath(line: String) {
        #expect(parse(line) == .failure(.badForwardPath))
    }

    @Test(
        "24: Postmaster needs no domain, in any case",
        arguments: [
            "<Postmaster>", "<POSTMASTER>", "<postmaster>", "postmaster", "<pOSTmASTER> NOTIFY=NEVER",
            "postmaster\tNOTIFY=NEVER",
        ])
    func postmaster(path: String) throws {
        guard case .rcpt(let recipient) = try parse("RCPT TO:\(path)").get() else {
            throw CommandSyntaxError.badForwardPath
        }
        #expect(recipient.forwardPath == .postmaster && recipient.forwardPath.isASCII)
    }

    @Test(
        "24: No other local-part goes without a domain, nor does a sender's",
        arguments: [
            ("RCPT TO:<abuse>", badRCPT), ("RCPT TO:<postmasters>", badRCPT), ("RCPT TO:<\"postmaster\">", badRCPT),
            ("RCPT TO:<@a:postmaster>", badRCPT), ("RCPT TO:<postmaster@>", badRCPT), ("RCPT TO:<postmaster", badRCPT),
            ("MAIL FROM:<postmaster>", badMAIL),
        ])
    func withoutDomain(line: String, reply: SMTPReply) {
        if case .failure(let error) = parse(line) { #expect(error.reply == reply) } else { Issue.record() }
    }

    @Test("24: Postmaster of a domain is a mailbox, its case kept")
    func postmasterOfADomain() {
        #expect(parse("RCPT TO:<PostMaster@d.example>") == .success(rcptCommand("PostMaster", "d.example")))
    }

    @Test("25: The local-part and the domain keep their case; the domain is compared without it and without its dot")
    func letterCase() throws {
        guard case .rcpt(let recipient) = try parse("RCPT TO:<A.b+C@D.Example.>").get(),
            case .mailbox(let mailbox) = recipient.forwardPath
        else { throw CommandSyntaxError.badForwardPath }
        #expect(mailbox.localPart == "A.b+C" && mailbox.domain == "D.Example." && mailbox.routingDomain == "d.example")
        #expect(mailbox.description == "A.b+C@D.Example.")
        #expect(mailbox != Mailbox(localPart: "a.b+C", domain: "D.Example."))
        #expect(ClientCommand.rcpt(recipient).line == "RCPT TO:<A.b+C@D.Example.>\r\n")
    }

    @Test(
        "25: Dots in the local-part stand anywhere, in the domain between labels and at the end",
        arguments: [
            ("<.a..b.@c.example>", true), ("<...@c.example>", true), ("<a@c.example.>", true), ("<a@.c>", false),
            ("<a@c..d>", false), ("<a@c..>", false), ("<a@.>", false), ("<a@c_d.-e->", true),
        ])
    func dots(path: String, isPath: Bool) {
        #expect(((try? parse("RCPT TO:\(path)").get()) != nil) == isPath)
    }

    @Test(
        "26: A quoted local-part keeps its quotes and escapes; the @ behind it is the one that counts",
        arguments: [
            (#""a@b""#, "x"), (#""a\"b""#, "x"), (#""a b""#, "x.example"), (#""""#, "x"), (#""a\\""#, "x"),
            (#""a\ b@c>d""#, "[192.0.2.1]"), (#""<>,:;()[]""#, "x"),
        ])
    func quoted(localPart: String, domain: String) throws {
        for line in ["RCPT TO:<\(localPart)@\(domain)>", "RCPT TO:\(localPart)@\(domain)"] {
            guard case .rcpt(let recipient) = try parse(line).get(), case .mailbox(let mailbox) = recipient.forwardPath
            else { throw CommandSyntaxError.badForwardPath }
            #expect(mailbox.localPart == localPart && mailbox.domain == domain)
            #expect(ClientCommand.rcpt(recipient).line == "RCPT TO:<\(localPart)@\(domain)>\r\n")
        }
    }

    @Test(
        "26: What is half quoted is no local-part",
        arguments: [
            #"<"a@b.example>"#, #"<a"b"@c>"#, #"<"a"b@c>"#, #"<"a\"@c>"#, #"<"a"@>"#, #"<a\b@c>"#, #"<"a""b"@c>"#,
            "<\"a\tb\"@c>", "<a@b@c>", "<a b@c>", "<a@b c>", "<a(b)@c>", "<a,b@c>",
        ])
    func halfQuoted(path: String) {
        #expect(parse("MAIL FROM:\(path)") == .failure(.badReversePath))
        #expect(parse("RCPT TO:\(path)") == .failure(.badForwardPath))
    }

    @Test(
        "27: A source route is taken and forgotten",
        arguments: ["<@a.example:c@d>", "<@a.example,@b.example:c@d>", "<@[192.0.2.1],@b:c@d>"])
    func sourceRoutes(path: String) {
        #expect(parse("MAIL FROM:\(path)") == .success(mailCommand("c", "d")))
        #expect(parse("RCPT TO:\(path)") == .success(rcptCommand("c", "d")))
    }

    @Test(
        "27: Half a source route is no path",
        arguments: [
            "<@a:>", "<@a>", "<@a,b:c@d>", "<@a,:c@d>", "<@:c@d>", "<@a:@b:c@d>", "@a:c@d", "<@a;c@d>", "<@a,@b",
        ])
    func halfSourceRoutes(path: String) {
        #expect(parse("RCPT TO:\(path)") == .failure(.badForwardPath))
    }

    @Test("27: Percent and bang stay what they are")
    func percentHack() {
        #expect(parse("RCPT TO:<a%b!c@d.example>") == .success(rcptCommand("a%b!c", "d.example")))
    }

    @Test(
        "28: Address literals are taken as they are written",
        arguments: [
            "[192.0.2.1]", "[0.0.0.0]", "[255.255.255.255]", "[IPv6:2001:db8::1]", "[ipv6:::]", "[IPv6:::1]",
            "[IPv6:2001:DB8:0:0:0:0:0:1]", "[IPv6:1::]", "[IPv6:1:2:3:4:5:6:7::]", "[IPv6:::ffff:192.0.2.1]",
            "[IPv6:1:2:3:4:5:6:192.0.2.1]", "[IPv6:1::192.0.2.1]", "[x400:/c=de/]", "[tag-1:a:b]",
        ])
    func literals(domain: String) {
        #expect(parse("RCPT TO:<a@\(domain)>") == .success(rcptCommand("a", domain)))
        #expect(parse("MAIL FROM:<a@\(domain)>") == .success(mailCommand("a", domain)))
    }

    @Test(
        "28: What is no address is no literal",
        arguments: [
            "[]", "[192.0.2]", "[192.0.2.1.5]", "[192.0.2.256]", "[192.0.02.1]", "[192.0.2.]", "[.192.0.2]",
            "[192.0.2.1",
            "[1234.0.2.1]", "[localhost]", "[192.0.2.1 ]", "[192.0.2.1]x", "[192.0.2.1].x", "[[192.0.2.1]]",
            "[IPv6:]", "[IPv6::]", "[IPv6:1:2:3:4:5:6:7]", "[IPv6:1:2:3:4:5:6:7:8:9]", "[IPv6:1:2:3:4:5:6:7:8:]",
            "[IPv6:1:2:3:4:5:6:7:8::]", "[IPv6:1::2::3]", "[IPv6::::]", "[IPv6::1:2]", "[IPv6:12345::]", "[IPv6:g::]",
            "[IPv6:fe80::1%eth0]", "[IPv6:192.0.2.1]", "[IPv6:1:2:3:4:5:6:7:192.0.2.1]", "[IPv6:::192.0.2.1:1]",
            "[IPv6:::192.0.2]", "[IPv6: ::1]", "[2001:db8::1", "[:x]", "[tag-:x]", "[tag:]", "[tag:a b]", "[tag:a[b]",
            "[t\u{e9}:x]", "[a\\b:x]",
        ])
    func noLiterals(domain: String) {
        #expect(parse("RCPT TO:<a@\(domain)>") == .failure(.badForwardPath))
        #expect(parse("MAIL FROM:<a@\(domain)>") == .failure(.badReversePath))
    }

    @Test("29: Local-part, label, domain and path have their limits")
    func lengths() {
        let local64 = String(repeating: "l", count: 64)
        let label = String(repeating: "d", count: 63)
        let domain255 = [label, label, label, label].joined(separator: ".")
        #expect(domain255.utf8.count == 255)
        #expect(parse("RCPT TO:<\(local64)@d.example>") == .success(rcptCommand(local64, "d.example")))
        #expect(parse("RCPT TO:<l\(local64)@d.example>") == .failure(.badForwardPath))
        #expect(parse("MAIL FROM:<l\(local64)@d.example>") == .failure(.badReversePath))
        let quoted = "\"\(local64.dropFirst(2))\""
        #expect(parse("RCPT TO:<\(quoted)@d>") == .success(rcptCommand(quoted, "d")))
        #expect(parse("RCPT TO:<\"\(local64.dropFirst())\"@d>") == .failure(.badForwardPath))
        #expect(parse("RCPT TO:<a@\(label)d>") == .failure(.badForwardPath))
        #expect(parse("RCPT TO:<a@\(label).\(label)d>") == .failure(.badForwardPath))
        // 64 + 1 + 255 is over the 256 octets of a path, its angle brackets included (RFC 5321 section 4.5.3.1.3).
        #expect(parse("RCPT TO:<\(local64)@\(domain255)>") == .failure(.badForwardPath))
        let domain252 = String(domain255.dropFirst(3))
        #expect(parse("RCPT TO:<a@\(domain252)>") == .success(rcptCommand("a", domain252)))
        #expect(parse("RCPT TO:<ab@\(domain252)>") == .failure(.badForwardPath))
        // Without the brackets as with them, since we write them.
        #expect(parse("RCPT TO:a@\(domain252)") == .success(rcptCommand("a", domain252)))
        #expect(parse("RCPT TO:ab@\(domain252)") == .failure(.badForwardPath))
        // The source route counts, though it is forgotten.
        #expect(
            parse("RCPT TO:<@b:a@\(domain252.dropFirst(3))>")
                == .success(rcptCommand("a", String(domain252.dropFirst(3)))))
        #expect(parse("RCPT TO:<@b:a@\(domain252.dropFirst(2))>") == .failure(.badForwardPath))
    }

    @Test("29: The replies are 501 5.1.3 and 501 5.1.7")
    func lengthReplies() {
        #expect("\(CommandSyntaxError.badForwardPath.reply)".hasPrefix("501 5.1.3 "))
        #expect("\(CommandSyntaxError.badReversePath.reply)".hasPrefix("501 5.1.7 "))
    }

    @Test(
        "30: UTF-8 stands in local-parts and domains",
        arguments: [
            ("j\u{f8}rgen", "bl\u{e5}.example"), ("\u{7528}\u{6237}", "\u{4f8b}\u{5b50}.\u{6d4b}\u{8bd5}"),
            ("\"\u{e9} \u{e8}\"", "x"), ("a", "xn--bcher-kva.example"), ("\u{1F4E7}", "x"),
        ])
    func utf8(localPart: String, domain: String) throws {
        #expect(
            parse("MAIL FROM:<\(localPart)@\(domain)> SMTPUTF8")
                == .success(mailCommand(localPart, domain) { $0.usesSMTPUTF8 = true }))
        guard case .mail(let mail) = try parse("MAIL FROM:<\(localPart)@\(domain)>").get() else {
            throw CommandSyntaxError.badReversePath
        }
        #expect(
            mail.isASCII == (localPart + domain).utf8.allSatisfy { $0 < 0x80 }
                && mail.isASCII == mail.reversePath.isASCII)
        guard case .rcpt(let recipient) = try parse("RCPT TO:<\(localPart)@\(domain)>").get() else {
            throw CommandSyntaxError.badForwardPath
        }
        #expect(recipient.isASCII == mail.isASCII)
    }

    @Test(
        "30: What is not UTF-8 is 501 5.6.7, wherever it stands",
        arguments: [
            [0xE9], [0xC3], [0xC0, 0xAF], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xFF], [0xE2, 0x82], [0x80],
        ] as [[UInt8]])
    func invalidUTF8(octets: [UInt8]) {
        let lines: [([UInt8], [UInt8])] = [
            (Array("MAIL FROM:<a".utf8), Array("@b>".utf8)), (Array("RCPT TO:<a@b".utf8), Array(".c>".utf8)),
            (Array("RCPT TO:<a@b> ORCPT=utf-8;a".utf8), Array("b".utf8)),
        ]
        for (head, tail) in lines { #expect(parse(head + octets + tail) == .failure(.invalidUTF8)) }
        #expect("\(CommandSyntaxError.invalidUTF8.reply)".hasPrefix("501 5.6.7 "))
    }

    @Test("30: The control characters of Unicode are refused as those of ASCII are")
    func unicodeControls() {
        for scalar in (0x80...0x9F).map({ Character(UnicodeScalar(UInt8($0))) }) {
            #expect(parse("RCPT TO:<a\(scalar)@b>") == .failure(.invalidCharacter))
        }
        #expect((try? parse("RCPT TO:<a\u{a0}@b>").get()) != nil)
    }

    @Test("30: NFC and NFD of a local-part are two mailboxes, in any set")
    func normalisation() throws {
        let composed = mailbox("\u{e9}", "d.example")
        let decomposed = mailbox("e\u{301}", "d.example")
        #expect(composed.description == decomposed.description, "Swift takes them for one")
        #expect(composed != decomposed)
        #expect(Set([composed, decomposed]).count == 2)
        #expect(parse("RCPT TO:<\u{e9}@d.example>") != parse("RCPT TO:<e\u{301}@d.example>"))
        guard case .rcpt(let recipient) = try parse("RCPT TO:<e\u{301}@d.example>").get() else {
            throw CommandSyntaxError.badForwardPath
        }
        #expect(Array(ClientCommand.rcpt(recipient).line.utf8) == Array("RCPT TO:<e\u{301}@d.example>\r\n".utf8))
    }

    @Test("30: A U-label may be longer than an A-label")
    func longULabel() {
        let label = String(repeating: "\u{4f8b}", count: 50)
        #expect(parse("RCPT TO:<a@\(label)>") == .success(rcptCommand("a", label)))
        #expect(parse("RCPT TO:<a@\(String(repeating: "\u{4f8b}", count: 85))>") == .failure(.badForwardPath))
    }
}
