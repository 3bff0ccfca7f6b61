/// A `server {}` of nginx's mail, with what it inherits.
struct MailServer {
    /// Whom it asks and how it treats backends. Two servers with equal ones share the top of relay.yaml.
    struct Lookup: Equatable {
        enum Identity: String { case none, xclient, proxyV1 = "proxy-v1", proxyV2 = "proxy-v2" }
        var url: String
        /// Milliseconds.
        var timeout: Int
        /// Names and values, each name once.
        var headers: [[String]]
        var passesClientCertificate: Bool
        var identity: Identity
        /// The client's credentials are sent on to the backend.
        var authenticates: Bool
        /// A backend's refusals go to the client as they are.
        var passesReplies: Bool

        /// The same server is asked in the same way.
        func asksAs(_ other: Lookup) -> Bool {
            self.url == other.url && self.timeout == other.timeout && self.headers == other.headers
                && self.passesClientCertificate == other.passesClientCertificate
        }

        /// What comes of the answer is the same.
        func deliversAs(_ other: Lookup) -> Bool {
            self.identity == other.identity && self.authenticates == other.authenticates
                && self.passesReplies == other.passesReplies
        }
    }

    /// Its TLS, but not whether a listener has it.
    struct TLS: Equatable {
        var certificates: [[String]]
        /// nil: nginx's default.
        var protocols: [String]?
        var ciphers: String?
        var tickets: Bool?
        var clientCA: String?
        var verifyDepth: Int?
    }

    var directive: NginxDirective
    var scope: MailScope
    var `protocol`: String
    var listens: [MailListen]
    var name: String?
    /// "off", "on" or "only".
    var startTLS: String
    var tls: TLS
    /// "off", "on", "optional" or "optional_no_ca".
    var verifiesClient: String
    /// Of nginx's words, in its order.
    var mechanisms: [String]
    var capabilities: [String]
    var lookup: Lookup?

    static let mechanismOrder = ["plain", "login", "cram-md5", "external", "none"]
    private static let defaultPorts = [
        25: "smtp", 465: "smtp", 587: "smtp", 143: "imap", 993: "imap", 110: "pop3", 995: "pop3",
    ]

    init(_ directive: NginxDirective, _ scope: MailScope, folder: String) throws(NginxConfigurationError) {
        self.directive = directive
        self.scope = scope
        func failure(_ message: String) -> NginxConfigurationError {
            directive.error("\(message) for server")
        }
        var listens: [MailListen] = []
        for directive in scope.server["listen"] { listens.append(try MailListen(directive)) }
        guard !listens.isEmpty else { throw failure("no \"listen\" is defined") }
        // As in nginx, the first listen on a port that is known decides, unless there is a protocol.
        let byPort = listens.lazy.flatMap(\.sockets).compactMap { Self.port($0).flatMap { Self.defaultPorts[$0] } }
            .first
        for directive in scope.server["protocol"] where !["smtp", "imap", "pop3"].contains(directive.text(0)) {
            throw directive.error("unknown protocol \"\(Printable.text(directive.text(0)))\"")
        }
        guard let named = scope.server["protocol"].last?.text(0) ?? byPort else {
            throw failure("unknown mail protocol")
        }
        self.protocol = named
        self.name = scope.word("server_name").flatMap { $0.isEmpty ? nil : $0 }
        self.startTLS = scope.choice("starttls") ?? "off"
        if scope.flag("ssl") == true {
            for index in listens.indices { listens[index].isTLS = true }
        }
        self.listens = listens
        let usesTLS = self.startTLS != "off" || listens.contains(where: \.isTLS)
        // Who is to blame where there is no certificate: ssl, a listener, or starttls.
        let asking: (NginxDirective, String)? =
            if scope.flag("ssl") == true, let ssl = scope.last("ssl") {
                (ssl, "ssl")
            } else if let listen = listens.first(where: \.isTLS) {
                (listen.directive, "listen ... ssl")
            } else if self.startTLS != "off", let starttls = scope.last("starttls") {
                (starttls, "starttls")
            } else {
                nil
            }
        self.tls = try Self.tls(scope, folder, asking)
        let verifies = scope.choice("ssl_verify_client") ?? "off"
        self.verifiesClient = verifies
        if usesTLS, ["on", "optional"].contains(verifies), scope.last("ssl_client_certificate") == nil {
            throw directive.error("no ssl_client_certificate for ssl_verify_client")
        }
        let mechanisms = scope.choices("smtp_auth")
        self.mechanisms = Self.mechanismOrder.filter(
            (mechanisms.isEmpty ? ["plain", "login"] : mechanisms).contains)
        self.capabilities = scope.words("smtp_capabilities")
        let lookup = try Self.lookup(scope)
        self.lookup = lookup
        guard lookup != nil else { throw failure("no \"auth_http\" is defined") }
    }

    /// Some listener speaks TLS, from the start or later.
    var usesTLS: Bool { self.startTLS != "off" || self.listens.contains(where: \.isTLS) }

    private static func port(_ socket: MailListen.Socket) -> Int? {
        switch socket.place {
        case .address(_, let port), .name(_, let port): port
        case .unix: nil
        }
    }
}

extension MailServer {
    private static func tls(
        _ scope: MailScope, _ folder: String, _ asking: (directive: NginxDirective, mode: String)?
    ) throws(NginxConfigurationError) -> TLS {
        func path(_ text: String) -> String { NginxPath.absolute(text, in: folder) }
        let certificates = scope.words("ssl_certificate")
        let keys = scope.words("ssl_certificate_key")
        if let asking {
            func failure(_ what: String) -> NginxConfigurationError {
                asking.directive.error("no \(what) the \"\(asking.mode)\" directive")
            }
            guard !certificates.isEmpty else { throw failure("\"ssl_certificate\" is defined for") }
            guard !keys.isEmpty else { throw failure("\"ssl_certificate_key\" is defined for") }
            guard keys.count >= certificates.count else {
                let name = Printable.text(certificates[keys.count])
                throw failure("\"ssl_certificate_key\" is defined for certificate \"\(name)\" and")
            }
        }
        let protocols = scope.choices("ssl_protocols")
        let ca = scope.word("ssl_client_certificate") ?? scope.word("ssl_trusted_certificate")
        return TLS(
            certificates: zip(certificates, keys).map { [path($0), path($1)] },
            protocols: protocols.isEmpty ? nil : ["TLSv1.2", "TLSv1.3"].filter { protocols.contains($0.lowercased()) },
            ciphers: scope.word("ssl_ciphers"), tickets: scope.flag("ssl_session_tickets"), clientCA: ca.map(path),
            verifyDepth: scope.number("ssl_verify_depth"))
    }

    private static func lookup(_ scope: MailScope) throws(NginxConfigurationError) -> Lookup? {
        // (Every one is checked, as nginx does, though only the last counts.)
        var url: String?
        for directive in scope.all("auth_http") { url = try Self.url(directive) }
        guard let url else { return nil }
        var headers: [[String]] = []
        for directive in scope.all("auth_http_header") {
            let name = directive.text(0)
            headers.removeAll { $0[0].lowercased() == name.lowercased() }
            headers.append([name, directive.text(1)])
        }
        let identity: Lookup.Identity =
            switch (scope.flag("xclient") ?? true, scope.choice("proxy_protocol") ?? "off") {
            case (true, _): .xclient
            case (false, "on"), (false, "v1"): .proxyV1
            case (false, "v2"): .proxyV2
            case (false, _): .none
            }
        return Lookup(
            url: url, timeout: scope.milliseconds("auth_http_timeout") ?? 60_000, headers: headers,
            passesClientCertificate: scope.flag("auth_http_pass_client_cert") ?? false, identity: identity,
            authenticates: scope.flag("proxy_smtp_auth") ?? false,
            passesReplies: scope.flag("proxy_pass_error_message") ?? false)
    }

    private static func url(_ directive: NginxDirective) throws(NginxConfigurationError) -> String {
        let text = directive.text(0)
        let rest = text.hasPrefix("http://") ? String(text.dropFirst(7)) : text
        do {
            let url = try NginxURL(rest, isListener: false)
            let uri = url.uri.isEmpty ? "/" : url.uri
            let port = url.ports.map { $0.lowerBound == 80 ? "" : ":\($0.lowerBound)" } ?? ""
            switch url.host {
            case .ipv4(let address): return "http://\(address)\(port)\(uri)"
            case .ipv6(let address): return "http://[\(address)]\(port)\(uri)"
            case .name(let name): return "http://\(name)\(port)\(uri)"
            case .wildcard: return "http://127.0.0.1\(port)\(uri)"
            case .unix(let path): return "http://unix:\(path):\(uri)"
            }
        } catch {
            throw directive.error("\(error.message) in auth_http \"\(Printable.text(rest))\"")
        }
    }
}
