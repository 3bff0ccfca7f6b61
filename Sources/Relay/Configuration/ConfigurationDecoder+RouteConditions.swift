import Routing

// What a route asks for besides the recipient: listeners, clients, server-names and users.

extension ConfigurationDecoder {
    /// The keys of conditions.
    static let conditionKeys = ["listeners", "clients", "server-names", "users"]

    /// What a route asks of the client; the listeners have been read.
    mutating func conditions(_ fields: Fields, _ path: String, _ draft: ConfigurationDraft) -> RouteConditions {
        var conditions = RouteConditions()
        if let node = fields["listeners"] {
            conditions.listeners = self.listenerPlaces(node, path + ".listeners", draft)
        }
        if let node = fields["clients"] { self.clients(node, path + ".clients", into: &conditions) }
        if let node = fields["server-names"] {
            let path = path + ".server-names"
            conditions.serverNames = self.serverNames(node, path)
            if draft.hasAllListeners, !draft.listeners.contains(where: { $0.value.tls != .none }) {
                self.warning(node.mark, path, "no listener has TLS, and without it no client asks for a name")
            }
        }
        if let node = fields["users"] {
            let path = path + ".users"
            self.users(node, path, into: &conditions)
            if draft.hasAllListeners, !draft.listeners.contains(where: { $0.value.users != nil }) {
                self.warning(
                    node.mark, path,
                    "no listener has a users file: whom a lookup authenticates goes where that lookup says")
            }
        }
        return conditions
    }

    /// A value, or a list of at least one, each with its path.
    mutating func oneOrMore(_ node: YAMLNode, _ path: String) -> [(YAMLNode, String)] {
        if case .scalar = node.content { return [(node, path)] }
        guard let elements = self.elements(node, path) else { return [] }
        if elements.isEmpty { self.error(node.mark, path, "there has to be one at least") }
        return elements.enumerated().map { ($1, "\(path)[\($0)]") }
    }

    private mutating func listenerPlaces(_ node: YAMLNode, _ path: String, _ draft: ConfigurationDraft) -> [Int] {
        var places: [Int] = []
        for (element, path) in self.oneOrMore(node, path) {
            guard let text = self.text(element, path, "the name or the address of a listener") else { continue }
            if let place = draft.listeners.firstIndex(where: { $0.value.place.isCalled(text) }) {
                if places.contains(place) { self.error(element.mark, path, "\"\(text)\" is here a second time") }
                places.append(place)
            } else if draft.hasAllListeners {
                // (One with a mistake was reported where it stands.)
                let hint = Spelling.hint(text, among: draft.listeners.map(\.value.place.name))
                self.error(element.mark, path, "no listener is \"\(text)\"\(hint)")
            }
        }
        return places
    }

    private mutating func clients(_ node: YAMLNode, _ path: String, into conditions: inout RouteConditions) {
        for (element, path) in self.oneOrMore(node, path) {
            guard let text = self.text(element, path, "a network, an address or unix:") else { continue }
            if text == "unix:" {
                conditions.includesUnixClients = true
                continue
            }
            do {
                conditions.clients.append(try IPNetwork(parsing: text))
            } catch {
                self.error(element.mark, path, error.message)
            }
        }
    }

    private mutating func serverNames(_ node: YAMLNode, _ path: String) -> [ServerNamePattern] {
        var names: [ServerNamePattern] = []
        for (element, path) in self.oneOrMore(node, path) {
            guard let text = self.text(element, path, "a host name") else { continue }
            do {
                names.append(try ServerNamePattern(parsing: text))
            } catch {
                self.error(element.mark, path, error.message)
            }
        }
        return names
    }

    private mutating func users(_ node: YAMLNode, _ path: String, into conditions: inout RouteConditions) {
        for (element, path) in self.oneOrMore(node, path) {
            guard let text = self.text(element, path, "the name of a user, or \"*\"") else { continue }
            if text == "*" {
                conditions.requiresUser = true
            } else {
                conditions.users.insert(UserName(text))
            }
        }
        // Of a list one is enough, and the star is all of them.
        if conditions.requiresUser { conditions.users = [] }
    }
}

extension RelayConfiguration.Listener.Place {
    /// What a route calls it: the name of a socket, an address, or unix: with a path.
    fileprivate var name: String {
        switch self {
        case .socket(let name): name
        case .address(let address, let port): "\(BackendAddress.ip(address, port: port))"
        case .unix(let path): "unix:\(path)"
        }
    }

    /// Whether it is called that, in whatever spelling of an address.
    fileprivate func isCalled(_ text: String) -> Bool {
        if case .socket(let name) = self { return name == text }
        return switch try? BackendAddress(parsing: text) {
        case .ip(let address, let port): self == .address(address, port: port)
        case .unix(let path): self == .unix(path: path)
        case .host, .service, nil: false
        }
    }
}
