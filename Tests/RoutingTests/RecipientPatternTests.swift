import Routing
import SMTPCore
import Testing

/// The path of `local@domain`; what is before the last @ is the local-part.
func path(_ text: String) -> ForwardPath {
    guard let at = text.lastIndex(of: "@") else { return .postmaster }
    return .mailbox(Mailbox(localPart: String(text[..<at]), domain: String(text[text.index(after: at)...])))
}

@Suite struct RecipientPatternTests {
    struct Case: Sendable {
        var pattern: String
        var matches: [String]
        var others: [String]
    }

    static let cases = [
        Case(
            pattern: "flxw.de", matches: ["a@flxw.de", "a@FLXW.de", "a@flxw.de.", "\"a@b\"@flxw.de"],
            others: ["a@mail.flxw.de", "a@xflxw.de", "a@flxw.de.example", "flxw.de@example.org", "Postmaster"]),
        Case(pattern: "FLXW.DE.", matches: ["a@flxw.de"], others: ["a@flxw.example"]),
        Case(
            pattern: "*.flxw.de", matches: ["a@mail.flxw.de", "a@a.b.FLXW.de", "a@a.flxw.de."],
            others: ["a@flxw.de", "a@.flxw.de", "a@xflxw.de", "a@mail.flxw.de.example", "Postmaster"]),
        Case(
            pattern: "postmaster@",
            matches: ["postmaster@a.example", "POSTmaster@b.example", "\"Postmaster\"@c", "Postmaster"],
            others: ["postmaster1@a.example", "abuse@a.example", "a@postmaster"]),
        Case(pattern: "abuse@", matches: ["abuse@a", "\"ab\\use\"@b"], others: ["Abuse@a", "abuse.@a", "Postmaster"]),
        Case(
            pattern: "User@flxw.de", matches: ["User@flxw.de", "User@FLXW.DE", "\"User\"@flxw.de."],
            others: ["user@flxw.de", "User@mail.flxw.de", "User@flxw.example"]),
        Case(pattern: "postmaster@flxw.de", matches: ["PostMaster@flxw.de"], others: ["Postmaster", "postmaster@x"]),
        Case(
            pattern: "\"a b\"@x.de", matches: ["\"a b\"@x.de", "\"a\\ b\"@x.de"], others: ["ab@x.de", "\"a  b\"@x.de"]),
        Case(pattern: "\"a@b\"@x.de", matches: ["\"a@b\"@x.de"], others: ["a@b", "b@x.de"]),
        Case(
            pattern: "[192.0.2.1]", matches: ["a@[192.0.2.1]"], others: ["a@[192.0.2.2]", "a@192.0.2.1"]),
        Case(pattern: "[IPv6:::1]", matches: ["a@[ipv6:::1]", "a@[IPv6:0:0::1]"], others: ["a@[::1]"]),
        Case(pattern: "*", matches: ["a@b", "a@[::1]", "Postmaster", "a@bücher.example"], others: []),
        // U+212A (KELVIN SIGN) is "k" to Unicode: in a domain, where names are mapped (UTS 46), but in no local-part.
        Case(pattern: "k.example", matches: ["a@K.example", "a@\u{212A}.example"], others: []),
        Case(pattern: "K@", matches: ["K@x"], others: ["\u{212A}@x"]),
        Case(pattern: "j\u{F6}rg@", matches: ["j\u{F6}rg@x"], others: ["jo\u{308}rg@x", "jorg@x"]),
        Case(pattern: "*.b\u{FC}cher.example", matches: ["a@x.xn--bcher-kva.example"], others: ["a@bücher.example"]),
        Case(
            pattern: "/^list-.*@/", matches: ["list-x@a.example", "\"list-x\"@b"],
            others: ["xlist-@a", "list@a", "List-x@a", "a@list-x", "\"list-a b\"@x", "Postmaster"]),
        Case(pattern: "a@b\u{FC}cher.example", matches: ["a@XN--BCHER-KVA.example"], others: ["b@bücher.example"]),
    ]

    @Test("A pattern matches its recipients and no others", arguments: cases)
    func matching(_ test: Case) throws {
        let pattern = try RecipientPattern(parsing: test.pattern)
        for recipient in test.matches {
            #expect(pattern.matches(path(recipient)), "\(test.pattern) should match \(recipient)")
        }
        for recipient in test.others {
            #expect(!pattern.matches(path(recipient)), "\(test.pattern) should not match \(recipient)")
        }
    }

    @Test(
        "A mistake in a pattern is named",
        arguments: [
            ("", "a pattern is empty"),
            ("/x", "\"/x\" has no slash at its end: write /EXPRESSION/ or /EXPRESSION/i"),
            ("/", "\"/\" has no slash at its end: write /EXPRESSION/ or /EXPRESSION/i"),
            ("//", "\"//\" has nothing between its slashes"),
            ("/x/g", "\"/x/g\": behind its last slash there may be an i, and nothing else"),
            ("/[a/", "\"/[a/\": missing terminating ] for character class, at offset 2 of the expression"),
            ("/\u{FC}(/", "\"/\u{FC}(/\": missing closing parenthesis, at offset 2 of the expression"),
            ("/\\C/", "\"/\\C/\": using \\C is disabled by the application, at offset 2 of the expression"),
            ("@flxw.de", "\"@flxw.de\" has no local-part; a domain is written without the @"),
            ("*.*.de", "\"*.*.de\": a star stands alone or before a domain, as in \"*.example.org\""),
            ("*flxw.de", "\"*flxw.de\": a star stands alone or before a domain, as in \"*.example.org\""),
            ("mail.*", "\"mail.*\": a star stands alone or before a domain, as in \"*.example.org\""),
            ("*.", "\"*.\" is not a domain: it is empty"),
            ("*.[192.0.2.1]", "\"*.[192.0.2.1]\": an address literal has no subdomains"),
            ("flxw..de", "\"flxw..de\" is not a domain: a label is empty"),
            ("a b", "\"a b\" is not a domain: \" \" cannot be in it"),
            ("a b@x.de", "\"a b@x.de\": this local-part has to be quoted (RFC 5321 section 4.1.2)"),
            ("\u{2665}\u{FFFD}.example", "\"\u{2665}\u{FFFD}.example\" is not a domain: it has no A-label (xn--…)"),
            ("a@\u{301}.example", "\"a@\u{301}.example\" is not a domain: it has no A-label (xn--…)"),
            ("[\u{FC}]", "\"[\u{FC}]\": an address literal is ASCII"),
            (
                "*\u{301}.example",
                "\"*\u{301}.example\": a star stands alone or before a domain, as in \"*.example.org\""
            ),
        ])
    func mistakes(_ text: String, _ message: String) {
        let error = #expect(throws: PatternError.self) { try RecipientPattern(parsing: text) }
        #expect(error?.message == message)
    }

    @Test("A local-part has 64 octets at most (RFC 5321 section 4.5.3.1.1)")
    func longLocalPart() throws {
        _ = try RecipientPattern(parsing: String(repeating: "a", count: 64) + "@")
        #expect(throws: PatternError.self) { try RecipientPattern(parsing: String(repeating: "a", count: 65) + "@") }
    }
}
