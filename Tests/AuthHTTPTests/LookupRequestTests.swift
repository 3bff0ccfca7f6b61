import NIOCore
import Testing

@testable import AuthHTTP

@Suite struct LookupRequestTests {
    static func configuration(
        _ url: String = "http://127.0.0.1/mail/auth", headers: [(String, String)] = []
    ) throws -> LookupConfiguration {
        var configuration = LookupConfiguration(endpoint: try LookupEndpoint(parsing: url))
        configuration.extraHeaders = try headers.map { try ExtraHeader(name: $0.0, value: $0.1) }
        return configuration
    }

    static func target() throws -> LookupTarget {
        let configuration = try Self.configuration()
        return LookupTarget(configuration, configuration.endpoints[0])
    }

    static func request(
        helo: String = "client.example", mail: String = "MAIL FROM:<a@b> SIZE=1",
        rcpt: String = "RCPT TO:<c@d> NOTIFY=NEVER"
    ) -> LookupRequest {
        LookupRequest(
            method: .none(.init(helo: helo, mailCommand: mail, recipientCommand: rcpt)), clientIP: "192.0.2.42")
    }

    private func text(_ request: LookupRequest, _ configuration: LookupConfiguration? = nil) throws -> String {
        let configuration = try configuration ?? Self.configuration()
        return String(buffer: try request.encode(to: LookupTarget(configuration, configuration.endpoints[0])))
    }

    @Test(
        "What is known of a client's certificate is sent in nginx's order, and nothing of it where none was asked for")
    func certificate() throws {
        var tls = LookupRequest.TLSFacts(protocolVersion: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256")
        tls.subject = "CN=b"
        var request = Self.request()
        request.tls = tls
        #expect(try !self.text(request).contains("CN=b"))
        tls.verification = "SUCCESS"
        (tls.issuer, tls.serial, tls.fingerprint) = ("CN=a", "01", "a999")
        tls.certificate = Array("-----BEGIN CERTIFICATE-----\n%+/=\n".utf8)
        request.tls = tls
        let expected = [
            "Auth-SSL: on", "Auth-SSL-Protocol: TLSv1.3", "Auth-SSL-Cipher: TLS_AES_128_GCM_SHA256",
            "Auth-SSL-Verify: SUCCESS", "Auth-SSL-Subject: CN=b", "Auth-SSL-Issuer: CN=a", "Auth-SSL-Serial: 01",
            "Auth-SSL-Fingerprint: a999", "Auth-SSL-Cert: -----BEGIN%20CERTIFICATE-----%0A%25+/=%0A", "", "",
        ]
        let lines = try self.text(request).split(separator: "\r\n", omittingEmptySubsequences: false)
        #expect(lines.suffix(expected.count).map(String.init) == expected)
        for octet in ["\r\nAuth-User: x", "\n", "\r", "\u{0}", "\u{7F}"] {
            for property in [\LookupRequest.TLSFacts.subject, \.issuer, \.serial, \.fingerprint, \.verification] {
                var forged = tls
                forged[keyPath: property] = "x" + octet
                request.tls = forged
                #expect(throws: LookupError.self) { try self.text(request) }
            }
        }
    }

    @Test("A question about a recipient has nginx's headers in nginx's order")
    func recipient() throws {
        let expected = [
            "GET /mail/auth HTTP/1.1", "Host: 127.0.0.1", "Auth-Method: none", "Auth-User: ", "Auth-Pass: ",
            "Auth-Protocol: smtp", "Auth-Login-Attempt: 1", "Client-IP: 192.0.2.42", "Client-Host: [UNAVAILABLE]",
            "Auth-SMTP-Helo: client.example", "Auth-SMTP-From: MAIL FROM:<a@b> SIZE=1",
            "Auth-SMTP-To: RCPT TO:<c@d> NOTIFY=NEVER", "", "",
        ]
        #expect(
            try self.text(Self.request()).split(separator: "\r\n", omittingEmptySubsequences: false).map(String.init)
                == expected)
    }

    @Test("Everything else has its place")
    func everything() throws {
        var request = Self.request()
        request.loginAttempt = 3
        request.clientHost = .named("host.example")
        request.proxy = .init(
            source: try SocketAddress(ipAddress: "2001:db8::1", port: 4711),
            destination: try SocketAddress(ipAddress: "::ffff:192.0.2.1", port: 25))
        request.tls = .init(protocolVersion: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256")
        let configuration = try Self.configuration(
            "http://[::1]:8080/a?b=c", headers: [("X-Key", "k v"), ("X-Other", "")])
        let expected = [
            "GET /a?b=c HTTP/1.1", "Host: [::1]", "Auth-Method: none", "Auth-User: ", "Auth-Pass: ",
            "Auth-Protocol: smtp", "Auth-Login-Attempt: 3", "Client-IP: 192.0.2.42", "Client-Host: host.example",
            "Proxy-Protocol-Addr: 2001:db8::1", "Proxy-Protocol-Port: 4711", "Proxy-Protocol-Server-Addr: 192.0.2.1",
            "Proxy-Protocol-Server-Port: 25", "Auth-SMTP-Helo: client.example",
            "Auth-SMTP-From: MAIL FROM:<a@b> SIZE=1", "Auth-SMTP-To: RCPT TO:<c@d> NOTIFY=NEVER", "Auth-SSL: on",
            "Auth-SSL-Protocol: TLSv1.3", "Auth-SSL-Cipher: TLS_AES_128_GCM_SHA256", "X-Key: k v", "X-Other: ", "", "",
        ]
        let lines = try self.text(request, configuration).split(separator: "\r\n", omittingEmptySubsequences: false)
        #expect(lines.map(String.init) == expected)
    }

    @Test("What nginx has not is sent where it is asked for, behind all that nginx has")
    func more() throws {
        var configuration = try Self.configuration(headers: [("X-Key", "k")])
        configuration.sendsMoreHeaders = true
        var request = Self.request()
        request.method = .none(
            .init(
                helo: "c.example", mailCommand: "MAIL FROM:<a@b>", recipientCommand: "RCPT TO:<c@d>",
                fromAddress: "a@b",
                toAddress: "c@d"))
        request.clientPort = 4711
        #expect(
            try self.text(request, configuration).hasSuffix(
                "Auth-SMTP-To: RCPT TO:<c@d>\r\nClient-Port: 4711\r\nAuth-SMTP-From-Address: a@b\r\n"
                    + "Auth-SMTP-To-Address: c@d\r\nX-Key: k\r\n\r\n"))
        #expect(try !self.text(request).contains("Address"))
        #expect(try !self.text(request).contains("Client-Port"))
        request.method = .plain(user: [0x75], password: [0x70])
        request.clientPort = nil
        let text = try self.text(request, configuration)
        #expect(!text.contains("Address") && !text.contains("Client-Port"))
    }

    @Test("User and password are escaped: controls, space and % (and nothing else) as %XX")
    func escaping() throws {
        let user = Array("a b%c\r\nX: y\u{0}".utf8) + [0x7F, 0xFF, 0x1F]
        let request = LookupRequest(method: .plain(user: user, password: Array("päss+w".utf8)), clientIP: "192.0.2.1")
        let octets = Array((try request.encode(to: Self.target())).readableBytesView)
        let expected =
            Array("Auth-User: a%20b%25c%0D%0AX:%20y%00".utf8) + [0x7F, 0xFF]
            + Array("%1F\r\nAuth-Pass: päss+w\r\n".utf8)
        #expect(octets.firstRange(of: expected) != nil)
        #expect(octets.firstRange(of: Array("Auth-SMTP-".utf8)) == nil)
    }

    @Test("Each method says what nginx says")
    func methods() throws {
        let plain = LookupRequest(method: .plain(user: [0x75], password: [0x70]), clientIP: "unix:")
        #expect(
            try self.text(plain).contains(
                "Auth-Method: plain\r\nAuth-User: u\r\nAuth-Pass: p\r\nAuth-Protocol: smtp\r\n"))
        let digest = LookupRequest(
            method: .cramMD5(user: [0x75], digest: [0x64], salt: Array("<1.2@x>".utf8)), clientIP: "unix:")
        #expect(
            try self.text(digest).contains(
                "Auth-Method: cram-md5\r\nAuth-User: u\r\nAuth-Pass: d\r\nAuth-Salt: <1.2@x>\r\nAuth-Protocol: smtp\r\n"
            ))
        let external = LookupRequest(method: .external(user: [0x75]), clientIP: "unix:")
        #expect(
            try self.text(external).contains("Auth-Method: external\r\nAuth-User: u\r\nAuth-Pass: \r\nAuth-Protocol"))
    }

    @Test("No control gets into a header from any field, and nothing is sent instead", arguments: (0..<0x20) + [0x7F])
    func forgery(_ octet: Int) throws {
        let target = try Self.target()
        let poison = "a" + String(decoding: [UInt8(octet)], as: UTF8.self) + "X-Forged: 1"
        var requests = [
            Self.request(helo: poison), Self.request(mail: poison), Self.request(rcpt: poison),
            LookupRequest(method: .cramMD5(user: [], digest: [], salt: Array(poison.utf8)), clientIP: "x"),
            LookupRequest(method: .external(user: []), clientIP: poison),
        ]
        var secured = Self.request()
        secured.tls = .init(protocolVersion: poison)
        requests.append(secured)
        secured.tls = .init(cipher: poison)
        requests.append(secured)
        for request in requests {
            if octet == 0x09 {
                _ = try request.encode(to: target)
            } else {
                let error = #expect(throws: LookupError.self) { try request.encode(to: target) }
                #expect(error?.code == .forbiddenOctet)
                #expect(error?.message.contains("Forged") == false)
            }
        }
    }

    @Test("A text cannot make two lines by canonical equivalence or bad UTF-8")
    func oddText() throws {
        // U+2028, U+0085 and octets that are no UTF-8 end no line in HTTP.
        let text = try self.text(Self.request(rcpt: "RCPT TO:<a\u{2028}b\u{85}@d>"))
        #expect(text.split(separator: "\r\n", omittingEmptySubsequences: false).count == 14)
    }

    @Test(
        "Client-Host takes nothing but a host name",
        arguments: [
            ("host.example", "host.example"), ("", "[TEMPUNAVAIL]"), ("a b", "[TEMPUNAVAIL]"),
            ("a\r\nX: y", "[TEMPUNAVAIL]"), ("a_b", "[TEMPUNAVAIL]"), ("höst", "[TEMPUNAVAIL]"),
            (String(repeating: "a", count: 256), "[TEMPUNAVAIL]"),
        ])
    func clientHost(_ name: String, _ expected: String) {
        #expect(ClientHost.named(name).text == expected)
        #expect(ClientHost.unavailable.text == "[UNAVAILABLE]")
        #expect(ClientHost.temporarilyUnavailable.text == "[TEMPUNAVAIL]")
    }

    @Test("Client-IP is without port and brackets, and IPv4 where it is mapped")
    func clientIP() throws {
        #expect(LookupRequest.clientIP(of: try SocketAddress(ipAddress: "192.0.2.1", port: 1)) == "192.0.2.1")
        #expect(LookupRequest.clientIP(of: try SocketAddress(ipAddress: "2001:db8::1", port: 1)) == "2001:db8::1")
        #expect(LookupRequest.clientIP(of: try SocketAddress(ipAddress: "::ffff:192.0.2.1", port: 1)) == "192.0.2.1")
        #expect(LookupRequest.clientIP(of: try SocketAddress(unixDomainSocketPath: "/x")) == "unix:")
    }
}
