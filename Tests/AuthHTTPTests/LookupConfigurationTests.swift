import NIOCore
import Testing

@testable import AuthHTTP

@Suite struct LookupConfigurationTests {
    @Test(
        "A URL has a host, perhaps a port, and a target",
        arguments: [
            ("http://127.0.0.1/mail/auth", "http://127.0.0.1:80/mail/auth"), ("HTTP://auth:8080", "http://auth:8080/"),
            ("http://[::1]:81/x?y=z", "http://[::1]:81/x?y=z"), ("http://a_b.c-d?q", "http://a_b.c-d:80/?q"),
            ("http://[::1]", "http://[::1]:80/"), ("https://auth.example/x", "https://auth.example:443/x"),
            ("HTTPS://[::1]:8443", "https://[::1]:8443/"),
            ("http://unix:/run/x.sock:/y?z", "http://unix:/run/x.sock:/y?z"),
            ("http://unix:/run/x.sock", "http://unix:/run/x.sock:/"), ("http://unix:/run/x:", "http://unix:/run/x:/"),
        ])
    func urls(_ text: String, _ expected: String) throws {
        #expect(try LookupEndpoint(parsing: text).description == expected)
    }

    @Test(
        "A URL that cannot be used is refused",
        arguments: [
            "", "x", "//x/", "https://", "https://unix:/x", "http://", "http:///x", "http://x:/", "http://x:0/",
            "http://x:65536/",
            "http://x:+1/", "http://a b/", "http://x/\r\nX: y", "http://x/é", "http://u@x/", "http://u:p@x/",
            "http://x/#f", "http://unix:run/x:/y", "http://unix::/y", "http://unix:/x:y", "http://[::1]x/",
            "http://a,b/", "ftp://x/",
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

    @Test(
        "What an answer may name is a network, an address or a Unix socket",
        arguments: [
            ("10.0.0.0/8", "10.1.2.3", true), ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("0.0.0.0/0", "192.0.2.1", true), ("0.0.0.0/0", "::1", false), ("::/0", "192.0.2.1", false),
            ("192.0.2.7", "192.0.2.7", true), ("192.0.2.7", "192.0.2.6", false),
            ("2001:db8::/33", "2001:db8:7fff::1", true),
            ("2001:db8::/33", "2001:db8:8000::1", false), ("::1", "::1", true), ("10.0.0.0/31", "10.0.0.1", true),
            ("10.0.0.0/31", "10.0.0.2", false), ("unix:/run/apps/", "/run/apps/x/y", true),
            ("unix:/run/apps/", "/run/apps/", false), ("unix:/run/apps/", "/run/appsx", false),
            ("unix:/run/a.sock", "/run/a.sock", true), ("unix:/run/a.sock", "/run/a.sock2", false),
            ("unix:/", "127.0.0.1", false), ("127.0.0.0/8", "/run/x", false),
        ])
    func allowances(_ text: String, _ server: String, _ isAllowed: Bool) throws {
        let address =
            server.hasPrefix("/")
            ? try SocketAddress(unixDomainSocketPath: server) : try SocketAddress(ipAddress: server, port: 25)
        #expect(try LookupAllowance(parsing: text).contains(address) == isAllowed)
    }

    @Test(
        "Anything else is refused",
        arguments: [
            "", "x", "10.0.0.0/33", "10.0.0.1/8", "::/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/+8", "/8", "unix:x",
            "unix:", "unix:/a/../b", "fe80::1%lo", "host.example", "10.0.0.0/8/8",
        ])
    func badAllowances(_ text: String) {
        #expect(throws: LookupConfigurationError.self) { try LookupAllowance(parsing: text) }
    }

    @Test("An allowance is written as it is read", arguments: ["10.0.0.0/8", "2001:db8::/32", "unix:/run/apps/"])
    func written(_ text: String) throws {
        #expect(try LookupAllowance(parsing: text).description == text)
    }
}
