import Routing
import SMTPCore

// Who clients are: whom to believe about it, and what backends are told.

extension ConfigurationDecoder {
    /// The longest name and password of a backend's user: with both, AUTH PLAIN fits its line (RFC 4954 section 4).
    private static let longestCredential = 255

    /// What `message`, `identity`, `auth`, `tls` and `pool` of a destination say.
    mutating func policy(_ fields: Fields, _ path: String, into draft: inout ConfigurationDraft) -> DeliveryPolicy {
        var policy = self.message(fields["message"], path + ".message", over: draft.policy, into: &draft)
        if let identity: BackendIdentity = self.choice(fields["identity"], path + ".identity") {
            policy.identity = identity
        }
        policy.login = fields["auth"].flatMap { self.login($0, path + ".auth") }
        policy.tls = self.backendTLS(fields["tls"], path + ".tls", into: &draft)
        policy.pool = self.pool(fields["pool"], path + ".pool", of: policy)
        return policy.normalized
    }

    private mutating func login(_ node: YAMLNode, _ path: String) -> BackendLogin? {
        if case .scalar = node.content {
            return self.word(node, path, ["login-of-client"]).map { _ in .client }
        }
        guard let fields = self.fields(node, path, Keys("user", "password-file")) else { return nil }
        guard let userNode = fields["user"], let fileNode = fields["password-file"] else {
            self.error(node.mark, path, "it needs a user and a password-file, or is login-of-client")
            return nil
        }
        guard let user = self.text(userNode, path + ".user", "a name"),
            let password = self.password(fileNode, path + ".password-file")
        else { return nil }
        guard user.utf8.count <= Self.longestCredential, !user.utf8.contains(0) else {
            self.error(userNode.mark, path + ".user", "it has more than \(Self.longestCredential) octets, or a NUL")
            return nil
        }
        return .user(ClientCredentials(user: Array(user.utf8), password: password))
    }

    /// The first line of a file. No message says anything of its content.
    private mutating func password(_ node: YAMLNode, _ path: String) -> Secret? {
        guard let file = self.text(node, path, "a path") else { return nil }
        guard file.hasPrefix("/") else {
            self.error(node.mark, path, "\"\(file)\" is not an absolute path")
            return nil
        }
        let octets: [UInt8]
        do {
            octets = try ConfigurationFile.read(file, as: "\(file)")
        } catch {
            self.error(node.mark, path, error.message)
            return nil
        }
        var line = octets.prefix { $0 != 0x0A }
        if line.last == 0x0D { line.removeLast() }
        guard (1...Self.longestCredential).contains(line.count), !line.contains(0) else {
            self.error(
                node.mark, path,
                "the first line of \(file) is no password: it is empty, has a NUL, or more than \(Self.longestCredential) octets"
            )
            return nil
        }
        return Secret(Array(line))
    }

    /// Networks, and the word for Unix sockets, which nginx has, too.
    mutating func proxies(_ node: YAMLNode) -> RelayConfiguration.Proxies {
        var proxies = RelayConfiguration.Proxies()
        for (index, element) in (self.elements(node, "proxies") ?? []).enumerated() {
            let path = "proxies[\(index)]"
            guard let text = self.text(element, path, "a network") else { continue }
            if text == "unix:" {
                proxies.includesUnix = true
                continue
            }
            do {
                let network = try IPNetwork(parsing: text)
                if proxies.networks.contains(network) {
                    self.error(element.mark, path, "\(text) is here a second time")
                }
                proxies.networks.append(network)
            } catch {
                self.error(element.mark, path, error.message)
            }
        }
        return proxies
    }
}
