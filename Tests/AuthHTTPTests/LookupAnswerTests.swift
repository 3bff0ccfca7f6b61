import NIOCore
import SMTPCore
import Testing

@testable import AuthHTTP

@Suite struct LookupAnswerTests {
    private static let place = [("Auth-Server", "127.0.0.1"), ("Auth-Port", "2525")]

    private func decode(_ fields: [(String, String)]) -> LookupAnswer {
        LookupAnswer(fields: fields.map { (name: $0.0, value: $0.1) })
    }

    private func allowed(
        _ ip: String = "127.0.0.1", _ port: Int = 2525, user: String? = nil, password: String? = nil,
        group: String? = nil
    ) throws -> LookupAnswer {
        .allowed(
            .init(server: try SocketAddress(ipAddress: ip, port: port), user: user, password: password, group: group))
    }

    static let allowing: [[(String, String)]] = [
        [("Auth-Status", "OK")], [("auth-status", " OK\t")], [("AUTH-STATUS", "OK")], [("Auth-Status", "")], [],
        [("Auth-Status", "OK"), ("Auth-Status", "OK")], [("Auth-Wait", "1"), ("Auth-Status", "OK")],
        [("X-Auth-Status", "no"), ("Auth-Statu", "no"), ("Auth-Status-Text", "no"), ("Server", "nginx")],
        [("Auth_Status", "no")], [("Auth-Error-Code", "550"), ("Auth-Status", "OK")],
        // As long as a name that means something, and like it where such names differ.
        [("Auth-Stamps", "no"), ("Buth-Status", "no"), ("Auth\rStatus", "no"), ("Auth-\u{17F}tatus", "no")],
        [("Auth-Second", "192.0.2.9"), ("Auth-Pert", "9"), ("Auth-Grope", "9"), ("Auth-Wart", "9")],
    ]

    @Test(
        "Allowed: OK, empty or no Auth-Status, with server and port",
        arguments: allowing)
    func allowed(_ fields: [(String, String)]) throws {
        #expect(self.decode(fields + Self.place) == (try self.allowed()))
        #expect(self.decode(Self.place + fields) == (try self.allowed()))
    }

    @Test("The published example is allowed, its Auth-Wait notwithstanding")
    func published() throws {
        let fields = [
            ("Server", "nginx/1.22.1"), ("Date", "x"), ("Connection", "keep-alive"), ("Auth-Status", "OK"),
            ("Auth-Server", "127.0.0.1"), ("Auth-Port", "2525"), ("Auth-Wait", "1"),
        ]
        #expect(self.decode(fields) == (try self.allowed()))
    }

    @Test("User, password and group are taken; of a repeated header the last one")
    func rest() throws {
        let fields =
            [
                ("Auth-Server", "192.0.2.1"), ("Auth-Port", "1"), ("Auth-User", "x"), ("Auth-Pass", "x"),
                ("Auth-User", "u v"), ("Auth-Pass", ""), ("Auth-Group", "a"), ("auth-group", " eu-1 "),
            ] + Self.place
        #expect(self.decode(fields) == (try self.allowed(user: "u v", password: "", group: "eu-1")))
    }

    @Test(
        "Auth-Server is an IP literal, with brackets or without",
        arguments: [("192.0.2.1", "192.0.2.1"), ("::1", "::1"), ("[2001:db8::1]", "2001:db8::1")])
    func servers(_ text: String, _ ip: String) throws {
        #expect(self.decode([("Auth-Server", text), ("Auth-Port", "25")]) == (try self.allowed(ip, 25)))
    }

    @Test("Auth-Server may be a Unix socket, without a port")
    func unixServer() throws {
        let expected = LookupAnswer.allowed(
            .init(server: try SocketAddress(unixDomainSocketPath: "/run/app.sock"), group: "a"))
        #expect(self.decode([("Auth-Server", "unix:/run/app.sock"), ("Auth-Group", "a")]) == expected)
        #expect(
            self.decode([("Auth-Server", "unix:/run/app.sock"), ("Auth-Port", "25"), ("Auth-Group", "a")]) == expected)
    }

    @Test("Auth-Server may be a host name", arguments: ["localhost", "app_1", "app.internal", "1a.example", "a-b.x1"])
    func namedServer(_ name: String) {
        let fields = [("Auth-Server", name), ("Auth-Port", "25"), ("Auth-User", "u"), ("Auth-Pass", "hunter2")]
        let answer = self.decode(fields)
        #expect(answer == .named(.init(host: name, port: 25, user: "u", password: "hunter2", group: nil)))
        var dumped = ""
        dump(answer, to: &dumped)
        #expect(!"\(answer) \(String(reflecting: answer)) \(dumped)".contains("hunter2"))
    }

    static let unusable: [[(String, String)]] = [
        [], [("Auth-Server", "127.0.0.1")], [("Auth-Port", "25")],
        [("Auth-Server", "localhost")], [("Auth-Server", ""), ("Auth-Port", "25")],
        [("Auth-Server", "127.0.0.1:25"), ("Auth-Port", "25")], [("Auth-Server", "unix:x")],
        [("Auth-Server", "unix:/a/../b")], [("Auth-Server", "unix:/a b")], [("Auth-Server", "unix:")],
        [("Auth-Server", "unix:/\(String(repeating: "x", count: 120))")],
        [("Auth-Server", "a b"), ("Auth-Port", "25")], [("Auth-Server", "a..b"), ("Auth-Port", "25")],
        [("Auth-Server", "é.example"), ("Auth-Port", "25")], [("Auth-Server", "a.1"), ("Auth-Port", "25")],
        [("Auth-Server", "host\u{0}"), ("Auth-Port", "25")], [("Auth-Server", "host\r\nX: y"), ("Auth-Port", "25")],
        [("Auth-Server", String(repeating: "a", count: 64)), ("Auth-Port", "25")],
        [("Auth-Server", "host.example"), ("Auth-Port", "0")],
        [("Auth-Server", "[127.0.0.1]"), ("Auth-Port", "25")], [("Auth-Server", "[::1"), ("Auth-Port", "25")],
        [("Auth-Server", "fe80::1%lo"), ("Auth-Port", "25")], [("Auth-Server", "1.2.3"), ("Auth-Port", "25")],
        [("Auth-Server", "127.0.0.1"), ("Auth-Port", "0")], [("Auth-Server", "127.0.0.1"), ("Auth-Port", "65536")],
        [("Auth-Server", "127.0.0.1"), ("Auth-Port", "-1")], [("Auth-Server", "127.0.0.1"), ("Auth-Port", "")],
        [("Auth-Server", "127.0.0.1"), ("Auth-Port", "smtp")],
        [("Auth-Server", "127.0.0.1"), ("Auth-Port", "+25")],
        [("Auth-Server", "127.0.0.1"), ("Auth-Port", "25"), ("Auth-User", "a\u{0}b")],
        [("Auth-Server", "127.0.0.1"), ("Auth-Port", "25"), ("Auth-Group", "a\r\nb")],
    ]

    @Test(
        "Without a usable server and port there is no answer",
        arguments: unusable)
    func invalid(_ fields: [(String, String)]) {
        guard case .invalid(let reason) = self.decode(fields + [("Auth-Status", "OK")]) else {
            Issue.record("\(fields) was taken for an answer")
            return
        }
        #expect(!reason.isEmpty)
    }

    static let denying: [([(String, String)], String)] = [
        ([("Auth-Status", "ERROR")], "ERROR"), ([("Auth-Status", "ok")], "ok"), ([("Auth-Status", "Wait")], "Wait"),
        ([("Auth-Status", "OK fine")], "OK fine"), ([("Auth-Status", "no"), ("Auth-Status", "OK")], "no"),
        ([("Auth-Status", "OK"), ("Auth-Status", "no")], "no"),
        ([("Auth-Status", "one"), ("Auth-Status", "two"), ("Auth-Status", "")], "two"),
    ]

    @Test(
        "Denied: any other Auth-Status, and no OK undoes it",
        arguments: denying)
    func denied(_ fields: [(String, String)], _ text: String) {
        #expect(self.decode(fields + Self.place) == .denied(.init(text: text)))
    }

    static let codes: [(String, Int, [UInt16]?)] = [
        ("550", 550, nil), ("451 4.7.1", 451, [4, 7, 1]), ("554 5.710.999", 554, [5, 710, 999]),
        (" 421 4.3.2 ", 421, [4, 3, 2]), ("550 4.7.1", 535, [5, 7, 0]), ("250 2.0.0", 535, [5, 7, 0]),
        ("354", 535, [5, 7, 0]), ("55", 535, [5, 7, 0]), ("5500", 535, [5, 7, 0]), ("560", 535, [5, 7, 0]),
        ("550 5.7", 535, [5, 7, 0]), ("550 5.7.1.2", 535, [5, 7, 0]), ("550  5.7.1", 535, [5, 7, 0]),
        ("550 5.7.1 text", 535, [5, 7, 0]), ("550 5.7.1000", 535, [5, 7, 0]), ("550-5.7.1", 535, [5, 7, 0]),
        ("550 5..1", 535, [5, 7, 0]), ("+55", 535, [5, 7, 0]), ("", 535, [5, 7, 0]),
        ("550 5.7.1\r\n250 OK", 535, [5, 7, 0]),
    ]

    @Test(
        "Auth-Error-Code is a code of the class that its enhanced code has; else 535 5.7.0",
        arguments: codes)
    func errorCodes(_ code: String, _ replyCode: Int, _ enhanced: [UInt16]?) {
        let expected = LookupAnswer.Denial(
            replyCode: UInt16(replyCode), enhancedCode: enhanced.map { .init(UInt8($0[0]), $0[1], $0[2]) }, text: "no")
        #expect(self.decode([("Auth-Error-Code", code), ("Auth-Status", "no")]) == .denied(expected))
    }

    static let waiting: [(String, Int?)] = [
        ("1", 1), (" 3 ", 3), ("60", 60), ("61", 60), ("99999999999999999999999", 60), ("0", nil), ("", nil),
        ("-1", nil), ("1s", nil), ("1.5", nil), ("+1", nil), ("soon", nil),
    ]

    @Test(
        "Auth-Wait is a positive number of seconds, 60 at most",
        arguments: waiting)
    func waits(_ text: String, _ seconds: Int?) {
        #expect(self.decode([("Auth-Status", "no"), ("Auth-Wait", text)]) == .denied(.init(text: "no", wait: seconds)))
        #expect(self.decode([("Auth-Status", "WAIT"), ("Auth-Wait", text)]) == .wait(seconds: seconds ?? 1))
    }

    @Test("WAIT without Auth-Wait waits a second, and nothing beside it undoes it")
    func wait() {
        #expect(self.decode([("Auth-Status", "WAIT")]) == .wait(seconds: 1))
        #expect(self.decode([("Auth-Status", "WAIT"), ("Auth-Status", "OK")] + Self.place) == .wait(seconds: 1))
        #expect(self.decode([("Auth-Status", "no"), ("Auth-Status", "WAIT"), ("Auth-Wait", "2")]) == .wait(seconds: 2))
    }

    @Test(
        "A denial's text is one line of printable ASCII that fits a reply",
        arguments: [
            ("a\r\n b", "a b"), ("a\n\t b", "a b"), ("a\r\n250 OK", "a 250 OK"), ("a\u{0}b", "a?b"),
            ("é\u{1F600}", "??"),
            ("a  b", "a b"), ("a\u{7F}", "a?"),
        ])
    func texts(_ text: String, _ expected: String) {
        #expect(self.decode([("Auth-Status", text)]) == .denied(.init(text: expected)))
    }

    @Test("A denial's text is cut to fit a reply line (RFC 5321 section 4.5.3.1.5)")
    func longText() {
        let answer = self.decode([("Auth-Status", String(repeating: "x", count: 5000))])
        #expect(answer == .denied(.init(text: String(repeating: "x", count: 480))))
    }

    @Test("A password is in no description")
    func secret() throws {
        let answer = try self.allowed(user: "u", password: "hunter2")
        var dumped = ""
        dump(answer, to: &dumped)
        #expect(!"\(answer) \(String(reflecting: answer)) \(dumped)".contains("hunter2"))
    }
}
