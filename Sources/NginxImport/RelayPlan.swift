/// The relay.yaml that does what an nginx.conf says.
struct RelayPlan {
    let servers: [MailServer]
    let shutdownTime: Int?
    var notes: [ImportNote]
    private(set) var socketLines: [String] = []
    private var names = SocketNames()

    init(_ mail: NginxMail) {
        self.servers = mail.servers
        self.shutdownTime = mail.shutdownTime
        self.notes = mail.notes
    }

    /// Writes the document, and finds on the way what it cannot say.
    mutating func document() -> String {
        var entries: [YAMLValue.Entry] = []
        let name = self.serverName
        if let name { entries.append(.init("server", .mapping([.init("name", .text(name))]))) }
        let tls = self.tls()
        let lookup = self.servers.first?.lookup
        var listeners: [[YAMLValue.Entry]] = []
        for server in self.servers {
            var settings = self.settings(of: server)
            if let own = self.hostName(server), own != name { settings.insert(.init("name", .text(own)), at: 0) }
            if let own = server.lookup, let lookup {
                if !own.asksAs(lookup) { settings.append(.init("lookup", .mapping(self.question(own, server)))) }
                if !own.deliversAs(lookup) {
                    self.note(
                        server.directive,
                        "xclient, proxy_protocol, proxy_smtp_auth and proxy_pass_error_message are one for all listeners: the first server's"
                    )
                }
            }
            listeners += self.listeners(of: server, settings, shared: tls.shared)
        }
        entries.append(.init("listeners", .list(listeners)))
        if !tls.entries.isEmpty { entries.append(.init("tls", .mapping(tls.entries))) }
        if let proxies = self.proxies() {
            entries.append(.init("proxies", .words(proxies), "who may tell clients' addresses, at every listener"))
        }
        if let resolver = self.resolver() { entries.append(resolver) }
        if let lookup, let first = self.servers.first {
            entries.append(.init("lookup", .mapping(self.entries(lookup, first))))
        }
        entries.append(.init("limits", .mapping(self.limits())))
        let timeouts = self.timeouts()
        if !timeouts.isEmpty { entries.append(.init("timeouts", .mapping(timeouts))) }
        self.sortNotes()
        return YAMLValue.document(entries)
    }

    /// In the order of the files, and of the lines of each.
    private mutating func sortNotes() {
        var files: [String: Int] = [:]
        for note in self.notes where files[note.file] == nil { files[note.file] = files.count }
        self.notes = self.notes.enumerated().sorted { left, right in
            (files[left.element.file] ?? 0, left.element.line, left.offset)
                < (files[right.element.file] ?? 0, right.element.line, right.offset)
        }.map(\.element)
    }

    mutating func note(_ directive: NginxDirective, _ reason: String) {
        let note = ImportNote(directive, reason)
        // (What mail {} says is met again in each server.)
        if !self.notes.contains(note) { self.notes.append(note) }
    }
}

// MARK: Listeners

extension RelayPlan {
    private var serverName: String? {
        self.servers.first.flatMap { $0.name }.flatMap { HostName.isValid($0) ? $0 : nil }
    }

    /// The server's own name, where relay.yaml can have it.
    private mutating func hostName(_ server: MailServer) -> String? {
        guard let name = server.name else { return nil }
        guard HostName.isValid(name) else {
            if let directive = server.scope.last("server_name") { self.note(directive, "not a host name") }
            return nil
        }
        return name
    }

    /// What all listeners of a server have.
    private mutating func settings(of server: MailServer) -> [YAMLValue.Entry] {
        var settings: [YAMLValue.Entry] = []
        if server.mechanisms != ["none"] {
            let isDefault = server.scope.all("smtp_auth").isEmpty
            settings.append(
                .init("auth", .words(server.mechanisms), isDefault ? "nginx's default" : nil))
        }
        if let ehlo = self.ehlo(server) { settings.append(.init("ehlo", .words(ehlo))) }
        settings.append(.init("hello", .text("optional"), "as nginx: MAIL without EHLO is taken"))
        settings.append(.init("pipelining", .text("tolerant")))
        if let delay = server.scope.milliseconds("smtp_greeting_delay"), delay > 0 {
            settings.append(.init("greeting-delay", .figure(Self.time(Self.clamp(delay, 1...120_000)))))
        }
        return settings
    }

    private mutating func ehlo(_ server: MailServer) -> [String]? {
        guard !server.capabilities.isEmpty else { return nil }
        var result: [String] = []
        for directive in server.scope.all("smtp_capabilities") {
            for word in directive.arguments.map(\.text) {
                let keyword = word.split(separator: " ").first.map { $0.uppercased() } ?? ""
                if ["AUTH", "STARTTLS"].contains(keyword) {
                    self.note(directive, "\(keyword) is announced by what auth and tls say")
                } else if !Self.announceable.contains(keyword) {
                    self.note(directive, "the relay does not serve \(Printable.text(word)), and does not announce it")
                } else if !result.contains(keyword) {
                    result.append(keyword)
                }
            }
        }
        if result.contains("SMTPUTF8"), !result.contains("8BITMIME"), let last = server.scope.last("smtp_capabilities")
        {
            result.removeAll { $0 == "SMTPUTF8" }
            self.note(last, "SMTPUTF8 is announced with 8BITMIME only (RFC 6531 section 3.1)")
        }
        return result
    }

    /// What relay.yaml takes under `ehlo`.
    private static let announceable = [
        "PIPELINING", "SIZE", "8BITMIME", "ENHANCEDSTATUSCODES", "CHUNKING", "SMTPUTF8", "DSN", "LIMITS",
    ]

    private mutating func listeners(
        of server: MailServer, _ settings: [YAMLValue.Entry], shared: MailServer.TLS?
    ) -> [[YAMLValue.Entry]] {
        var result: [[YAMLValue.Entry]] = []
        // The places of sockets in `result`, by their name.
        var named: [(name: String, listen: MailListen, index: Int)] = []
        for listen in server.listens {
            let own = self.settings(of: listen, in: server, shared: shared)
            for parameter in listen.leftOut {
                self.note(listen.directive, "\(parameter) is not supported")
            }
            for socket in listen.sockets {
                let options = self.options(of: listen, at: socket.place)
                switch socket.place {
                case .address(let host, let port) where port >= 1024:
                    result.append([.init("address", .text("\(host):\(port)"))] + options + own + settings)
                    continue
                case .unix(let path):
                    result.append([.init("address", .text("unix:" + path))] + options + own + settings)
                    continue
                case .address, .name: break
                }
                let (host, port) = Self.hostAndPort(socket.place)
                // IPv4 and IPv6 of one server are one name, if they differ in nothing else.
                let same = named.first {
                    self.names.base(of: $0.name) == SocketNames.base(port) && $0.listen.serves(as: listen)
                }
                let name = same?.name ?? self.names.take(port)
                let line = self.socketLine(name, host, port, listen)
                self.socketLines.append(line)
                if let same, let first = result[same.index].indices.first {
                    result[same.index][first].lead.append(line)
                } else {
                    named.append((name, listen, result.count))
                    let socket = YAMLValue.Entry("socket", .text(name), lead: ["in sockets.conf:", line])
                    result.append([socket] + options + own + settings)
                }
            }
        }
        return result
    }

    private static func hostAndPort(_ place: MailListen.Socket.Place) -> (String, Int) {
        switch place {
        case .address(let host, let port), .name(let host, let port): (host, port)
        case .unix(let path): (path, 0)
        }
    }

    private mutating func socketLine(_ name: String, _ host: String, _ port: Int, _ listen: MailListen) -> String {
        var options = ""
        if let backlog = listen.backlog { options += " backlog=\(min(backlog, 65535))" }
        if host.hasPrefix("["), listen.isV6Only ?? true { options += " v6only" }
        if case .name = listen.sockets.first?.place {
            // (As it stands the policy is refused whole. A wildcard would open more than nginx did.)
            self.note(
                listen.directive, "\(Printable.text(host)) is a name: put its address into the line of sockets.conf")
        }
        return "\(name) tcp \(Printable.text(host)):\(port)\(options) get=postern bind=postern store=postern-binder"
    }

    /// What the relay does with the sockets of a listener. Of a name's, backlog and v6only are in sockets.conf.
    private mutating func options(of listen: MailListen, at place: MailListen.Socket.Place) -> [YAMLValue.Entry] {
        var entries: [YAMLValue.Entry] = []
        var (isV6, isBoundHere, isUnix) = (false, false, false)
        switch place {
        case .address(let host, let port): (isV6, isBoundHere) = (host.hasPrefix("["), port >= 1024)
        case .unix: (isBoundHere, isUnix) = (true, true)
        case .name: break
        }
        if isBoundHere, isV6, listen.isV6Only ?? true {
            entries.append(.init("v6only", .text("on"), listen.isV6Only == nil ? "nginx's default" : nil))
        }
        if isBoundHere, let backlog = listen.backlog {
            entries.append(.init("backlog", .figure(String(Self.clamp(backlog, 1...65535)))))
        }
        for (key, size) in [("receive-buffer", listen.receiveBuffer), ("send-buffer", listen.sendBuffer)] {
            if let size { entries.append(.init(key, .figure(String(Self.clamp(size, 1024...(1 << 30)))))) }
        }
        switch listen.keepalive {
        case .on where isUnix, .tuned where isUnix:
            self.note(listen.directive, "so_keepalive: a Unix socket has no network to be lost in")
        case .on: entries.append(.init("keepalive", .text("on")))
        case .tuned(let idle, let interval, let probes):
            var pairs: [(key: String, value: YAMLValue)] = []
            for (key, seconds) in [("idle", idle), ("interval", interval)] {
                if let seconds { pairs.append((key, .figure("\(Self.clamp(seconds, 1...32767))s"))) }
            }
            if let probes { pairs.append(("probes", .figure(String(Self.clamp(probes, 1...127))))) }
            entries.append(.init("keepalive", .pairs(pairs)))
        case .off, nil: break
        }
        return entries
    }

    private mutating func settings(
        of listen: MailListen, in server: MailServer, shared: MailServer.TLS?
    ) -> [YAMLValue.Entry] {
        var settings: [YAMLValue.Entry] = []
        let mode =
            listen.isTLS
            ? "implicit" : server.startTLS == "on" ? "starttls" : server.startTLS == "only" ? "required" : nil
        if let mode {
            settings.append(.init("tls", .text(mode)))
            if server.tls.certificates != shared?.certificates {
                settings.append(.init("certificates", .list(Self.certificates(server.tls))))
            }
            if server.verifiesClient != "off" {
                let mode = server.verifiesClient.replacing("_", with: "-")
                settings.append(.init("client-certificates", .text(mode)))
            }
            if mode == "required", let directive = server.scope.last("starttls") {
                self.note(
                    directive, "every command but EHLO, NOOP, STARTTLS and QUIT waits for TLS; nginx lets MAIL pass")
            }
        }
        if listen.hasProxyProtocol {
            settings.append(.init("proxy-protocol", .text("on")))
            if server.scope.all("set_real_ip_from").isEmpty {
                self.note(
                    listen.directive,
                    "without set_real_ip_from nginx takes the header from anybody and does not believe it; here this host alone may send one: name the proxies"
                )
            }
        }
        return settings
    }

    static func certificates(_ tls: MailServer.TLS) -> [[YAMLValue.Entry]] {
        tls.certificates.map { [.init("certificate", .text($0[0])), .init("key", .text($0[1]))] }
    }
}

/// The names of listeners on privileged ports.
private struct SocketNames {
    private var taken: [String: Int] = [:]
    private var bases: [String: String] = [:]

    static func base(_ port: Int) -> String {
        switch port {
        case 25: "smtp"
        case 587: "submission"
        case 465: "submissions"
        default: "port-\(port)"
        }
    }

    func base(of name: String) -> String? { self.bases[name] }

    /// A name that no other listener has.
    mutating func take(_ port: Int) -> String {
        let base = Self.base(port)
        let count = (self.taken[base] ?? 0) + 1
        self.taken[base] = count
        let name = count == 1 ? base : "\(base)-\(count)"
        self.bases[name] = base
        return name
    }
}

/// What may stand in a greeting as a host's name.
enum HostName {
    static func isValid(_ text: String) -> Bool {
        let labels = text.split(separator: ".", omittingEmptySubsequences: false)
        return text.utf8.count <= 253
            && labels.allSatisfy { label in
                (1...63).contains(label.utf8.count) && label.utf8.first != UInt8(ascii: "-")
                    && label.utf8.last != UInt8(ascii: "-")
                    && label.utf8.allSatisfy {
                        0x30...0x39 ~= $0 || 0x41...0x5A ~= $0 || 0x61...0x7A ~= $0 || $0 == UInt8(ascii: "-")
                    }
            }
    }
}
