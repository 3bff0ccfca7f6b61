/// What has to hold of a client, besides of its recipient, for a route to be taken: all that is given here. Of a list one
/// is enough; an empty list asks for nothing.
package struct RouteConditions: Hashable, Sendable {
    /// The listeners where it may have connected, by their places in the configuration.
    package var listeners: [Int] = []
    /// The networks where it may be.
    package var clients: [IPNetwork] = []
    /// Whether a client of a Unix socket is one of ``clients``.
    package var includesUnixClients = false
    /// The names that it may have asked for when TLS began (SNI, RFC 6066 section 3).
    package var serverNames: [ServerNamePattern] = []
    /// As whom it may have authenticated itself.
    package var users: Set<UserName> = []
    /// Whether it must have authenticated itself, as whomever.
    package var requiresUser = false

    /// Makes conditions that every client meets.
    package init() {}

    /// Whether every client meets them.
    package var isEmpty: Bool { self == RouteConditions() }

    /// Whether a client of this listener meets them all, whoever it is.
    func holdsForAll(at listener: Int?) -> Bool {
        var others = self
        guard let listener, self.listeners.contains(listener) else { return self.isEmpty }
        others.listeners = []
        return others.isEmpty
    }

    /// Whether a client of this listener can meet them.
    func canHold(at listener: Int?) -> Bool {
        guard let listener, !self.listeners.isEmpty else { return true }
        return self.listeners.contains(listener)
    }

    /// Whether this client meets them. What is not known of it meets no condition.
    func hold(for client: RouteClient) -> Bool {
        if !self.listeners.isEmpty {
            guard let listener = client.listener, self.listeners.contains(listener) else { return false }
        }
        if self.requiresUser, client.user == nil { return false }
        if !self.users.isEmpty {
            guard let user = client.user, self.users.contains(user) else { return false }
        }
        if !self.clients.isEmpty || self.includesUnixClients {
            switch client.address {
            case .ip(let address):
                guard self.clients.contains(where: { $0.contains(address) }) else { return false }
            case .unix:
                guard self.includesUnixClients else { return false }
            case nil:
                return false
            }
        }
        if !self.serverNames.isEmpty {
            guard let name = client.serverName, self.serverNames.contains(where: { $0.matches(name) }) else {
                return false
            }
        }
        return true
    }
}

/// What is known of a client that routes may ask about.
package struct RouteClient: Sendable {
    /// Where a client is.
    package enum Address: Hashable, Sendable {
        /// At an IP address.
        case ip(IPAddress)
        /// On this host: it came through a Unix socket.
        case unix
    }

    /// Where it connected, by the place among the configuration's listeners.
    package var listener: Int?
    /// Its address: the one that a trusted proxy told, where there is one.
    package var address: Address?
    /// The name that it asked for when TLS began, as ``ServerNamePattern/canonical(_:)`` has it.
    package var serverName: String?
    /// As whom it authenticated itself.
    package var user: UserName?

    /// Makes a client of which nothing is known.
    package init(
        listener: Int? = nil, address: Address? = nil, serverName: String? = nil, user: UserName? = nil
    ) {
        self.listener = listener
        self.address = address
        self.serverName = serverName
        self.user = user
    }
}

/// The name of a user, compared octet by octet: two normal forms of one letter are two.
package struct UserName: Hashable, Sendable, CustomStringConvertible {
    /// The name.
    package let description: String

    /// Makes a name; any text is one.
    package init(_ name: String) {
        self.description = name
    }

    /// Whether both have the same octets.
    package static func == (left: UserName, right: UserName) -> Bool {
        sameOctets(left.description, right.description)
    }

    /// Feeds the octets, since equality goes by them.
    package func hash(into hasher: inout Hasher) {
        for octet in self.description.utf8 { hasher.combine(octet) }
    }
}
