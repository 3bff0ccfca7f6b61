import Relay
import Routing
import SMTPCore
import Testing

private func mapping(
    _ introduced: [String] = ["mx1.inner.example", "mx1.inner.example"], _ configured: BackendAddress? = nil,
    _ address: (host: String, port: Int)? = ("10.0.0.7", 2525)
) -> ReplyMapping {
    ReplyMapping(
        serverName: "mx.example", introduced: introduced, configured: configured, address: address)
}

private func text(_ text: String, _ mapping: ReplyMapping = mapping(), known: [String] = []) -> String {
    mapping.relayed(SMTPReply(550, .init(5, 1, 1), text), known: known).lines[0]
}

@Suite struct ReplyMappingTests {
    static let texts = [
        ("no user here, says mx1.inner.example", "no user here, says mx.example"),
        ("MX1.Inner.Example said no. Ask mx1.inner.example.", "mx.example said no. Ask mx.example."),
        ("(mx1.inner.example[10.0.0.7]:2525)", "(mx.example)"),
        ("[10.0.0.7] 10.0.0.7 10.0.0.7:2525", "mx.example mx.example mx.example"),
        ("10.0.0.70 110.0.0.7 10.0.0.7.1 x10.0.0.7", "10.0.0.70 110.0.0.7 10.0.0.7.1 x10.0.0.7"),
        (
            "amx1.inner.example mx1.inner.example.org a.mx1.inner.example -mx1.inner.example",
            "amx1.inner.example mx1.inner.example.org a.mx1.inner.example -mx1.inner.example"
        ),
        ("user@mx1.inner.example", "user@mx.example"), ("", ""), ("nothing of that", "nothing of that"),
    ]

    @Test("A name is replaced where it stands as a word", arguments: texts)
    func words(original: String, expected: String) {
        #expect(text(original) == expected)
    }

    @Test("A word is a name where greeting and EHLO agree on it, and where it is no common one")
    func labels() {
        #expect(text("a1b2 says no", mapping(["a1b2", "a1b2"])) == "mx.example says no")
        #expect(text("a1b2 says no", mapping(["a1b2"])) == "a1b2 says no")
        #expect(text("ESMTP hello no", mapping(["ESMTP", "hello"])) == "ESMTP hello no")
        #expect(text("no mail", mapping(["mail", "mail"])) == "no mail")
        #expect(text("OK no", mapping(["OK", "OK"])) == "OK no")
        #expect(text("app no", mapping([], .host("app", port: 25))) == "mx.example no")
        #expect(text("see app:25", mapping([], .host("app", port: 25))) == "see mx.example")
    }

    @Test("Addresses are replaced however they are written, and so is a socket's path")
    func addresses() throws {
        let six = mapping([], try BackendAddress(parsing: "[2001:db8::1]:25"), nil)
        #expect(text("[IPv6:2001:DB8::1] [2001:db8::1]:25 2001:db8::1", six) == "mx.example mx.example mx.example")
        let local = mapping([], try BackendAddress(parsing: "unix:/run/app.sock"), nil)
        #expect(text("/run/app.sock: no", local) == "mx.example: no")
    }

    @Test("What the client itself has said, and our own name, stay")
    func known() {
        #expect(text("user@d.example no", mapping(["d.example"]), known: ["D.example"]) == "user@d.example no")
        #expect(text("mx.example no", mapping(["mx.example"])) == "mx.example no")
    }

    @Test("What the client says later stays from then on")
    func revealed() {
        let mapping = mapping(["d.example", "e.example"])
        #expect(text("d.example e.example no", mapping) == "mx.example mx.example no")
        #expect(text("d.example e.example no", mapping, known: ["D.example"]) == "d.example mx.example no")
    }

    @Test("No line grows beyond what a reply line may have")
    func growth() {
        let long = Array(repeating: "a.b", count: 100).joined(separator: " ")
        let mapped = text(long, mapping(["a.b"]))
        #expect(mapped.utf8.count == 490)
        #expect(mapped.hasPrefix("mx.example mx.example "))
        let untouched = String(repeating: "x", count: 2000)
        #expect(text(untouched) == untouched)
    }
}

@Suite struct ReplyMappingEdgeCases {
    @Test("21, 70: 421 from a backend is 451 to the client; 251, 252 and 551 go on as they are")
    func codes() {
        let closing = mapping().relayed(SMTPReply(421, .init(4, 3, 2), "mx1.inner.example closing"))
        #expect(closing.description == "451 4.3.2 mx.example closing")
        #expect(mapping().relayed(SMTPReply(421, nil, "bye")).description == "451 4.3.0 bye")
        for code: UInt16 in [251, 252, 551] {
            #expect(mapping().relayed(SMTPReply(code, nil, "x")).replyCode == code)
        }
    }

    @Test("68: what the relay says of backends and of itself has its codes")
    func own() {
        #expect(SMTPReply.backendUnreachable.description.hasPrefix("451 4.4.1 "))
        #expect(SMTPReply.backendTLSFailed.description.hasPrefix("451 4.7.5 "))
        #expect(SMTPReply.overloaded.description.hasPrefix("421 4.3.2 "))
        #expect(SMTPReply.tooManyConnections.description.hasPrefix("421 4.3.2 "))
        #expect(SMTPReply.relayingDenied.description.hasPrefix("550 5.7.1 "))
    }

    @Test("69: a reply without an enhanced code gets one of its class, and keeps all its lines")
    func enhanced() {
        #expect(mapping().relayed(SMTPReply(550, nil, "no")).description == "550 5.0.0 no")
        #expect(mapping().relayed(SMTPReply(250, .init(5, 1, 1), "odd")).description == "250 2.0.0 odd")
        let lines = mapping().relayed(SMTPReply(450, .init(4, 2, 1), lines: ["one mx1.inner.example", "two", ""]))
        #expect(lines.description == "450 4.2.1 one mx.example / 450 4.2.1 two / 450 4.2.1 ")
    }

    @Test("72: a backend's names are replaced, unless its group passes replies")
    func names() {
        #expect(text("mx1.inner.example: no") == "mx.example: no")
        #expect(text("mx1.inner.example: no", ReplyMapping()) == "mx1.inner.example: no")
        #expect(ReplyMapping().relayed(SMTPReply(421, nil, "x")).replyCode == 451)
    }

    @Test("72: a text is ASCII on the wire unless the transaction asked for SMTPUTF8")
    func ascii() {
        let reply = mapping().relayed(SMTPReply(550, .init(5, 1, 1), "kein Empfänger auf mx1.inner.example"))
        #expect(String(decoding: reply.encoded(), as: UTF8.self) == "550 5.1.1 kein Empf??nger auf mx.example\r\n")
        #expect(
            String(decoding: reply.encoded(utf8: true), as: UTF8.self) == "550 5.1.1 kein Empfänger auf mx.example\r\n")
    }
}
