import SMTPCore
import Testing

private func read(_ lines: String...) -> ServerCapabilities {
    ServerCapabilities(ehloReply: SMTPReply(250, lines: ["backend.example"] + lines))
}

@Suite struct ServerCapabilitiesTests {
    @Test("Every keyword is known, in any case and in the old form with an equals sign")
    func keywords() {
        let all: [(String, ServerExtensions)] = [
            ("PIPELINING", .pipelining), ("SIZE", .size), ("8BITMIME", .eightBitMIME), ("SMTPUTF8", .smtpUTF8),
            ("DSN", .dsn), ("ENHANCEDSTATUSCODES", .enhancedStatusCodes), ("CHUNKING", .chunking),
            ("BINARYMIME", .binaryMIME), ("STARTTLS", .startTLS), ("AUTH", .auth), ("LIMITS", .limits),
            ("XCLIENT", .xclient), ("XFORWARD", .xforward),
        ]
        for (keyword, known) in all {
            for line in [keyword, keyword.lowercased(), keyword + " x y", keyword + "=x", keyword + " "] {
                #expect(read(line).extensions == known, "\(line)")
            }
            for line in [keyword + "S", String(keyword.dropLast()), " " + keyword, keyword + "-X", keyword + "\t"] {
                #expect(read(line).extensions == [], "\(line)")
            }
            #expect(ServerExtensions(keyword: keyword.lowercased()) == known)
            #expect("\(known)" == keyword)
        }
        #expect(ServerExtensions(keyword: "HELP") == nil)
        #expect("\(ServerExtensions([.dsn, .pipelining]))" == "PIPELINING,DSN")
    }

    @Test("The first line is a name, whatever it says")
    func firstLine() {
        #expect(ServerCapabilities(ehloReply: SMTPReply(250, lines: ["SIZE 1000"])) == ServerCapabilities())
        #expect(read("", "=", " ", "=x") == ServerCapabilities())
    }

    static let sizes: [(String, UInt64?)] = [
        ("SIZE", nil), ("SIZE 0", 0), ("SIZE 1000", 1000), ("SIZE=1000", 1000), ("size  7", 7), ("SIZE -1", nil),
        ("SIZE 18446744073709551615", .max), ("SIZE 18446744073709551616", nil), ("SIZE 1e9", nil), ("SIZE x", nil),
        ("SIZE 123456789012345678901", nil), ("SIZE 10 20", 10),
    ]

    @Test("SIZE has a number, or none that counts", arguments: sizes)
    func size(line: String, size: UInt64?) {
        #expect(read(line).size == size)
        #expect(read(line).extensions == .size)
    }

    @Test("Mechanisms are read once each, in upper case, and what is no name is passed over")
    func mechanisms() {
        let long = String(repeating: "A", count: 21)
        #expect(read("AUTH PLAIN login", "AUTH=PLAIN CRAM-MD5").mechanisms == ["PLAIN", "LOGIN", "CRAM-MD5"])
        #expect(read("AUTH x(y \(long) ok_1").mechanisms == ["OK_1"])
        let many = (0..<200).map { "M\($0)" }.joined(separator: " ")
        #expect(read("AUTH \(many)").mechanisms.count == 32)
    }

    @Test("LIMITS has what it names, and nothing of what makes no sense")
    func limits() {
        #expect(
            read("LIMITS mailmax=5 RCPTMAX=100 RCPTDOMAINMAX=1 FOO=2").limits
                == .init(mailMaximum: 5, recipientMaximum: 100, domainMaximum: 1))
        #expect(read("LIMITS RCPTMAX RCPTMAX= MAILMAX=-1 =3").limits == .init())
    }
}

@Suite struct EHLOAnnouncementTests {
    @Test("The reply has a line for each extension, with its parameters")
    func reply() {
        let announcement = EHLOAnnouncement(
            serverName: "mx.example",
            extensions: [.pipelining, .size, .eightBitMIME, .enhancedStatusCodes, .auth, .limits, .dsn], size: 1000,
            mechanisms: ["PLAIN", "LOGIN"], limits: .init(recipientMaximum: 100, domainMaximum: 1))
        #expect(
            announcement.reply.lines == [
                "mx.example", "PIPELINING", "SIZE 1000", "8BITMIME", "DSN", "ENHANCEDSTATUSCODES", "AUTH PLAIN LOGIN",
                "LIMITS RCPTMAX=100 RCPTDOMAINMAX=1",
            ])
    }

    @Test("What means nothing without parameters is left out; SIZE without a bound has no number")
    func bare() {
        let announcement = EHLOAnnouncement(serverName: "mx.example", extensions: [.size, .auth, .limits])
        #expect(announcement.reply == SMTPReply(250, lines: ["mx.example", "SIZE"]))
    }

    @Test("What is announced is read back")
    func roundTrip() {
        let extensions = ServerExtensions(rawValue: (1 << 13) - 1)
        let limits = ServerCapabilities.Limits(mailMaximum: 1, recipientMaximum: 2, domainMaximum: 3)
        let announcement = EHLOAnnouncement(
            serverName: "mx.example", extensions: extensions, size: 9, mechanisms: ["PLAIN"], limits: limits)
        #expect(
            ServerCapabilities(ehloReply: announcement.reply)
                == ServerCapabilities(extensions: extensions, size: 9, mechanisms: ["PLAIN"], limits: limits))
    }
}
