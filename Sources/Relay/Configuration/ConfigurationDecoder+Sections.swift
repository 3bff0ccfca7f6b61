import AuthHTTP
import NIOCore
import Resolver
import Routing
import SMTPCore

/// What the parts of relay.yaml say, before it is known whether they agree.
struct ConfigurationDraft {
    struct Placed<Value> {
        var value: Value
        var mark: YAMLMark
        var path: String
    }

    struct RouteDraft {
        var recipients: [Placed<RecipientPattern>]
        var conditions = RouteConditions()
        var target: Placed<Target>?
    }

    enum Target {
        case named(String)
        case inline(BackendGroup)
        case reject(SMTPReply)
        /// The lookup at this place of ``routeLookups``.
        case lookup(Int)
    }

    /// A file that the configuration names.
    enum File {
        case authorities(String)
        case certificate(CertificateFiles)
    }

    var serverName: String?
    var tls = RelayConfiguration.TLS()
    /// Every file that the configuration names.
    var files: [Placed<File>] = []
    /// The listeners with TLS, and the `client-certificates` of those that verify them.
    var secured: [Placed<RelayConfiguration.Listener>] = []
    var verifying: [Placed<String>] = []
    var listeners: [Placed<RelayConfiguration.Listener>] = []
    var proxies = RelayConfiguration.Proxies()
    /// Every name under `groups:`, also of groups with mistakes.
    var groupNames: [String] = []
    var groups: [Placed<BackendGroup>] = []
    var backends: [Placed<BackendAddress>] = []
    var routes: [RouteDraft] = []
    /// The lookups of single routes.
    var routeLookups: [LookupConfiguration] = []
    var postmaster: Placed<String>?
    var lookup: LookupConfiguration?
    var resolver: ResolverConfiguration?
    var names = NameBounds()
    /// What holds where nothing more specific is said; for the servers that lookups name.
    var policy = DeliveryPolicy(), lookupPolicy = DeliveryPolicy()
    /// Every `size` under a `message`.
    var sizes: [Placed<Int>] = []
    /// A listener with a mistake is left out of ``listeners``, whose places are not those of the file then.
    var hasAllListeners = true
    /// The file has the key, whatever its value.
    var hasListeners = false, hasRoutes = false, hasLookup = false
    var limits = RelayConfiguration.Limits()
    var timeouts = RelayConfiguration.Timeouts()
    var admin: RelayConfiguration.Admin?
}

extension ConfigurationDecoder {
    /// Reads the whole file.
    mutating func draft(_ root: YAMLNode) -> ConfigurationDraft? {
        let keys = Keys(
            "server", "listeners", "proxies", "message", "groups", "routes", "postmaster", "lookup", "resolver",
            "limits", "timeouts", "admin", "tls")
        guard let fields = self.fields(root, "", keys) else { return nil }
        var draft = ConfigurationDraft()
        if let node = fields["server"] { draft.serverName = self.server(node) }
        self.hasLookup = fields["lookup"] != nil
        draft.hasListeners = fields["listeners"] != nil
        if let node = fields["listeners"] {
            draft.listeners = self.listeners(node, into: &draft)
            if case .sequence(let all) = node.content { draft.hasAllListeners = all.count == draft.listeners.count }
        }
        if let node = fields["tls"] { self.tls(node, into: &draft) }
        if let node = fields["proxies"] { draft.proxies = self.proxies(node) }
        // First, since groups, routes and the lookup begin with what it says.
        draft.policy = self.message(fields["message"], "message", over: draft.policy, into: &draft)
        draft.lookupPolicy = draft.policy
        if let node = fields["groups"] { self.groups(node, into: &draft) }
        draft.hasRoutes = fields["routes"] != nil
        if let node = fields["routes"] { self.routes(node, into: &draft) }
        if let node = fields["postmaster"], let name = self.text(node, "postmaster", "the name of a group") {
            draft.postmaster = .init(value: name, mark: node.mark, path: "postmaster")
        }
        draft.hasLookup = fields["lookup"] != nil
        if let node = fields["lookup"] {
            var keys = Self.lookupKeys
            keys.known += keys.later
            draft.lookup = self.lookup(node, "lookup", keys: keys)
            draft.lookupPolicy = self.lookupPolicy(node, into: &draft)
        }
        if let node = fields["resolver"] { self.resolver(node, into: &draft) }
        if let node = fields["limits"] { self.limits(node, into: &draft.limits) }
        if let node = fields["timeouts"] { self.timeouts(node, into: &draft.timeouts) }
        if let node = fields["admin"] { draft.admin = self.admin(node) }
        return draft
    }

    private mutating func server(_ node: YAMLNode) -> String? {
        guard let fields = self.fields(node, "server", Keys("name")) else { return nil }
        return fields["name"].flatMap { self.hostName($0, "server.name") }
    }

    mutating func hostName(_ node: YAMLNode, _ path: String) -> String? {
        guard let text = self.text(node, path, "a host name") else { return nil }
        if let problem = DomainName.problem(text) {
            self.error(node.mark, path, "\"\(text)\" is not a host name: \(problem)")
            return nil
        }
        return text
    }

    /// What the lookup says of the servers that it names; its other keys are read, and complained about, elsewhere.
    private mutating func lookupPolicy(_ node: YAMLNode, into draft: inout ConfigurationDraft) -> DeliveryPolicy {
        guard case .mapping(let entries) = node.content else { return draft.policy }
        let fields = Fields(entries.filter { Self.lookupKeys.later.contains($0.key) }, mark: node.mark)
        return self.policy(fields, "lookup", into: &draft)
    }

    // MARK: Admin

    private mutating func admin(_ node: YAMLNode) -> RelayConfiguration.Admin? {
        guard let fields = self.fields(node, "admin", Keys("socket", "allow")) else { return nil }
        var allow: [String] = []
        for (index, element) in (fields["allow"].flatMap { self.elements($0, "admin.allow") } ?? []).enumerated() {
            guard let user = self.text(element, "admin.allow[\(index)]", "a user") else { continue }
            if UserNames.uid(of: user) == nil {
                self.warning(element.mark, "admin.allow[\(index)]", "there is no user \"\(user)\" on this system")
            }
            allow.append(user)
        }
        guard let socket = fields["socket"] else {
            self.error(fields.mark, "admin", "it has no socket")
            return nil
        }
        guard let path = self.text(socket, "admin.socket", "a path") else { return nil }
        guard path.hasPrefix("/"), path.utf8.count <= BackendAddress.longestUnixPath else {
            let bound = BackendAddress.longestUnixPath
            self.error(socket.mark, "admin.socket", "\"\(path)\" is not an absolute path of \(bound) octets at most")
            return nil
        }
        return RelayConfiguration.Admin(socket: path, allow: allow)
    }

    /// Names of sockets are PB1's, so that every listener can be asked for; names of groups follow them.
    static func isName(_ text: String) -> Bool {
        (1...63).contains(text.utf8.count)
            && text.utf8.allSatisfy { octet in
                switch octet {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default:
                    "._-".utf8.contains(octet)
                }
            }
    }
}
