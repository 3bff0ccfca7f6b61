import SMTPCore
import Testing

private let moment: Int64 = 1_795_400_342
private let path = ForwardPath.mailbox(Mailbox(localPart: "b", domain: "example.org"))

private func field(
    helo: String = "mx.example.net", clientName: String? = "mail.example.net", clientAddress: String = "192.0.2.1",
    serverName: String = "relay.example.org", transmission: ReceivedField.Transmission = .init(isExtended: true),
    id: String = "1jq8x4v0k3m2", recipient: ForwardPath? = path, unixTime: Int64 = moment
) -> String {
    let field = ReceivedField(
        helo: helo, clientName: clientName, clientAddress: clientAddress, serverName: serverName,
        transmission: transmission, id: id, recipient: recipient, unixTime: unixTime)
    #expect(field.length == field.octets.count)
    return String(decoding: field.octets, as: UTF8.self)
}

/// The field's lines where it is one: each ends in CRLF, none but the first begins without a tab, none is too long, no
/// control character is in it, and its comments are closed.
private func checked(_ field: String) -> [Substring] {
    #expect(field.hasPrefix("Received: from ") && field.hasSuffix("\r\n"))
    let lines = field.dropLast().split(separator: "\r\n", omittingEmptySubsequences: false)
    for line in lines {
        #expect(line.utf8.count <= 998)
        #expect(line.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 })
    }
    #expect(lines.dropFirst().allSatisfy { $0.hasPrefix("\t") && $0.utf8.count > 1 })
    var depth = 0
    var isEscaped = false
    for octet in field.utf8 {
        if isEscaped {
            isEscaped = false
        } else if octet == UInt8(ascii: "\\") {
            isEscaped = true
        } else if octet == UInt8(ascii: "(") {
            depth += 1
        } else if octet == UInt8(ascii: ")") {
            depth -= 1
        }
        #expect((0...1).contains(depth))
    }
    #expect(depth == 0 && !isEscaped)
    return lines
}

@Suite struct ReceivedFieldTests {
    @Test("The field says from whom, by whom, how, for whom and when")
    func whole() {
        #expect(
            field() == """
                Received: from mx.example.net (mail.example.net [192.0.2.1])\r
                \tby relay.example.org (Postern) with ESMTP id 1jq8x4v0k3m2\r
                \tfor <b@example.org>;\r
                \tMon, 23 Nov 2026 02:19:02 +0000\r\n
                """)
        let tls = ReceivedField.TLS(version: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384")
        #expect(
            field(
                helo: "[IPv6:2001:db8::1]", clientName: nil, clientAddress: "2001:db8::1",
                transmission: .init(isExtended: true, tls: tls), recipient: nil)
                    == """
                    Received: from [IPv6:2001:db8::1] (unknown [IPv6:2001:db8::1])\r
                    \tby relay.example.org (Postern) with ESMTPS (TLSv1.3 TLS_AES_256_GCM_SHA384) id 1jq8x4v0k3m2;\r
                    \tMon, 23 Nov 2026 02:19:02 +0000\r\n
                    """)
    }

    static let keywords: [(ReceivedField.Transmission, String)] = [
        (.init(), "SMTP"), (.init(isExtended: true), "ESMTP"),
        (.init(isExtended: true, isAuthenticated: true), "ESMTPA"),
        (.init(isExtended: true, tls: .init(version: "x")), "ESMTPS"),
        (.init(isExtended: true, isAuthenticated: true, tls: .init(version: "x")), "ESMTPSA"),
        (.init(isExtended: true, usesSMTPUTF8: true), "UTF8SMTP"),
        (.init(isExtended: true, isAuthenticated: true, usesSMTPUTF8: true), "UTF8SMTPA"),
        (.init(isExtended: true, usesSMTPUTF8: true, tls: .init(version: "x")), "UTF8SMTPS"),
        (.init(isExtended: true, isAuthenticated: true, usesSMTPUTF8: true, tls: .init(version: "x")), "UTF8SMTPSA"),
        (.init(tls: .init(version: "x")), "SMTP"),
    ]

    @Test("The protocol has the keyword that is registered for it", arguments: keywords)
    func keyword(transmission: ReceivedField.Transmission, keyword: String) {
        #expect(transmission.keyword == keyword)
        #expect(field(transmission: transmission).contains(" with \(keyword) "))
    }

    static let odd: [(String, String)] = [
        ("a(b)c", "a\\(b\\)c"), ("back\\slash", "back\\\\slash"), ("under score", "under score"),
        ("\"quoted\"", "\"quoted\""), ("a..b", "a..b"), (".", "."), ("", ""), ("[", "["), ("[]", "[]"),
        ("[192.0.2.1", "[192.0.2.1"), ("[a b]", "[a b]"), ("x\r\nSubject: forged", "x??Subject: forged"),
        ("nul\u{0}", "nul?"), ("tab\t", "tab?"), ("del\u{7F}", "del?"), ("ä.example", "??.example"),
        ("a;b", "a;b"), ("<a@b>", "<a@b>"), (")", "\\)"),
    ]

    @Test("A name that is no domain is in a comment, and forges nothing", arguments: odd)
    func oddNames(helo: String, comment: String) {
        let lines = checked(field(helo: helo))
        #expect(lines[0] == "Received: from [192.0.2.1] (mail.example.net [192.0.2.1])")
        #expect(lines[1] == "\t(HELO \(comment))")
        #expect(lines.count == 5)
    }

    @Test("UTF-8 is written only where the transaction asked for SMTPUTF8")
    func utf8() {
        let utf8 = ReceivedField.Transmission(isExtended: true, usesSMTPUTF8: true)
        let recipient = ForwardPath.mailbox(Mailbox(localPart: "ä", domain: "ö.example"))
        let allowed = field(helo: "ä.example", transmission: utf8, recipient: recipient)
        #expect(allowed.hasPrefix("Received: from ä.example (") && allowed.contains("for <ä@ö.example>;"))
        let forbidden = field(helo: "ä.example", clientName: "ä.example", recipient: recipient)
        #expect(forbidden.utf8.allSatisfy { $0 < 0x80 })
        #expect(!forbidden.contains("for <"))
    }

    @Test("What is no address and what is no mailbox is left out")
    func leftOut() {
        let local = checked(field(clientName: nil, clientAddress: "unix:/run/x.sock", recipient: .postmaster))
        #expect(local[0] == "Received: from mx.example.net (unknown)")
        #expect(!local.joined().contains("for "))
        #expect(checked(field(helo: "a b", clientAddress: "?"))[0] == "Received: from unknown (mail.example.net)")
        #expect(checked(field(clientName: "a(b"))[0] == "Received: from mx.example.net (unknown [192.0.2.1])")
        #expect(checked(field(serverName: "relay\r\nX:"))[1].hasPrefix("\tby unknown (Postern)"))
        #expect(checked(field(id: "a b\r\n;(1"))[1].hasSuffix(" id ab1"))
    }

    @Test("A quoted local-part stands as it was given")
    func quoted() {
        let recipient = ForwardPath.mailbox(Mailbox(localPart: "\"a b\\\"@\"", domain: "example.org"))
        #expect(field(recipient: recipient).contains("\r\n\tfor <\"a b\\\"@\"@example.org>;"))
    }

    @Test("No line is too long, whatever the client gives")
    func bounds() {
        let label = String(repeating: "x", count: 63)
        let domain = [label, label, label, String(repeating: "y", count: 63)].joined(separator: ".")
        let recipient = ForwardPath.mailbox(
            Mailbox(localPart: String(repeating: "l", count: 64), domain: String(domain.prefix(190))))
        _ = checked(field(helo: domain, clientName: domain, serverName: domain, recipient: recipient))
        _ = checked(field(helo: String(repeating: "(", count: 100_000)))
        _ = checked(
            field(
                helo: String(repeating: "ä", count: 100_000), transmission: .init(isExtended: true, usesSMTPUTF8: true))
        )
        let tls = ReceivedField.TLS(version: String(repeating: "(", count: 1000), cipher: "x\r\ny")
        _ = checked(field(transmission: .init(isExtended: true, tls: tls)))
    }

    @Test("Every octet in every place of the client's leaves one field")
    func everyOctet() {
        for octet in UInt8.min...UInt8.max {
            let text = String(decoding: [0x61, octet, 0x62], as: UTF8.self)
            for usesSMTPUTF8 in [false, true] {
                let transmission = ReceivedField.Transmission(isExtended: true, usesSMTPUTF8: usesSMTPUTF8)
                _ = checked(field(helo: text, clientName: text, clientAddress: text, transmission: transmission))
            }
        }
    }

    static let moments: [(Int64, String)] = [
        (0, "Thu, 01 Jan 1970 00:00:00 +0000"), (951_782_399, "Mon, 28 Feb 2000 23:59:59 +0000"),
        (951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000"), (1_709_251_199, "Thu, 29 Feb 2024 23:59:59 +0000"),
        (1_709_251_200, "Fri, 01 Mar 2024 00:00:00 +0000"), (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 +0000"),
        (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 +0000"), (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 +0000"),
        (-1, "Thu, 01 Jan 1970 00:00:00 +0000"), (.max, "Fri, 31 Dec 9999 23:59:59 +0000"),
        (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 +0000"), (moment, "Mon, 23 Nov 2026 02:19:02 +0000"),
    ]

    @Test("The date is the calendar's, in UTC, and always as long", arguments: moments)
    func date(unixTime: Int64, date: String) {
        #expect(field(unixTime: unixTime).hasSuffix("\r\n\t\(date)\r\n"))
        #expect(field(unixTime: unixTime).utf8.count == field().utf8.count)
    }
}
