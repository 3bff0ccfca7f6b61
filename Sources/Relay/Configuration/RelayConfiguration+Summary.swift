import AuthHTTP
import NIOCore
import Resolver
import Routing
import SMTPCore

extension RelayConfiguration {
    /// What the configuration means, in a few lines; settings are named where they are not the default.
    package var summary: String {
        var lines = ["server: \(self.serverName ?? "the host name")"]
        lines += self.listeners.map { "listener: \($0)" }
        lines += self.tls.words.isEmpty ? [] : ["tls: " + self.tls.words.joined(separator: ", ")]
        if !self.proxies.isEmpty { lines.append("proxies: \(self.proxies)") }
        lines += self.groups.map { "group \($0.name): \(Self.text($0))" }
        lines += self.routes.map { route in
            let recipients = route.recipients.map(\.description).joined(separator: " ")
            return "route: \(recipients)\(self.text(route.conditions)) -> \(self.text(route.target))"
        }
        if let postmaster = self.postmaster { lines.append("route: <Postmaster> -> \(postmaster.name)") }
        if let lookup = self.lookup {
            lines.append("otherwise: ask \(Self.text(lookup))\(Self.text(self.lookupPolicy))")
        } else {
            lines.append("otherwise: 550 5.7.1")
        }
        if let resolver = self.resolver {
            let servers = resolver.servers.map(\.hostAndPort).joined(separator: ", ")
            let isDefault = resolver.timeout == ResolverConfiguration(servers: []).timeout
            let timeout = isDefault ? "" : ", timeout \(ConfigurationDecoder.text(resolver.timeout))"
            lines.append("resolver: \(servers)\(timeout)")
        }
        lines += Self.line("names of backends", self.names.changes)
        if self.leadsToSeveralDestinations {
            lines.append("transactions: one destination each, which RCPTDOMAINMAX=1 tells senders")
        }
        lines += Self.line("limits", self.limits.changes)
        lines += Self.line("timeouts", self.timeouts.changes)
        return lines.joined(separator: "\n")
    }

    private static func line(_ name: String, _ changes: [String]) -> [String] {
        changes.isEmpty ? [] : ["\(name): \(changes.joined(separator: ", "))"]
    }

    private func text(_ target: Route.Target) -> String {
        switch target {
        case .group(let group): group.name.contains("[") ? Self.text(group) : group.name
        case .reject(let reply): reply.description
        case .lookup(let place): "ask \(Self.text(self.routeLookups[place]))"
        }
    }

    private func text(_ conditions: RouteConditions) -> String {
        var clients = conditions.clients.map(\.description)
        if conditions.includesUnixClients { clients.append("unix:") }
        var users = conditions.users.map(\.description).sorted()
        if conditions.requiresUser { users.append("*") }
        let lists = [
            ("listeners", conditions.listeners.map { self.listeners[$0].place.description }), ("clients", clients),
            ("server-names", conditions.serverNames.map(\.description)), ("users", users),
        ]
        return lists.filter { !$0.1.isEmpty }.map { ", \($0.0) \($0.1.joined(separator: " "))" }.joined()
    }

    /// The servers, and the settings that are not the default. Headers may be secrets, and are left out.
    private static func text(_ lookup: LookupConfiguration) -> String {
        var text = lookup.endpoints.map(\.description).joined(separator: ", then ")
        if lookup.sendsMoreHeaders { text += "; more-headers on" }
        if let path = lookup.trustedCertificates { text += "; ca \(path)" }
        if let allow = lookup.allow { text += "; allow \(allow.map(\.description).joined(separator: " "))" }
        return text
    }

    private static func text(_ group: BackendGroup) -> String {
        group.summary + Self.text(group.policy)
    }

    private static func text(_ policy: DeliveryPolicy) -> String {
        var text = policy.identity == .none ? "" : ", identity \(policy.identity.rawValue)"
        switch policy.login {
        case nil: break
        case .client: text += ", auth login-of-client"
        case .user(let credentials): text += ", auth as \(String(decoding: credentials.user, as: UTF8.self))"
        }
        text += policy.pool.words
        let changes = policy.changes
        return text + (changes.isEmpty ? "" : "; message: \(changes.joined(separator: ", "))") + policy.tls.words
    }
}

extension RelayConfiguration.Listener: CustomStringConvertible {
    /// The name or the address, as the configuration has it, and the settings that are not the default.
    package var description: String {
        var parts = [self.place.description]
        if let ehlo = self.ehlo {
            parts.append((["ehlo"] + (ehlo.isEmpty ? ["nothing"] : ehlo.keywords)).joined(separator: " "))
        }
        if !self.isPipeliningStrict { parts.append("pipelining tolerant") }
        if self.tls != .none { parts.append("tls \(self.tls.rawValue)") }
        parts += self.certificates.map { "certificate \($0.certificate)" }
        if self.clientCertificates != .off {
            parts.append("client-certificates \(self.clientCertificates.rawValue)")
        }
        if !self.requiresHello { parts.append("hello optional") }
        if self.greeting != Self(self.place).greeting {
            parts.append("greeting " + self.greeting.map { "\"\($0)\"" }.joined(separator: " "))
        }
        if !self.mechanisms.isEmpty {
            let words = self.mechanisms.map { $0.rawValue.lowercased() } + (self.requiresAuthentication ? [] : ["none"])
            parts.append("auth " + words.joined(separator: " "))
        }
        if let users = self.users { parts.append("users \(users)") }
        if let lookup = self.lookup {
            parts.append("lookup \(lookup.endpoints.map { "\($0)" }.joined(separator: " "))")
        }
        if let name = self.name { parts.append("name \(name)") }
        if self.greetingDelay > .zero {
            parts.append("greeting-delay \(ConfigurationDecoder.text(self.greetingDelay))")
        }
        if self.expectsProxyHeader { parts.append("proxy-protocol on") }
        parts += self.sockets.changes
        return parts.joined(separator: ", ")
    }
}

extension RelayConfiguration.Listener.Sockets {
    fileprivate var changes: [String] {
        var words: [String] = []
        if let backlog = self.backlog { words.append("backlog \(backlog)") }
        switch self.reusePort {
        case .none: break
        case .automatic: words.append("reuseport auto")
        case .sockets(let count): words.append("reuseport \(count)")
        }
        if let size = self.receiveBuffer { words.append("receive-buffer \(size)") }
        if let size = self.sendBuffer { words.append("send-buffer \(size)") }
        if let isOn = self.isVersion6Only { words.append("v6only \(isOn ? "on" : "off")") }
        if let keepalive = self.keepalive {
            let times = [
                keepalive.idle.map { "idle \($0)s" }, keepalive.interval.map { "interval \($0)s" },
                keepalive.probes.map { "probes \($0)" },
            ].compactMap { $0 }
            words.append((["keepalive"] + (times.isEmpty ? ["on"] : times)).joined(separator: " "))
        }
        if self.mode != Self().mode { words.append("mode 0\(String(self.mode, radix: 8))") }
        return words
    }
}

extension RelayConfiguration.Proxies: CustomStringConvertible {
    /// The networks, as the configuration has them.
    package var description: String {
        (self.networks.map(\.description) + (self.includesUnix ? ["unix:"] : [])).joined(separator: ", ")
    }
}

/// The words for what differs from the default, as the configuration has them.
private struct Changes<Settings> {
    let settings: Settings
    let defaults: Settings
    var words: [String] = []

    mutating func add<Value: Equatable>(
        _ key: String, _ property: KeyPath<Settings, Value>, _ text: (Value) -> String = { "\($0)" }
    ) {
        let value = self.settings[keyPath: property]
        if value != self.defaults[keyPath: property] { self.words.append("\(key) \(text(value))") }
    }
}

extension RelayConfiguration.TLS {
    fileprivate var words: [String] {
        var changes = Changes(settings: self, defaults: Self())
        changes.add("protocols", \.protocols) { $0.map(\.rawValue).sorted().joined(separator: " ") }
        changes.add("ciphers", \.ciphers) { $0.joined(separator: ":") }
        changes.add("session-tickets", \.sessionTickets) { $0 ? "on" : "off" }
        changes.add("client-ca", \.clientAuthorities) { $0 ?? "none" }
        changes.add("verify-depth", \.verifyDepth)
        return self.certificates.map { "certificate \($0.certificate)" } + changes.words
    }
}

extension BackendTLS {
    fileprivate var words: String {
        guard self.mode != .none else { return "" }
        var changes = Changes(settings: self, defaults: Self(mode: self.mode))
        changes.add("verify", \.verifies) { $0 ? "on" : "off" }
        changes.add("ca", \.authorities) { $0 ?? "the system's" }
        changes.add("name", \.name) { $0 ?? "its own" }
        changes.add("certificate", \.certificate) { $0?.certificate ?? "none" }
        changes.add("protocols", \.protocols) { $0.map(\.rawValue).sorted().joined(separator: " ") }
        return "; tls: " + ([self.mode.rawValue] + changes.words).joined(separator: ", ")
    }
}

extension DeliveryPolicy {
    fileprivate var changes: [String] {
        // What follows from an identity is not a change.
        var defaults = DeliveryPolicy()
        defaults.identity = self.identity
        var changes = Changes(settings: self, defaults: defaults)
        changes.add("bare-line-ends", \.message.bareLineEnds) { $0.rawValue }
        changes.add("nul", \.message.nul) { $0.rawValue }
        changes.add("longest-line", \.message.longestLine)
        changes.add("received-limit", \.message.receivedFields)
        changes.add("received", \.addsReceived) { $0 ? "on" : "off" }
        changes.add("eight-bit", \.refusesEightBit) { $0 ? "refuse" : "pass" }
        changes.add("size", \.size) { $0.map { "\($0)" } ?? "the server's" }
        changes.add("replies", \.masksReplies) { $0 ? "mask" : "pass" }
        return changes.words
    }
}

extension NameBounds {
    fileprivate var changes: [String] {
        var changes = Changes(settings: self, defaults: Self())
        changes.add("least", \.least, ConfigurationDecoder.text)
        changes.add("longest", \.longest, ConfigurationDecoder.text)
        changes.add("stale", \.stale, ConfigurationDecoder.text)
        return changes.words
    }
}

extension RelayConfiguration.Limits {
    fileprivate var changes: [String] {
        var changes = Changes(settings: self, defaults: Self())
        changes.add("message-size", \.messageSize)
        changes.add("recipients", \.recipients)
        changes.add("connections", \.connections)
        changes.add("errors", \.errors)
        changes.add("transactions", \.transactions)
        changes.add("data-rate", \.dataRate)
        changes.add("replay-window", \.replayWindow)
        changes.add("replay-total", \.replayTotal)
        return changes.words
    }
}

extension RelayConfiguration.Timeouts {
    fileprivate var changes: [String] {
        var changes = Changes(settings: self, defaults: Self())
        for (key, property) in [
            ("command", \Self.command), ("data-block", \.dataBlock), ("proxy-header", \.proxyHeader),
            ("handshake", \.handshake), ("connect", \.connect), ("greeting", \.greeting),
            ("backend-command", \.backendCommand), ("backend-data-block", \.backendDataBlock),
            ("recipient", \.recipient), ("data", \.data), ("final-dot", \.finalDot), ("drain", \.drain),
        ] {
            changes.add(key, property, ConfigurationDecoder.text)
        }
        return changes.words
    }
}
