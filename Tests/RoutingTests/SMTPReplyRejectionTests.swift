import Routing
import SMTPCore
import Testing

@Suite("SMTPReply, parsed from a route that refuses") struct SMTPReplyRejectionTests {
    @Test(
        "A rejection is a code, an enhanced code of its class and a text",
        arguments: [
            ("550 5.1.1 No such user", "550 5.1.1 No such user"), ("450 4.2.0 Later", "450 4.2.0 Later"),
            ("550  5.1.1   No such user", "550 5.1.1 No such user"),
            ("null-mx", "556 5.1.10 Recipient address has null MX"),
            ("550 No such user", "550 5.7.1 No such user"), ("451 Later", "451 4.7.1 Later"),
            ("550 5 users are here", "550 5.7.1 5 users are here"), ("554 5.999.999 x", "554 5.999.999 x"),
        ])
    func parsed(_ text: String, _ expected: String) throws {
        #expect(try SMTPReply(parsingRejection: text).description == expected)
    }

    @Test(
        "A mistake in a rejection is named",
        arguments: [
            ("", "it does not begin with a reply code from 400 to 559: write \"550 5.1.1 No such user\""),
            ("nullmx", "it does not begin with a reply code from 400 to 559: write \"550 5.1.1 No such user\""),
            ("250 Welcome", "it does not begin with a reply code from 400 to 559: write \"550 5.1.1 No such user\""),
            ("600 x", "it does not begin with a reply code from 400 to 559: write \"550 5.1.1 No such user\""),
            ("560 x", "it does not begin with a reply code from 400 to 559: write \"550 5.1.1 No such user\""),
            ("5500 x", "it does not begin with a reply code from 400 to 559: write \"550 5.1.1 No such user\""),
            ("+50 x", "it does not begin with a reply code from 400 to 559: write \"550 5.1.1 No such user\""),
            ("421 4.3.2 Bye", "421 would end the session: write 450 or 451"),
            ("550", "it has no text: write \"550 5.1.1 No such user\""),
            ("550 5.1.1 ", "it has no text: write \"550 5.1.1 No such user\""),
            ("550 4.1.1 x", "4.1.1 is of another class than 550 (RFC 2034 section 4)"),
            ("450 5.1.1 x", "5.1.1 is of another class than 450 (RFC 2034 section 4)"),
            ("550 5.1 x", "\"5.1\" is not an enhanced status code: write three numbers, as in 5.1.1"),
            ("550 5.1.1000 x", "\"5.1.1000\" is not an enhanced status code: write three numbers, as in 5.1.1"),
            ("550 Nö", "it has a character in it that is not printable ASCII"),
            ("550 a\r\n250 b", "it has a character in it that is not printable ASCII"),
            ("550 " + String(repeating: "x", count: 491), "its text has more than 490 octets"),
        ])
    func mistakes(_ text: String, _ message: String) {
        let error = #expect(throws: RejectionError.self) { try SMTPReply(parsingRejection: text) }
        #expect(error?.message == message)
    }
}
