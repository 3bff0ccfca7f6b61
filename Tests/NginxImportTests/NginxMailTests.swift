import Testing

@testable import NginxImport

@Suite("What nginx would not start with") struct NginxMailTests {
    static let refused: [(String, String)] = [
        ("mail {", "1: unexpected end of file, expecting \"}\""),
        ("mail {}}", "1: unexpected \"}\""),
        ("mail {\n  auth_http x\n}\n", "3: unexpected \"}\""),
        ("http { a", "1: unexpected end of file, expecting \";\" or \"}\""),
        ("http {\n", "2: unexpected end of file, expecting \"}\""),
        ("mail {} mail {}", "1: \"mail\" directive is duplicate"),
        ("mail x {}", "1: invalid number of arguments in \"mail\" directive"),
        ("mail;", "1: directive \"mail\" has no opening \"{\""),
        ("http;\nmail {}", "1: directive \"http\" has no opening \"{\""),
        ("listen 25;", "1: \"listen\" directive is not allowed here"),
        ("events {}", "0: there is no mail {} in it, and so nothing to import"),
        ("mail {}", "1: there is no server for SMTP in mail {}, and so nothing to import"),
        ("mail {\nlisten 25;\n}", "2: \"listen\" directive is not allowed here"),
        ("mail { mail {} }", "1: \"mail\" directive is not allowed here"),
        ("mail { user x; }", "1: \"user\" directive is not allowed here"),
        ("mail { smtp_foo on; }", "1: unknown directive \"smtp_foo\""),
        ("mail { server; }", "1: directive \"server\" has no opening \"{\""),
        ("mail { xclient { } }", "1: directive \"xclient\" is not terminated by \";\""),
        ("mail { server { server {} } }", "1: \"server\" directive is not allowed here"),
        ("include;", "1: invalid number of arguments in \"include\" directive"),
        ("include x {}", "1: directive \"include\" is not terminated by \";\""),
        ("\ninclude x;", "2: open() \"/etc/nginx/x\" failed: there is no such file"),
        (server("listen 25;", mail: ""), "4: no \"auth_http\" is defined for server"),
        (server(""), "4: no \"listen\" is defined for server"),
        (server("listen 2525;"), "4: unknown mail protocol for server"),
        (server("listen 25;\nlisten *:25;"), "6: duplicate \"0.0.0.0:25\" address and port pair"),
        (server("listen 25 fast;"), "5: the invalid \"fast\" parameter"),
        (server("listen 25 reuseport;"), "5: the invalid \"reuseport\" parameter"),
        (server("listen 0;"), "5: invalid port in \"0\" of the \"listen\" directive"),
        (server("listen 25 backlog=x;"), "5: invalid backlog \"backlog=x\""),
        (server("listen 25 rcvbuf=x;"), "5: invalid rcvbuf \"rcvbuf=x\""),
        (server("listen 25 sndbuf=x;"), "5: invalid sndbuf \"sndbuf=x\""),
        (server("listen [::]:25 ipv6only=maybe;"), "5: the invalid \"ipv6only=maybe\" parameter"),
        (server("listen 25 so_keepalive=1:2:3:4;"), "5: invalid so_keepalive value: \"1:2:3:4\""),
        (server("listen 25 so_keepalive=::;"), "5: invalid so_keepalive value: \"::\""),
        (server("listen *:1000-2000;"), "5: \"*:1000-2000\" is more than 64 ports"),
        (server("listen 25;\nprotocol lmtp;"), "6: unknown protocol \"lmtp\""),
        (server("listen 25;\ntimeout 5x;"), "6: \"timeout\" directive invalid value"),
        (server("listen 25;\ntimeout 5s;\ntimeout 6s;"), "7: \"timeout\" directive is duplicate"),
        (server("listen 25;\ntimeout;"), "6: invalid number of arguments in \"timeout\" directive"),
        (server("listen 25;\ntimeout 1 2;"), "6: invalid number of arguments in \"timeout\" directive"),
        (
            server("listen 25;\nxclient maybe;"),
            "6: invalid value \"maybe\" in \"xclient\" directive, it must be \"on\" or \"off\""
        ),
        (server("listen 25;\nmax_errors many;"), "6: \"max_errors\" directive invalid number"),
        (server("listen 25;\nproxy_buffer 4g;"), "6: \"proxy_buffer\" directive invalid value"),
        (server("listen 25;\nsmtp_auth gssapi;"), "6: invalid value \"gssapi\""),
        (server("listen 25;\nauth_http https://127.0.0.1/;"), "6: invalid port in auth_http \"https://127.0.0.1/\""),
        (server("listen 25;\nauth_http \"\";"), "6: no host in auth_http \"\""),
        (
            server("listen 25;\nstarttls on;"),
            "6: no \"ssl_certificate\" is defined for the \"starttls\" directive"
        ),
        (
            server("listen 25 ssl;\nssl_certificate a;"),
            "5: no \"ssl_certificate_key\" is defined for the \"listen ... ssl\" directive"
        ),
        (
            server("listen 25;\nstarttls on;\nssl on;"),
            "7: \"starttls\" directive conflicts with \"ssl on\""
        ),
        (
            server("listen 25 ssl;\nssl_certificate a;\nssl_certificate_key b;\nssl_verify_client on;"),
            "4: no ssl_client_certificate for ssl_verify_client"
        ),
        (
            server("listen 25;\nssl on;\nssl_certificate a;\nssl_certificate b;\nssl_certificate_key a;"),
            "6: no \"ssl_certificate_key\" is defined for certificate \"b\" and the \"ssl\" directive"
        ),
        (server("listen 25;\nserver_name \"a\u{1}\";"), ""),
    ]

    @Test("A mistake is named with its line, in nginx's words", arguments: refused)
    func mistake(_ text: String, _ expected: String) { #expect(refusal(text) ?? "" == expected) }

    @Test("What is in an included file is named with that file")
    func inIncluded() {
        let text = "include mail/*.conf;\n"
        #expect(
            refusal(text, ["/etc/nginx/mail/a.conf": "mail {\n"])
                == "/etc/nginx/mail/a.conf:2: unexpected end of file, expecting \"}\"")
        #expect(refusal(text, ["/etc/nginx/mail/a.conf": "\n}"]) == "/etc/nginx/mail/a.conf:2: unexpected \"}\"")
    }

    @Test("Includes within includes have an end")
    func circle() throws {
        let message = try #require(refusal("include nginx.conf;"))
        #expect(message == "1: blocks and includes more than 32 deep")
        #expect(refusal(String(repeating: "x {", count: 100)) == "1: blocks and includes more than 32 deep")
        #expect(
            refusal("http {" + String(repeating: "x {", count: 1000)) == "1: unexpected end of file, expecting \"}\"")
    }

    @Test("A file that is not UTF-8 is refused only where relay.yaml would have to say it")
    func octets() throws {
        struct Octets: NginxFiles {
            var octets: [UInt8]
            func octets(of path: String) throws(NginxFileError) -> [UInt8] { self.octets }
            func matches(_ pattern: String) throws(NginxFileError) -> [String] { [] }
        }
        let comment = Array("# ".utf8) + [0xE9, 0x0A] + Array(server("listen 25;").utf8)
        #expect(throws: Never.self) { try NginxImport("nginx.conf", from: Octets(octets: comment)) }
        let name = Array("mail { auth_http_header a ".utf8) + [0xE9] + Array("; }".utf8)
        let error = #expect(throws: NginxConfigurationError.self) {
            try NginxImport("nginx.conf", from: Octets(octets: name))
        }
        #expect(
            error?.description
                == "nginx.conf:1: a value of the \"auth_http_header\" directive is not UTF-8, which relay.yaml has to be"
        )
    }
}
