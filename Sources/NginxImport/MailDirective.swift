/// What nginx's mail modules know of a directive, and what becomes of it.
struct MailDirective {
    enum Context { case mail, server }

    /// What its arguments have to be.
    enum Shape: Equatable {
        case flag, number, size, time
        /// On, off or a version of the PROXY protocol's (from 1.31.4 on).
        case version
        case word
        /// One of them, in any case.
        case one(of: [String])
        /// Some of them, in any case.
        case some(of: [String])
        /// So many words of any kind.
        case words(ClosedRange<Int>)
        case block
    }

    var shape: Shape
    var contexts: Set<Context> = [.mail, .server]
    /// It may stand several times in one block.
    var isRepeatable = false
    /// Why it has no place in relay.yaml; nil where it has one.
    var leftOut: String?

    init(_ shape: Shape, in contexts: Set<Context> = [.mail, .server], many: Bool = false, out: String? = nil) {
        self.shape = shape
        self.contexts = contexts
        self.isRepeatable = many
        self.leftOut = out
    }
}

extension MailDirective {
    private static let many = 1...1000
    private static let pools = "the relay's buffers are its own"
    private static let protocols = "the relay speaks SMTP only"
    private static let sessions = "the relay resumes TLS sessions by tickets; there is no cache to configure"
    private static let obsolete = "obsolete: "
    private static let smtp = ["plain", "login", "cram-md5", "external", "none"]

    /// Every directive of `mail {}` and of its servers.
    static let all: [String: MailDirective] = [
        "server": MailDirective(.block, in: [.mail], many: true),
        "listen": MailDirective(.words(Self.many), in: [.server], many: true),
        "protocol": MailDirective(.word, in: [.server], many: true),
        "timeout": MailDirective(.time),
        "server_name": MailDirective(.word),
        "error_log": MailDirective(
            .words(Self.many), many: true, out: "the relay logs to standard error, which systemd's journal takes"),
        "resolver": MailDirective(.words(Self.many)),
        "resolver_timeout": MailDirective(.time),
        "max_errors": MailDirective(.number),
        "so_keepalive": MailDirective(
            .flag, many: true, out: Self.obsolete + "nginx dropped it, and it is a parameter of listen now"),

        "proxy": MailDirective(.flag, out: Self.obsolete + "nginx accepts it, and it has no effect"),
        "proxy_buffer": MailDirective(.size, out: Self.pools),
        "proxy_timeout": MailDirective(
            .time, out: "a session has no bound as a whole; what waits is bounded by each of timeouts"),
        "proxy_pass_error_message": MailDirective(.flag),
        "xclient": MailDirective(.flag),
        "proxy_smtp_auth": MailDirective(.flag),
        "proxy_protocol": MailDirective(.version),

        "smtp_client_buffer": MailDirective(.size, out: Self.pools),
        "smtp_greeting_delay": MailDirective(.time),
        "smtp_capabilities": MailDirective(.words(Self.many), many: true),
        "smtp_auth": MailDirective(.some(of: Self.smtp), many: true),

        "auth_http": MailDirective(.word, many: true),
        "auth_http_timeout": MailDirective(.time),
        "auth_http_header": MailDirective(.words(2...2), many: true),
        "auth_http_pass_client_cert": MailDirective(.flag),

        "set_real_ip_from": MailDirective(.word, many: true),

        "ssl": MailDirective(.flag),
        "starttls": MailDirective(.one(of: ["off", "on", "only"])),
        "ssl_certificate": MailDirective(.word, many: true),
        "ssl_certificate_key": MailDirective(.word, many: true),
        "ssl_certificate_compression": MailDirective(.flag, out: "not offered"),
        "ssl_password_file": MailDirective(.word, out: "keys have to be without a passphrase"),
        "ssl_dhparam": MailDirective(.word, out: "key exchange is by elliptic curves only"),
        "ssl_ecdh_curve": MailDirective(.word, out: "the TLS library's own list of curves is used"),
        "ssl_protocols": MailDirective(
            .some(of: ["SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]), many: true),
        "ssl_ciphers": MailDirective(.word),
        "ssl_prefer_server_ciphers": MailDirective(.flag, out: "the relay's order of ciphers counts"),
        "ssl_session_cache": MailDirective(.words(1...2), out: Self.sessions),
        "ssl_session_timeout": MailDirective(.time, out: Self.sessions),
        "ssl_session_tickets": MailDirective(.flag),
        "ssl_session_ticket_key": MailDirective(.word, many: true, out: "the relay makes its own keys for tickets"),
        "ssl_verify_client": MailDirective(.one(of: ["off", "on", "optional", "optional_no_ca"])),
        "ssl_verify_depth": MailDirective(.number),
        "ssl_client_certificate": MailDirective(.word),
        "ssl_trusted_certificate": MailDirective(.word),
        "ssl_crl": MailDirective(.word, out: "revocation lists are not read: certificates on it would be accepted"),
        "ssl_conf_command": MailDirective(
            .words(2...2), many: true, out: "commands are OpenSSL's, and the relay has none"),

        "imap_client_buffer": MailDirective(.size, out: Self.protocols),
        "imap_capabilities": MailDirective(.words(Self.many), many: true, out: Self.protocols),
        "imap_auth": MailDirective(.some(of: Self.smtp), many: true, out: Self.protocols),
        "pop3_capabilities": MailDirective(.words(Self.many), many: true, out: Self.protocols),
        "pop3_auth": MailDirective(.some(of: Self.smtp + ["apop"]), many: true, out: Self.protocols),
    ]

    /// Directives of nginx itself: nothing of mail's, but not unknown either. The reason why they are left out.
    static let ofMain: [String: String] = {
        var reasons: [String: String] = [:]
        for name in ["http", "stream", "events", "rtmp", "mgmt"] { reasons[name] = "not about mail" }
        for name in [
            "user", "worker_processes", "worker_priority", "worker_cpu_affinity", "worker_rlimit_nofile",
            "worker_rlimit_core", "worker_aio_requests", "working_directory", "daemon", "master_process", "pid",
            "lock_file", "env", "thread_pool", "timer_resolution", "debug_points", "pcre_jit", "quic_bpf",
        ] {
            reasons[name] = "about nginx's processes: the relay's unit says these things (docs/systemd.md)"
        }
        reasons["error_log"] = Self.all["error_log"]?.leftOut
        reasons["load_module"] = "there are no modules"
        for name in ["ssl_engine", "ssl_object_cache_inheritable", "google_perftools_profiles"] {
            reasons[name] = "about nginx's libraries"
        }
        return reasons
    }()
}

extension MailDirective {
    /// Checks the arguments as nginx does, with its words.
    func check(_ directive: NginxDirective) throws(NginxConfigurationError) {
        let name = Printable.text(directive.name)
        if self.shape == .block {
            guard directive.block != nil else { throw directive.error("directive \"\(name)\" has no opening \"{\"") }
        } else if directive.block != nil {
            throw directive.error("directive \"\(name)\" is not terminated by \";\"")
        }
        let count: ClosedRange<Int> =
            switch self.shape {
            case .flag, .number, .size, .time, .version, .word, .one: 1...1
            case .some: Self.many
            case .words(let range): range
            case .block: 0...0
            }
        guard count.contains(directive.arguments.count) else {
            throw directive.error("invalid number of arguments in \"\(name)\" directive")
        }
        for word in directive.arguments {
            let text = Printable.text(word.text)
            if word.isRepaired {
                throw directive.error("a value of the \"\(name)\" directive is not UTF-8, which relay.yaml has to be")
            }
            switch self.shape {
            case .flag where NginxValue.flag(word.text) == nil,
                .version where NginxValue.flag(word.text) == nil && !["v1", "v2"].contains(word.text.lowercased()):
                throw directive.error(
                    "invalid value \"\(text)\" in \"\(name)\" directive, it must be \"on\" or \"off\"")
            case .number where NginxValue.number(word.text) == nil:
                throw directive.error("\"\(name)\" directive invalid number")
            case .size where NginxValue.size(word.text) == nil, .time where NginxValue.milliseconds(word.text) == nil:
                throw directive.error("\"\(name)\" directive invalid value")
            case .one(let words), .some(let words):
                guard words.contains(where: { $0.lowercased() == word.text.lowercased() }) else {
                    throw directive.error("invalid value \"\(text)\"")
                }
            case .flag, .number, .size, .time, .version, .word, .words, .block: break
            }
        }
    }
}
