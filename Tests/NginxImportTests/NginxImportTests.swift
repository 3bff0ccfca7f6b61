import Foundation
import Testing

@testable import NginxImport

@Suite struct NginxImportTests {
    /// The article's, as it is published.
    static let article = """
        mail {
            auth_http http://127.0.0.1/mail/auth;
            xclient off;
            proxy_pass_error_message on;

            server {
                listen     25;
                protocol   smtp;
                timeout    5s;
                proxy      on;
                xclient    off;
                smtp_auth  none;
                so_keepalive on;
            }
        }
        """

    /// The document without the comments, and without what stands behind it in a line.
    private func settings(_ text: String, _ others: [String: String] = [:]) throws -> String {
        let lines = try imported(text, others).yaml.split(separator: "\n").compactMap { line -> String? in
            guard !line.trimmingCharacters(in: .whitespaces).hasPrefix("#") else { return nil }
            return String(line.range(of: "  # ").map { line[..<$0.lowerBound] } ?? line)
        }
        return lines.joined(separator: "\n")
    }

    private func notes(_ text: String, _ others: [String: String] = [:]) throws -> [String] {
        try imported(text, others).notes.map { "\($0.line): \($0.directive) \($0.reason)" }
    }

    @Test("The article's nginx.conf, whole")
    func wholeArticle() throws {
        #expect(
            try self.settings(Self.article) == """
                listeners:
                  - socket: smtp
                    hello: optional
                    pipelining: tolerant
                lookup:
                  url: http://127.0.0.1/mail/auth
                  timeout: 1m
                  message:
                    replies: pass
                limits:
                  message-size: 0
                  errors: 5
                timeouts:
                  command: 5s
                  handshake: 5s
                  connect: 5s
                  greeting: 5s
                  backend-command: 5s
                """)
        let result = try imported(Self.article)
        #expect(
            result.socketLines == ["smtp tcp 0.0.0.0:25 get=postern bind=postern store=postern-binder"])
        let notes = try self.notes(Self.article)
        #expect(notes.map { $0.prefix { $0 != ":" } } == ["9", "10", "13"])
        #expect(notes[1] == "10: proxy on; obsolete: nginx accepts it, and it has no effect")
        #expect(notes[2].hasPrefix("13: so_keepalive on; obsolete: "))
        // And all of it stands in the file too.
        for line in result.socketLines + result.notes.map(\.description) {
            #expect(result.yaml.contains("# " + "    " + line))
        }
    }

    @Test("Without a word nginx's defaults hold: AUTH, XCLIENT, masked replies")
    func defaults() throws {
        let settings = try self.settings(server("listen 25;"))
        #expect(settings.contains("\n    auth: [plain, login]\n"))
        #expect(settings.contains("\n  identity: xclient\n"))
        #expect(settings.contains("\n    replies: mask\n"))
        #expect(!settings.contains("timeouts:"))
        #expect(!settings.contains("ehlo:"))
        #expect(!settings.contains("tls"))
    }

    /// A setting of nginx's in the server, and the line of relay.yaml that it becomes.
    static let places: [(String, String)] = [
        ("server_name mail.example.org;", "server:\n  name: mail.example.org"),
        ("smtp_auth none;", "- socket: smtp\n    hello"),
        ("smtp_auth none PLAIN;", "auth: [plain, none]"),
        ("smtp_auth external; smtp_auth cram-md5;", "auth: [cram-md5, external]"),
        ("smtp_capabilities PIPELINING \"SIZE 10485760\" 8bitmime AUTH;", "ehlo: [PIPELINING, SIZE, 8BITMIME]"),
        ("smtp_capabilities PIPELINING \"SIZE 10485760\";", "message-size: 10485760"),
        ("smtp_capabilities \"SIZE 1\";", "message-size: 65536"),
        ("smtp_capabilities \"SIZE 0\";", "message-size: 0"),
        ("smtp_capabilities SMTPUTF8;", "ehlo: []"),
        ("smtp_greeting_delay 1500ms;", "greeting-delay: 1500ms"),
        ("auth_http 127.0.0.1:9000;", "url: http://127.0.0.1:9000/"),
        ("auth_http http://[::1]:80/x?y=z;", "url: \"http://[::1]/x?y=z\""),
        ("auth_http http://unix:/run/a.sock:/auth;", "url: http://unix:/run/a.sock:/auth"),
        ("auth_http http://auth.example/;", "url: http://auth.example/"),
        ("auth_http_timeout 10s;", "timeout: 10s"),
        ("auth_http_timeout 1h;", "timeout: 2m"),
        ("auth_http_header X-Auth-Key \"a \\\"b\\\"\";", "  headers:\n    X-Auth-Key: \"a \\\"b\\\"\""),
        ("auth_http_header X-A 1; auth_http_header X-B on;", "  headers:\n    X-A: 1\n    X-B: on"),
        ("auth_http_pass_client_cert on;", "pass-client-certificate: on"),
        ("xclient off; proxy_protocol on;", "identity: proxy-v1"),
        ("xclient off; proxy_protocol v2;", "identity: proxy-v2"),
        ("proxy_protocol on;", "identity: xclient"),
        ("proxy_smtp_auth on;", "auth: login-of-client"),
        ("max_errors 3;", "errors: 3"), ("max_errors 0;", "errors: 1"), ("max_errors 100000;", "errors: 1000"),
        ("timeout 90s;", "command: 90s"),
        ("timeout 1d;", "command: 1h\n  handshake: 10m\n  connect: 4m\n  greeting: 10m"),
        (
            "resolver 127.0.0.1 [::1]:5353 valid=30s; resolver_timeout 5s;",
            "resolver:\n  servers: [\"127.0.0.1:53\", \"[::1]:5353\"]\n  timeout: 5s"
        ),
        ("set_real_ip_from 10.1.2.3/8; set_real_ip_from ::1;", "proxies: [10.0.0.0/8, \"0:0:0:0:0:0:0:1/128\"]"),
        (
            "starttls on; ssl_certificate a.pem; ssl_certificate_key /k.pem;",
            "tls:\n  certificates:\n    - certificate: /etc/nginx/a.pem\n      key: /k.pem"
        ),
        ("starttls on; ssl_certificate a; ssl_certificate_key b;", "    tls: starttls"),
        ("starttls only; ssl_certificate a; ssl_certificate_key b;", "    tls: required"),
        ("ssl on; ssl_certificate a; ssl_certificate_key b;", "    tls: implicit"),
        (
            "starttls on; ssl_certificate a; ssl_certificate_key b; ssl_verify_client optional_no_ca; ssl_trusted_certificate ca; ssl_verify_depth 3;",
            "  client-ca: /etc/nginx/ca\n  verify-depth: 3"
        ),
        (
            "starttls on; ssl_certificate a; ssl_certificate_key b; ssl_verify_client optional_no_ca;",
            "client-certificates: optional-no-ca"
        ),
        (
            "starttls on; ssl_certificate a; ssl_certificate_key b; ssl_protocols TLSv1.1 TLSv1.3; ssl_ciphers HIGH:!aNULL; ssl_session_tickets off;",
            "  protocols: [TLSv1.3]\n  ciphers: \"HIGH:!aNULL\"\n  session-tickets: off"
        ),
    ]

    @Test("A directive becomes its line of relay.yaml", arguments: places)
    func place(_ directives: String, _ expected: String) throws {
        let settings = try self.settings(server("listen 25;\n" + directives))
        #expect(settings.contains(expected), "\(settings)")
    }

    /// A listen, and what becomes of it.
    static let listens: [(String, String, [String])] = [
        ("listen 25;", "- socket: smtp\n", ["smtp tcp 0.0.0.0:25"]),
        ("listen 587;", "- socket: submission\n", ["submission tcp 0.0.0.0:587"]),
        ("listen 465;", "- socket: submissions\n", ["submissions tcp 0.0.0.0:465"]),
        ("listen 127.0.0.1:26; protocol smtp;", "- socket: port-26\n", ["port-26 tcp 127.0.0.1:26"]),
        (
            "listen 25 backlog=100 so_keepalive=on;", "- socket: smtp\n    keepalive: on\n",
            ["smtp tcp 0.0.0.0:25 backlog=100"]
        ),
        ("listen 25; listen [::]:25;", "- socket: smtp\n", ["smtp tcp 0.0.0.0:25", "smtp tcp [::]:25 v6only"]),
        ("listen [::]:25 ipv6only=off;", "- socket: smtp\n", ["smtp tcp [::]:25"]),
        (
            "listen 25; listen 127.0.0.1:25 proxy_protocol; set_real_ip_from ::1;",
            "- socket: smtp-2\n    proxy-protocol: on\n", ["smtp tcp 0.0.0.0:25", "smtp-2 tcp 127.0.0.1:25"]
        ),
        ("listen 2525; protocol smtp;", "- address: \"0.0.0.0:2525\"\n", []),
        (
            "listen [::1]:2525 backlog=9 rcvbuf=4k sndbuf=8k; protocol smtp;",
            "- address: \"[::1]:2525\"\n    v6only: on\n    backlog: 9\n    receive-buffer: 4096\n    send-buffer: 8192\n",
            []
        ),
        (
            "listen 2525 so_keepalive=30m::10; protocol smtp;", "    keepalive: {idle: 1800s, probes: 10}\n", []
        ),
        ("listen localhost:2525; protocol smtp;", "- address: \"127.0.0.1:2525\"\n", []),
        ("listen mx.example:25;", "- socket: smtp\n", ["smtp tcp mx.example:25"]),
        ("listen unix:/run/x.sock; protocol smtp;", "- address: \"unix:/run/x.sock\"\n", []),
        ("listen 2525-2526; protocol smtp;", "- address: \"0.0.0.0:2526\"\n", []),
    ]

    @Test("A listen becomes a name with a line for sockets.conf, or an address", arguments: listens)
    func listen(_ directives: String, _ expected: String, _ lines: [String]) throws {
        let settings = try self.settings(server(directives))
        #expect(settings.contains(expected), "\(settings)")
        let rights = " get=postern bind=postern store=postern-binder"
        #expect(try imported(server(directives)).socketLines == lines.map { $0 + rights })
    }

    @Test("What the server says replaces all that mail says; the order does not matter")
    func inheritance() throws {
        let text = """
            mail {
                server {
                    listen 25;
                    auth_http_header X-C 3;
                    xclient off;
                }
                server { listen 587; }
                auth_http_header X-A 1;
                auth_http_header X-B 2;
                auth_http 127.0.0.1;
                smtp_auth none;
            }
            """
        #expect(
            try self.settings(text) == """
                listeners:
                  - socket: smtp
                    hello: optional
                    pipelining: tolerant
                  - socket: submission
                    hello: optional
                    pipelining: tolerant
                    lookup:
                      url: http://127.0.0.1/
                      timeout: 1m
                      headers:
                        X-A: 1
                        X-B: 2
                lookup:
                  url: http://127.0.0.1/
                  timeout: 1m
                  headers:
                    X-C: 3
                  message:
                    replies: mask
                limits:
                  message-size: 0
                  errors: 5
                """)
    }

    @Test("Where servers deliver in different ways, the first server's counts, and that is said")
    func delivery() throws {
        let text = "mail { auth_http 127.0.0.1;\nserver { listen 25; xclient off; }\nserver { listen 587; } }"
        let settings = try self.settings(text)
        #expect(!settings.contains("xclient"))
        #expect(!settings.contains("    lookup:"))
        #expect(try self.notes(text).contains { $0.hasPrefix("3: server {…} xclient, ") })
    }

    @Test("Without set_real_ip_from this host alone may tell addresses")
    func proxies() throws {
        let text = server("listen 25 proxy_protocol;")
        #expect(try self.settings(text).contains("\nproxies: [127.0.0.0/8, \"::1/128\"]\n"))
        #expect(try self.notes(text).contains { $0.contains("name the proxies") })
        #expect(try self.settings(server("listen 25;\nset_real_ip_from unix:;")).contains("proxies: [\"unix:\"]"))
    }

    @Test("What has one value for all listeners is the largest, and says so")
    func largest() throws {
        let text = """
            mail { auth_http 127.0.0.1; max_errors 3;
            server { listen 25; }
            server { listen 587; max_errors 7; timeout 1m; } }
            """
        #expect(try self.settings(text).contains("errors: 7"))
        #expect(try self.notes(text).contains("1: max_errors 3; relay.yaml has one for all listeners: the largest, 7"))
    }

    @Test("Certificates of a server's own stand at its listener")
    func certificates() throws {
        let text = """
            mail { auth_http 127.0.0.1; ssl_certificate a; ssl_certificate_key b;
            server { listen 465 ssl; }
            server { listen 25; starttls on; ssl_certificate c; ssl_certificate_key d; } }
            """
        let settings = try self.settings(text)
        #expect(settings.contains("    certificates:\n      - certificate: /etc/nginx/c\n        key: /etc/nginx/d\n"))
        #expect(
            settings.contains("\ntls:\n  certificates:\n    - certificate: /etc/nginx/a\n      key: /etc/nginx/b\n"))
    }

    static let leftOut: [(String, String)] = [
        ("user nginx;", "user nginx;"), ("http { server { listen 80; } }", "http {…}"), ("events {}", "events {…}"),
        ("load_module x.so;", "load_module x.so;"),
        ("rtmp { a; }", "rtmp {…}"), ("some_module_s on;", "some_module_s on;"),
    ]

    @Test(
        "How long sessions may go on when nginx stops is how long the relay drains",
        arguments: [
            ("10s", "drain: 10s"), ("0", "drain: 1s"), ("2d", "drain: 1h"),
        ])
    func drains(_ time: String, _ expected: String) throws {
        let settings = try imported("worker_shutdown_timeout \(time);\n" + server("listen 25;")).yaml
        #expect(settings.contains("timeouts:\n  \(expected)\n"), "\(settings)")
    }

    @Test("What is not about mail is left out with a reason", arguments: leftOut)
    func leaves(_ text: String, _ shown: String) throws {
        let notes = try imported(text + "\n" + server("listen 25;")).notes
        #expect(notes.contains { $0.directive == shown && !$0.reason.isEmpty })
    }

    @Test("A server for IMAP is left out; of its directives nothing is said twice")
    func imap() throws {
        let text = "mail { auth_http 127.0.0.1; imap_capabilities IMAP4; server { listen 143; } server { listen 25; } }"
        let notes = try imported(text).notes
        #expect(notes.map(\.directive) == ["imap_capabilities IMAP4;", "server {…}"])
        #expect(try self.settings(text).contains("socket: smtp"))
    }

    @Test("Includes are read where they stand, sorted, and relative to the folder of the first file")
    func includes() throws {
        let text = "mail {\ninclude mail.d/*.conf;\n}"
        let files = [
            "/etc/nginx/mail.d/b.conf": "include servers/x;", "/etc/nginx/mail.d/a.conf": "auth_http 127.0.0.1;\n",
            "/etc/nginx/servers/x": "server { listen 25; }\nproxy on;",
        ]
        #expect(try self.settings(text, files).contains("socket: smtp"))
        #expect(
            try imported(text, files).notes.map(\.description) == [
                "/etc/nginx/servers/x:2: proxy on;: obsolete: nginx accepts it, and it has no effect"
            ])
    }

    @Test("The value of a header is in relay.yaml, and in no note")
    func secrets() throws {
        let text = server(
            "listen 25;\nauth_http_header Host geheim;\nauth_http_header X geheim; auth_http_header x anders;")
        let result = try imported(text)
        #expect(
            result.notes.map(\.directive).filter { $0.hasPrefix("auth_http_header") } == [
                "auth_http_header Host …;", "auth_http_header X …;",
            ])
        #expect(!result.notes.contains { $0.description.contains("geheim") })
        #expect(!result.yaml.contains("geheim"))
        #expect(result.yaml.contains("x: anders"))
    }

    @Test("Nothing that is quoted in a comment or a value ends it")
    func injection() throws {
        let text = server(
            "listen 25;\nserver_name \"a\\nroutes: []\";\nauth_http_header X-A \"b: c # d\";\nssl_password_file \"x\\r\\ny\u{85}\u{2028}z\";"
        )
        let result = try imported(text)
        #expect(
            !result.yaml.split(whereSeparator: \.isNewline).contains {
                $0.hasPrefix("routes") || $0.hasPrefix("y") || $0.hasPrefix("z")
            })
        #expect(result.yaml.contains("    X-A: \"b: c # d\"\n"))
        #expect(result.notes.contains { $0.directive == "server_name \"a?routes: []\";" })
    }
}
