import Testing

@testable import NginxImport

@Suite struct NginxValueTests {
    static let times: [(String, Int?)] = [
        ("0", 0), ("5", 5000), ("5s", 5000), ("500ms", 500), ("1m", 60_000), ("1m30s", 90_000), ("1h 30m", 5_400_000),
        ("1d", 86_400_000), ("1w2d", 777_600_000), ("1M", 2_592_000_000), ("1m30", 90_000), ("10 ", 10_000),
        ("1s500ms", 1500), ("1y", nil), ("", nil), ("s", nil), ("1x", nil), ("1s1m", nil), ("1m1m", nil), ("-1", nil),
        ("1.5s", nil), ("1ms1s", nil),
        ("99999999999999999999", nil), ("9223372036854775807", nil), ("9223372036854775807s", nil), ("1s ", 1000),
    ]

    @Test("Times are read as nginx reads them", arguments: times)
    func time(_ text: String, _ milliseconds: Int?) { #expect(NginxValue.milliseconds(text) == milliseconds) }

    static let sizes: [(String, Int?)] = [
        ("0", 0), ("512", 512), ("4k", 4096), ("4K", 4096), ("1m", 1_048_576), ("1M", 1_048_576), ("1g", nil),
        ("", nil),
        ("k", nil), ("-1", nil), ("9223372036854775807k", nil), ("٣", nil),
    ]

    @Test("Sizes are read as nginx reads them", arguments: sizes)
    func size(_ text: String, _ octets: Int?) { #expect(NginxValue.size(text) == octets) }

    static let networks: [(String, String?)] = [
        ("127.0.0.1", "127.0.0.1/32"), ("10.1.2.3/8", "10.0.0.0/8"), ("010.0.0.0/8", "10.0.0.0/8"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::1", "0:0:0:0:0:0:0:1/128"), ("2001:db8:ffff::/33", "2001:db8:8000:0:0:0:0:0/33"),
        ("::ffff:192.0.2.1", "0:0:0:0:0:ffff:c000:201/128"), ("10.0.0.0/33", nil), ("::/129", nil), ("10.0.0", nil),
        ("1:2:3:4:5:6:7:8:9", nil), ("1::2::3", nil), ("256.0.0.1", nil), ("example.org", nil), ("10.0.0.0/", nil),
        ("::g", nil), ("", nil), ("12345::", nil), ("1:2:3:4:5:6:7::8", nil), (":1", nil),
    ]

    @Test("Networks lose the bits behind their prefix", arguments: networks)
    func network(_ text: String, _ network: String?) { #expect(NginxAddress.network(text) == network) }

    static let urls: [(String, Bool, String)] = [
        ("25", true, "wildcard 25...25 "), ("*:25", true, "wildcard 25...25 "),
        ("127.0.0.1:25", true, "ipv4(\"127.0.0.1\") 25...25 "),
        ("[::]:25", true, "ipv6(\"::\") 25...25 "), ("[::1]", true, "ipv6(\"::1\") - "),
        ("mail.example:25", true, "name(\"mail.example\") 25...25 "),
        ("2525-2527", true, "wildcard 2525...2527 "), ("*:2525-2527", true, "wildcard 2525...2527 "),
        ("*:2527-2525", true, "invalid port range"),
        ("0", true, "invalid port"), ("65536", true, "invalid port"), ("127.0.0.1:x", true, "invalid port"),
        (":25", true, "no host"),
        ("127.0.0.1:25/x", true, "invalid host"), ("[::1", true, "invalid host"), ("[::1]25", true, "invalid host"),
        ("[]:25", true, "no host"),
        ("[::x]:25", true, "invalid IPv6 address"), ("unix:/run/x", true, "unix(\"/run/x\") - "),
        ("unix:", true, "no path in the unix domain socket"),
        ("unix:/\(String(repeating: "x", count: 107))", true, "too long path in the unix domain socket"),
        ("127.0.0.1/mail/auth", false, "ipv4(\"127.0.0.1\") - /mail/auth"),
        ("a.example:9000/x?y=/", false, "name(\"a.example\") 9000...9000 /x?y=/"),
        ("a.example?x", false, "name(\"a.example\") - /?x"), ("[::1]:80/x", false, "ipv6(\"::1\") 80...80 /x"),
        ("unix:/run/a.sock:/auth", false, "unix(\"/run/a.sock\") - /auth"), ("80", false, "name(\"80\") - "),
        ("/x", false, "no host"),
        ("https://a/x", false, "invalid port"), ("a/b:1", false, "name(\"a\") - /b:1"),
    ]

    @Test("Hosts, ports and URIs are taken apart as nginx does", arguments: urls)
    func url(_ text: String, _ isListener: Bool, _ expected: String) {
        do {
            let url = try NginxURL(text, isListener: isListener)
            #expect("\(url.host) \(url.ports.map { "\($0)" } ?? "-") \(url.uri)" == expected)
        } catch {
            #expect(error.message == expected)
        }
    }
}
