import Testing

@testable import AuthHTTP

@Suite struct LookupConfigurationTests {
    @Test(
        "A URL has a host, perhaps a port, and a target",
        arguments: [
            ("http://127.0.0.1/mail/auth", "http://127.0.0.1:80/mail/auth"), ("HTTP://auth:8080", "http://auth:8080/"),
            ("http://[::1]:81/x?y=z", "http://[::1]:81/x?y=z"), ("http://a_b.c-d?q", "http://a_b.c-d:80/?q"),
            ("http://[::1]", "http://[::1]:80/"),
        ])
    func urls(_ text: String, _ expected: String) throws {
        #expect(try LookupEndpoint(parsing: text).description == expected)
    }

    @Test(
        "A URL that cannot be used is refused",
        arguments: [
            "", "x", "//x/", "https://x/", "http://", "http:///x", "http://x:/", "http://x:0/", "http://x:65536/",
            "http://x:+1/", "http://a b/", "http://x/\r\nX: y", "http://x/é", "http://u@x/", "http://u:p@x/",
            "http://x/#f", "http://unix:/run/x:/y", "http://[::1]x/", "http://a,b/", "ftp://x/",
        ])
    func badURLs(_ text: String) {
        #expect(throws: LookupConfigurationError.self) { try LookupEndpoint(parsing: text) }
    }

    @Test(
        "A header that would change the protocol or forge another is refused",
        arguments: [
            ("", "x"), ("a b", "x"), ("a:", "x"), ("é", "x"), ("a\r\nb", "x"), ("X-A", "a\r\nB: c"), ("X-A", "a\u{0}"),
            ("Host", "x"), ("content-LENGTH", "1"), ("Transfer-Encoding", "chunked"), ("Connection", "close"),
            ("Auth-User", "root"), ("client-ip", "127.0.0.1"), ("Auth-SMTP-To", "x"),
        ])
    func badHeaders(_ name: String, _ value: String) {
        #expect(throws: LookupConfigurationError.self) { try ExtraHeader(name: name, value: value) }
    }
}
