import AuthHTTP
import NIOCore
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
        var target: Placed<Target>?
    }

    enum Target {
        case named(String)
        case inline(BackendGroup)
        case reject(SMTPReply)
    }

    var serverName: String?
    var listeners: [Placed<RelayConfiguration.Listener>] = []
    var proxies = RelayConfiguration.Proxies()
    /// Every name under `groups:`, also of groups with mistakes.
    var groupNames: [String] = []
    var groups: [Placed<BackendGroup>] = []
    var backends: [Placed<BackendAddress>] = []
    var routes: [RouteDraft] = []
    var postmaster: Placed<String>?
    var lookup: LookupConfiguration?
    /// What holds where nothing more specific is said; for the servers that lookups name.
    var policy = DeliveryPolicy(), lookupPolicy = DeliveryPolicy()
    /// Every `size` under a `message`.
    var sizes: [Placed<Int>] = []
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
            "server", "listeners", "proxies", "message", "groups", "routes", "postmaster", "lookup", "limits",
            "timeouts", "admin",
            later: ["tls"])
        guard let fields = self.fields(root, "", keys) else { return nil }
        var draft = ConfigurationDraft()
        if let node = fields["server"] { draft.serverName = self.server(node) }
        draft.hasListeners = fields["listeners"] != nil
        if let node = fields["listeners"] { draft.listeners = self.listeners(node) }
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
        if let node = fields["lookup"] { draft.lookup = self.lookup(node, into: &draft) }
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

    // MARK: Lookup

    private mutating func lookup(_ node: YAMLNode, into draft: inout ConfigurationDraft) -> LookupConfiguration? {
        let keys = Keys("url", "timeout", "headers", "message", "identity", "auth")
        guard let fields = self.fields(node, "lookup", keys) else { return nil }
        draft.lookupPolicy = self.policy(fields, "lookup", into: &draft)
        var headers: [ExtraHeader] = []
        for entry in fields["headers"].flatMap({ self.entries($0, "lookup.headers") }) ?? [] {
            let path = "lookup.headers.\(entry.key)"
            guard let value = self.text(entry.value, path) else { continue }
            do {
                headers.append(try ExtraHeader(name: entry.key, value: value))
            } catch {
                self.error(entry.mark, "lookup.headers", error.message)
            }
        }
        let timeout = fields["timeout"].map { self.duration($0, "lookup.timeout", .milliseconds(100)...(.minutes(2))) }
        guard let url = fields["url"] else {
            self.error(fields.mark, "lookup", "it has no url")
            return nil
        }
        guard let text = self.text(url, "lookup.url", "a URL that begins with http://") else { return nil }
        do {
            var configuration = LookupConfiguration(endpoint: try LookupEndpoint(parsing: text))
            configuration.extraHeaders = headers
            if let timeout, let timeout { configuration.timeout = timeout }
            return configuration
        } catch {
            self.error(url.mark, "lookup.url", error.message)
            return nil
        }
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
