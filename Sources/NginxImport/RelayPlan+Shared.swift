// What relay.yaml says once for all listeners, though nginx says it for each server.

extension RelayPlan {
    /// The value that is largest, of what each server says or has by default; noted where another server has less.
    private mutating func largest(_ name: String, _ value: (MailScope) -> Int) -> Int {
        let values = self.servers.map { value($0.scope) }
        let largest = values.max() ?? 0
        for (server, own) in zip(self.servers, values) where own != largest {
            if let directive = server.scope.last(name) {
                self.note(directive, "relay.yaml has one for all listeners: the largest, \(largest)")
            }
        }
        return largest
    }

    // MARK: TLS

    /// What stands under `tls` at the top, and the TLS of the first server that has any.
    mutating func tls() -> (entries: [YAMLValue.Entry], shared: MailServer.TLS?) {
        let all = self.servers.filter(\.usesTLS)
        guard let shared = all.first?.tls else {
            for server in self.servers { self.noteUnusedTLS(server) }
            return ([], nil)
        }
        var entries: [YAMLValue.Entry] = [.init("certificates", .list(RelayPlan.certificates(shared)))]
        if let protocols = shared.protocols {
            self.noteProtocols(all)
            if !protocols.isEmpty { entries.append(.init("protocols", .words(protocols))) }
        }
        if let ciphers = shared.ciphers, let directive = all.first?.scope.last("ssl_ciphers") {
            if Self.isUsable(ciphers) {
                entries.append(.init("ciphers", .text(ciphers)))
            } else {
                self.note(directive, "it names no cipher suite that the relay has: the relay's own list is used")
            }
        }
        if let tickets = shared.tickets { entries.append(.init("session-tickets", .text(tickets ? "on" : "off"))) }
        // (Without a verification nginx reads the file, and asks nobody for a certificate.)
        if let verifying = all.first(where: { $0.verifiesClient != "off" }) {
            if let ca = verifying.tls.clientCA { entries.append(.init("client-ca", .text(ca))) }
            if let depth = verifying.tls.verifyDepth {
                entries.append(.init("verify-depth", .figure(String(Self.clamp(depth, 0...100)))))
            }
        }
        for server in all where !Self.agree(server.tls, shared) {
            self.note(
                server.directive,
                "relay.yaml has one ssl_protocols, ssl_ciphers, ssl_session_tickets, ssl_client_certificate and ssl_verify_depth for all listeners: the first server's"
            )
        }
        for server in all where server.scope.last("ssl_client_certificate") != nil {
            if let directive = server.scope.last("ssl_trusted_certificate") {
                self.note(directive, "client certificates are verified against ssl_client_certificate alone")
            }
        }
        return (entries, shared)
    }

    /// Whether a list in OpenSSL's language has a word in it that takes suites which the relay has.
    private static func isUsable(_ list: String) -> Bool {
        list.split { ":, ".contains($0) }.contains { word in
            !["!", "-", "+", "@"].contains(String(word.prefix(1)))
                && (["HIGH", "DEFAULT", "ALL", "ECDHE", "EECDH", "AES", "AESGCM", "CHACHA20"].contains(String(word))
                    || word.hasPrefix("ECDHE-") && word.contains("-AES")
                    || word.hasPrefix("ECDHE-") && word.hasSuffix("-CHACHA20-POLY1305"))
        }
    }

    private static func agree(_ left: MailServer.TLS, _ right: MailServer.TLS) -> Bool {
        var left = left
        left.certificates = right.certificates
        return left == right
    }

    private mutating func noteProtocols(_ servers: [MailServer]) {
        for server in servers {
            for directive in server.scope.all("ssl_protocols") {
                let old = directive.arguments.map(\.text).filter { !["tlsv1.2", "tlsv1.3"].contains($0.lowercased()) }
                if !old.isEmpty {
                    self.note(directive, "\(old.joined(separator: ", ")) not supported (RFC 8996)")
                }
            }
        }
    }

    private mutating func noteUnusedTLS(_ server: MailServer) {
        if let directive = server.scope.last("ssl_certificate") {
            self.note(directive, "no listener for SMTP has TLS")
        }
    }

    // MARK: Addresses

    /// Who may tell clients' addresses, of all servers together; nil where nobody may.
    mutating func proxies() -> [String]? {
        var result: [String] = []
        for server in self.servers {
            for directive in server.scope.all("set_real_ip_from") {
                let text = directive.text(0)
                if text == "unix:" {
                    if !result.contains(text) { result.append(text) }
                } else if let network = NginxAddress.network(text) {
                    if !result.contains(network) { result.append(network) }
                } else {
                    self.note(directive, "\"\(Printable.text(text))\" is neither an address nor a network")
                }
            }
        }
        if result.isEmpty, self.servers.contains(where: { $0.listens.contains(where: \.hasProxyProtocol) }) {
            return ["127.0.0.0/8", "::1/128"]
        }
        return result.isEmpty ? nil : result
    }

    mutating func resolver() -> YAMLValue.Entry? {
        let using = self.servers.filter { $0.scope.last("resolver").map { $0.text(0) != "off" } ?? false }
        guard let directive = using.first?.scope.last("resolver") else { return nil }
        for server in self.servers {
            let own = server.scope.last("resolver")
            if own != directive {
                self.note(own ?? server.directive, "relay.yaml has one resolver for all listeners: the first server's")
            }
        }
        var servers: [String] = []
        for word in directive.arguments.map(\.text) {
            if word.contains("=") {
                self.note(directive, "\(Printable.text(word)) has no place: answers are kept for as long as they say")
                continue
            }
            guard let url = try? NginxURL(word, isListener: false), let server = Self.address(url) else {
                self.note(directive, "\(Printable.text(word)) is not an address")
                continue
            }
            servers.append(server)
        }
        guard !servers.isEmpty else { return nil }
        let timeout = self.largest("resolver_timeout") { $0.milliseconds("resolver_timeout") ?? 30_000 }
        return .init(
            "resolver",
            .mapping([
                .init("servers", .words(servers)),
                .init("timeout", .figure(Self.time(Self.clamp(timeout, 100...120_000)))),
            ]))
    }

    private static func address(_ url: NginxURL) -> String? {
        let port = url.ports?.lowerBound ?? 53
        switch url.host {
        case .ipv4(let address): return "\(address):\(port)"
        case .ipv6(let address): return "[\(address)]:\(port)"
        case .name, .wildcard, .unix: return nil
        }
    }

    // MARK: Lookup

    /// Whom to ask, and how.
    mutating func question(_ lookup: MailServer.Lookup, _ server: MailServer) -> [YAMLValue.Entry] {
        let bounds = 100...120_000
        let given = server.scope.last("auth_http_timeout")
        if let given, !bounds.contains(lookup.timeout) { self.note(given, "the bounds are 100 ms and 2 minutes") }
        let timeout = YAMLValue.figure(Self.time(Self.clamp(lookup.timeout, bounds)))
        var entries: [YAMLValue.Entry] = [
            .init("url", .text(lookup.url)), .init("timeout", timeout, given == nil ? "nginx's default" : nil),
        ]
        let headers = self.headers(lookup, server)
        if !headers.isEmpty { entries.append(.init("headers", .mapping(headers))) }
        if lookup.passesClientCertificate { entries.append(.init("pass-client-certificate", .text("on"))) }
        return entries
    }

    /// What stands under `lookup` at the top: also how mail goes to the servers that it names.
    mutating func entries(_ lookup: MailServer.Lookup, _ server: MailServer) -> [YAMLValue.Entry] {
        var entries = self.question(lookup, server)
        if lookup.identity != .none {
            let isDefault = lookup.identity == .xclient && server.scope.last("xclient") == nil
            entries.append(
                .init("identity", .text(lookup.identity.rawValue), isDefault ? "nginx's default" : nil))
            if lookup.identity == .xclient, let directive = server.scope.last("proxy_protocol"),
                directive.text(0).lowercased() != "off"
            {
                self.note(directive, "a backend is told the client by one means: XCLIENT")
            }
        }
        if lookup.authenticates { entries.append(.init("auth", .text("login-of-client"))) }
        let replies = YAMLValue.mapping([
            .init(
                "replies", .text(lookup.passesReplies ? "pass" : "mask"),
                lookup.passesReplies ? nil : "nginx says 451 instead")
        ])
        entries.append(.init("message", replies))
        return entries
    }

    private mutating func headers(_ lookup: MailServer.Lookup, _ server: MailServer) -> [YAMLValue.Entry] {
        var entries: [YAMLValue.Entry] = []
        for header in lookup.headers {
            let directive = server.scope.all("auth_http_header").last { $0.text(0) == header[0] }
            if let problem = Self.problem(header: header[0], header[1]) {
                if let directive { self.note(directive, problem) }
                continue
            }
            entries.append(.init(header[0], .text(header[1])))
        }
        for directive in server.scope.all("auth_http_header")
        where !lookup.headers.contains(where: { $0[0] == directive.text(0) && $0[1] == directive.text(1) }) {
            self.note(directive, "a later one has the same name, and a header is sent once")
        }
        return entries
    }

    /// What the relay sends itself, or never sends.
    private static let reserved: Set<String> = [
        "host", "connection", "keep-alive", "content-length", "transfer-encoding", "upgrade", "expect", "te", "trailer",
    ]

    private static func problem(header name: String, _ value: String) -> String? {
        let lowered = name.lowercased()
        let isToken = name.utf8.allSatisfy {
            0x30...0x39 ~= $0 || 0x41...0x5A ~= $0 || 0x61...0x7A ~= $0 || "!#$%&'*+-.^_`|~".utf8.contains($0)
        }
        guard isToken, !name.isEmpty else { return "not the name of a header" }
        guard !Self.reserved.contains(lowered), !Self.ownPrefixes.contains(where: { lowered.hasPrefix($0) }) else {
            return "the relay sends this header itself, or it would change the request"
        }
        guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }) else {
            return "a control character in the value would change the request"
        }
        guard !value.isEmpty else { return "relay.yaml has no headers without a value" }
        return nil
    }

    /// (More than are in use: a later version of the protocol may have others.)
    private static let ownPrefixes = [
        "auth-method", "auth-user", "auth-pass", "auth-salt", "auth-protocol", "auth-login-attempt", "client-ip",
        "client-host", "client-port", "proxy-protocol-", "auth-smtp-", "auth-ssl",
    ]

    // MARK: Limits and timeouts

    mutating func limits() -> [YAMLValue.Entry] {
        let errors = self.largest("max_errors") { $0.number("max_errors") ?? 5 }
        let isErrorsDefault = self.servers.allSatisfy { $0.scope.last("max_errors") == nil }
        return [
            .init("message-size", .figure(String(self.messageSize())), "nginx has no bound but what SIZE announces"),
            .init(
                "errors", .figure(String(Self.clamp(errors, 1...1000))), isErrorsDefault ? "nginx's default" : nil),
        ]
    }

    /// The largest that a server announces; 0, no bound, where one announces none.
    private mutating func messageSize() -> Int {
        var sizes: [Int] = []
        for server in self.servers {
            let words = server.capabilities.map { $0.split(separator: " ") }
            let size = words.last { $0.first?.uppercased() == "SIZE" && $0.count > 1 }.flatMap {
                NginxValue.number($0[1])
            }
            sizes.append(size ?? 0)
        }
        let size = sizes.contains(0) ? 0 : sizes.max() ?? 0
        let used = size == 0 ? 0 : Self.clamp(size, 65_536...(1 << 40))
        for (server, own) in zip(self.servers, sizes) where own != 0 && own != used {
            if let directive = server.scope.last("smtp_capabilities") {
                self.note(
                    directive, "limits.message-size is one for all listeners: \(used == 0 ? "none" : String(used))")
            }
        }
        return used
    }

    mutating func timeouts() -> [YAMLValue.Entry] {
        let given = self.servers.compactMap { $0.scope.last("timeout") }
        // (Nobody has chosen nginx's 60 s, and a minute is less than RFC 5321 section 4.5.3.2.7 has clients be given.)
        let drain = self.shutdownTime.map {
            YAMLValue.Entry("drain", .figure(Self.time(Self.clamp($0, 1000...3_600_000))))
        }
        guard let directive = given.first else { return drain.map { [$0] } ?? [] }
        let timeout = self.largest("timeout") { $0.milliseconds("timeout") ?? 60_000 }
        self.note(
            directive,
            "nginx's is for all commands together, to the first RCPT or AUTH, and once more for the backend; here it is for each command, a TLS handshake, connecting, and each of the backend's replies"
        )
        func entry(_ key: String, _ most: Int) -> YAMLValue.Entry {
            .init(key, .figure(Self.time(Self.clamp(timeout, 1000...most))))
        }
        return [
            entry("command", 3_600_000), entry("handshake", 600_000), entry("connect", 240_000),
            entry("greeting", 600_000), entry("backend-command", 600_000),
        ] + (drain.map { [$0] } ?? [])
    }

    static func clamp(_ value: Int, _ range: ClosedRange<Int>) -> Int {
        min(max(value, range.lowerBound), range.upperBound)
    }

    /// A time as relay.yaml has it.
    static func time(_ milliseconds: Int) -> String {
        if milliseconds % 1000 != 0 { return "\(milliseconds)ms" }
        if milliseconds % 60_000 != 0 || milliseconds == 0 { return "\(milliseconds / 1000)s" }
        return milliseconds % 3_600_000 == 0 ? "\(milliseconds / 3_600_000)h" : "\(milliseconds / 60_000)m"
    }
}
