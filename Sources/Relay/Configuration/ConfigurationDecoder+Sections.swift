import AuthHTTP
import NIOCore
import Routing

/// What the parts of relay.yaml say, before it is known whether they agree.
struct ConfigurationDraft {
    struct Placed<Value> {
        var value: Value
        var mark: YAMLMark
        var path: String
    }

    struct RouteDraft {
        var recipients: [Placed<RecipientPattern>]
        var group: Placed<GroupReference>?
    }

    enum GroupReference {
        case named(String)
        case inline(BackendGroup)
    }

    var serverName: String?
    var listeners: [Placed<RelayConfiguration.Listener>] = []
    /// Every name under `groups:`, also of groups with mistakes.
    var groupNames: [String] = []
    var groups: [Placed<BackendGroup>] = []
    var backends: [Placed<BackendAddress>] = []
    var routes: [RouteDraft] = []
    var postmaster: Placed<String>?
    var lookup: LookupConfiguration?
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
            "server", "listeners", "groups", "routes", "postmaster", "lookup", "limits", "timeouts", "admin",
            later: ["tls"])
        guard let fields = self.fields(root, "", keys) else { return nil }
        var draft = ConfigurationDraft()
        if let node = fields["server"] { draft.serverName = self.server(node) }
        draft.hasListeners = fields["listeners"] != nil
        if let node = fields["listeners"] { draft.listeners = self.listeners(node) }
        if let node = fields["groups"] { self.groups(node, into: &draft) }
        draft.hasRoutes = fields["routes"] != nil
        if let node = fields["routes"] { self.routes(node, into: &draft) }
        if let node = fields["postmaster"], let name = self.text(node, "postmaster", "the name of a group") {
            draft.postmaster = .init(value: name, mark: node.mark, path: "postmaster")
        }
        draft.hasLookup = fields["lookup"] != nil
        if let node = fields["lookup"] { draft.lookup = self.lookup(node) }
        if let node = fields["limits"] { self.limits(node, into: &draft.limits) }
        if let node = fields["timeouts"] { self.timeouts(node, into: &draft.timeouts) }
        if let node = fields["admin"] { draft.admin = self.admin(node) }
        return draft
    }

    private mutating func server(_ node: YAMLNode) -> String? {
        guard let fields = self.fields(node, "server", Keys("name")), let name = fields["name"],
            let text = self.text(name, "server.name", "a host name")
        else { return nil }
        if let problem = DomainName.problem(text) {
            self.error(name.mark, "server.name", "\"\(text)\" is not a host name: \(problem)")
            return nil
        }
        return text
    }

    // MARK: Listeners

    private mutating func listeners(_ node: YAMLNode) -> [ConfigurationDraft.Placed<RelayConfiguration.Listener>] {
        guard let elements = self.elements(node, "listeners") else { return [] }
        if elements.isEmpty { self.error(node.mark, "listeners", "there has to be one at least") }
        return elements.enumerated().compactMap { index, element in
            let path = "listeners[\(index)]"
            let keys = Keys("socket", "address", "tls", later: ["auth", "lookup"])
            guard let fields = self.fields(element, path, keys) else { return nil }
            if let tls = fields["tls"] {
                _ = self.word(tls, path + ".tls", ["none"], later: ["starttls", "required", "implicit"])
            }
            switch (fields["socket"], fields["address"]) {
            case (nil, nil):
                self.error(element.mark, path, "it needs a socket or an address")
                return nil
            case (_?, let address?):
                self.error(address.mark, path, "it has a socket and an address: one listener is one of them")
                return nil
            case (let socket?, nil):
                return self.socketName(socket, path + ".socket").map {
                    .init(value: .socket(name: $0), mark: socket.mark, path: path)
                }
            case (nil, let address?):
                return self.listenerAddress(address, path + ".address").map {
                    .init(value: $0, mark: address.mark, path: path)
                }
            }
        }
    }

    private mutating func socketName(_ node: YAMLNode, _ path: String) -> String? {
        guard let name = self.text(node, path, "the name of a socket") else { return nil }
        guard Self.isName(name) else {
            self.error(node.mark, path, "\"\(name)\" is not a name: 1 to 63 letters, digits, \".\", \"_\" or \"-\"")
            return nil
        }
        return name
    }

    private mutating func listenerAddress(_ node: YAMLNode, _ path: String) -> RelayConfiguration.Listener? {
        guard let text = self.text(node, path, "an address and a port") else { return nil }
        do {
            switch try BackendAddress(parsing: text) {
            case .ip(let address, let port):
                guard port >= RelayConfiguration.Listener.lowestPort else {
                    self.error(
                        node.mark, path,
                        "port \(port) is below 1024, which takes a privilege: name a socket instead (socket: smtp)")
                    return nil
                }
                return .address(address, port: port)
            case .host(let name, let port):
                self.error(node.mark, path, "\"\(name)\" is not an IP address: write 127.0.0.1:\(port) or [::]:\(port)")
            case .unix:
                self.error(node.mark, path, "a Unix socket is not an address that mail comes to")
            }
        } catch {
            self.error(node.mark, path, error.message)
        }
        return nil
    }

    // MARK: Groups and routes

    private mutating func groups(_ node: YAMLNode, into draft: inout ConfigurationDraft) {
        for entry in self.entries(node, "groups") ?? [] {
            let path = "groups.\(entry.key)"
            draft.groupNames.append(entry.key)
            guard Self.isName(entry.key) else {
                self.error(
                    entry.mark, "groups",
                    "\"\(entry.key)\" is not a name: 1 to 63 letters, digits, \".\", \"_\" or \"-\"")
                continue
            }
            guard let fields = self.fields(entry.value, path, Keys("backends", "balance", "identity", "tls")) else {
                continue
            }
            var group = BackendGroup(name: entry.key, backends: [])
            if let backends = fields["backends"] {
                group.backends = self.backends(backends, path + ".backends", into: &draft)
            } else {
                self.error(entry.mark, path, "it has no backends")
            }
            if let node = fields["balance"],
                let word = self.word(node, path + ".balance", Balance.allCases.map(\.rawValue)),
                let balance = Balance(rawValue: word)
            {
                group.balance = balance
            }
            if let identity = fields["identity"] {
                _ = self.word(identity, path + ".identity", ["none"], later: ["xclient", "proxy-v1", "proxy-v2"])
            }
            if let tls = fields["tls"] { _ = self.word(tls, path + ".tls", ["none"], later: ["starttls", "implicit"]) }
            draft.groups.append(.init(value: group, mark: entry.mark, path: path))
        }
    }

    private mutating func backends(_ node: YAMLNode, _ path: String, into draft: inout ConfigurationDraft) -> [Backend]
    {
        guard let elements = self.elements(node, path) else { return [] }
        if elements.isEmpty { self.error(node.mark, path, "there has to be one at least") }
        var backends: [Backend] = []
        for (index, element) in elements.enumerated() {
            let path = "\(path)[\(index)]"
            var addressNode: YAMLNode? = element
            var weight = 1
            if case .mapping = element.content {
                guard let fields = self.fields(element, path, Keys("address", "weight")) else { continue }
                addressNode = fields["address"]
                if addressNode == nil { self.error(element.mark, path, "it has no address") }
                if let node = fields["weight"] { weight = self.integer(node, path + ".weight", Backend.weights) ?? 1 }
            }
            guard let addressNode, let address = self.backendAddress(addressNode, path) else { continue }
            if backends.contains(where: { $0.address == address }) {
                self.error(addressNode.mark, path, "\(address) is here a second time; a weight gives it more")
            }
            backends.append(Backend(address, weight: weight))
            draft.backends.append(.init(value: address, mark: addressNode.mark, path: path))
        }
        return backends
    }

    private mutating func backendAddress(_ node: YAMLNode, _ path: String) -> BackendAddress? {
        guard let text = self.text(node, path, "an address and a port") else { return nil }
        do {
            return try BackendAddress(parsing: text)
        } catch {
            self.error(node.mark, path, error.message)
            return nil
        }
    }

    private mutating func routes(_ node: YAMLNode, into draft: inout ConfigurationDraft) {
        for (index, element) in (self.elements(node, "routes") ?? []).enumerated() {
            let path = "routes[\(index)]"
            guard let fields = self.fields(element, path, Keys("recipients", "group", "backends")) else { continue }
            var route = ConfigurationDraft.RouteDraft(recipients: [], group: nil)
            if let recipients = fields["recipients"] {
                route.recipients = self.recipients(recipients, path + ".recipients")
            } else {
                self.error(element.mark, path, "it has no recipients")
            }
            switch (fields["group"], fields["backends"]) {
            case (nil, nil):
                self.error(element.mark, path, "it needs a group or backends")
            case (_?, let backends?):
                self.error(backends.mark, path, "it has a group and backends: one route leads to one of them")
            case (let group?, nil):
                if let name = self.text(group, path + ".group", "the name of a group") {
                    route.group = .init(value: .named(name), mark: group.mark, path: path + ".group")
                }
            case (nil, let node?):
                let backends = self.backends(node, path + ".backends", into: &draft)
                // The brackets keep it apart from every name under `groups:`.
                let group = BackendGroup(name: path, backends: backends)
                route.group = .init(value: .inline(group), mark: node.mark, path: path + ".backends")
            }
            draft.routes.append(route)
        }
    }

    private mutating func recipients(
        _ node: YAMLNode, _ path: String
    ) -> [ConfigurationDraft.Placed<RecipientPattern>] {
        let isSingle = if case .scalar = node.content { true } else { false }
        guard let elements = isSingle ? [node] : self.elements(node, path) else { return [] }
        if elements.isEmpty { self.error(node.mark, path, "there has to be one at least") }
        return elements.enumerated().compactMap { index, element -> ConfigurationDraft.Placed<RecipientPattern>? in
            let path = isSingle ? path : "\(path)[\(index)]"
            return self.pattern(element, path).map { .init(value: $0, mark: element.mark, path: path) }
        }
    }

    private mutating func pattern(_ node: YAMLNode, _ path: String) -> RecipientPattern? {
        guard let text = self.text(node, path, "a domain, an address or another pattern") else { return nil }
        do {
            return try RecipientPattern(parsing: text)
        } catch {
            self.error(node.mark, path, error.message)
            return nil
        }
    }

    // MARK: Lookup

    private mutating func lookup(_ node: YAMLNode) -> LookupConfiguration? {
        guard let fields = self.fields(node, "lookup", Keys("url", "timeout", "headers")) else { return nil }
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

    // MARK: Bounds

    private mutating func limits(_ node: YAMLNode, into limits: inout RelayConfiguration.Limits) {
        let keys = Keys("message-size", "recipients", "connections", "errors", "transactions")
        guard let fields = self.fields(node, "limits", keys) else { return }
        // RFC 5321 section 4.5.3.1.7: a server takes messages of 64K octets at least.
        if let node = fields["message-size"], let value = self.size(node, "limits.message-size", 65_536...(1 << 40)) {
            limits.messageSize = value
        }
        // RFC 5321 section 4.5.3.1.8: and 100 recipients.
        if let node = fields["recipients"], let value = self.integer(node, "limits.recipients", 100...100_000) {
            limits.recipients = value
        }
        if let node = fields["connections"], let value = self.integer(node, "limits.connections", 1...1_000_000) {
            limits.connections = value
        }
        if let node = fields["errors"], let value = self.integer(node, "limits.errors", 1...1000) {
            limits.errors = value
        }
        if let node = fields["transactions"],
            let value = self.integer(node, "limits.transactions", 1...1_000_000, zeroIsNone: true)
        {
            limits.transactions = value
        }
    }

    private mutating func timeouts(_ node: YAMLNode, into timeouts: inout RelayConfiguration.Timeouts) {
        let keys = Keys("command", "data-block", "connect", "recipient", "data", "final-dot")
        guard let fields = self.fields(node, "timeouts", keys) else { return }
        // What the client waits for has to end before the client gives up (RFC 5321 section 4.5.3.2): the upper bounds.
        let table: [(String, WritableKeyPath<RelayConfiguration.Timeouts, TimeAmount>, ClosedRange<TimeAmount>)] = [
            ("command", \.command, .seconds(1)...(.hours(1))),
            ("data-block", \.dataBlock, .seconds(1)...(.hours(1))),
            ("connect", \.connect, .milliseconds(100)...(.minutes(4))),
            ("recipient", \.recipient, .seconds(1)...(.seconds(290))),
            ("data", \.data, .seconds(1)...(.seconds(110))),
            ("final-dot", \.finalDot, .seconds(1)...(.seconds(590))),
        ]
        for (key, property, range) in table {
            guard let node = fields[key], let value = self.duration(node, "timeouts.\(key)", range) else { continue }
            timeouts[keyPath: property] = value
        }
    }

    private mutating func admin(_ node: YAMLNode) -> RelayConfiguration.Admin? {
        guard let fields = self.fields(node, "admin", Keys("socket", "allow")) else { return nil }
        var allow: [String] = []
        for (index, element) in (fields["allow"].flatMap { self.elements($0, "admin.allow") } ?? []).enumerated() {
            if let user = self.text(element, "admin.allow[\(index)]", "a user") { allow.append(user) }
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
        self.warning(fields.mark, "admin", "the admin socket is not in this version; nothing listens there")
        return RelayConfiguration.Admin(socket: path, allow: allow)
    }

    /// Names of sockets are PB1's, so that every listener can be asked for; names of groups follow them.
    private static func isName(_ text: String) -> Bool {
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
