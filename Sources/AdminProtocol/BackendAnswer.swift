/// A group and its backends, as they are now.
package struct GroupAnswer: Codable, Hashable, Sendable {
    /// The group's name; for one that is written inside a route, the route's place.
    package var name: String
    /// How a backend is chosen: `round-robin`, `least-connections` or `first`.
    package var balance: String
    /// The sessions at all its backends.
    package var connections: Int
    /// The most that there may be; 0: no bound.
    package var maxConnections: Int
    /// Its places: one for each backend, or for each address of a backend that is a name.
    package var backends: [BackendAnswer]

    /// Describes a group.
    package init(name: String, balance: String, connections: Int, maxConnections: Int, backends: [BackendAnswer]) {
        self.name = name
        self.balance = balance
        self.connections = connections
        self.maxConnections = maxConnections
        self.backends = backends
    }
}

/// One place of a group, as it is now.
package struct BackendAnswer: Codable, Hashable, Sendable {
    /// Whether sessions begin there.
    package enum State: String, Codable, Sendable {
        /// They do.
        case up
        /// They do not, since it could not be reached, or did not greet.
        case ejected
        /// One does, to find out whether it is back.
        case trial
        /// They do not, by command, and some run still.
        case draining
        /// They do not, by command, and none runs.
        case drained
    }

    /// The backend as relay.yaml writes it.
    package var backend: String
    /// Where it is connected to.
    package var address: String
    /// Whether sessions begin there.
    package var state: State
    /// Its share among the group's.
    package var weight: Int
    /// Whether it is asked only while no other is to be had.
    package var isBackup: Bool
    /// The sessions that are there, and those that are on their way.
    package var connections: Int
    /// The most that there may be; 0: no bound.
    package var maxConnections: Int
    /// The failures in a row, to reach it or to be greeted.
    package var failures: Int
    /// How often it was ejected, one soon after the other.
    package var ejections: Int
    /// Until the ejection is over, in milliseconds; nil where it is not ejected.
    package var ejectedFor: Int?

    /// Describes a place.
    package init(
        backend: String, address: String, state: State, weight: Int, isBackup: Bool, connections: Int,
        maxConnections: Int, failures: Int, ejections: Int, ejectedFor: Int?
    ) {
        self.backend = backend
        self.address = address
        self.state = state
        self.weight = weight
        self.isBackup = isBackup
        self.connections = connections
        self.maxConnections = maxConnections
        self.failures = failures
        self.ejections = ejections
        self.ejectedFor = ejectedFor
    }
}

/// A backend after a command to drain it, or to end that.
package struct DrainAnswer: Codable, Hashable, Sendable {
    /// Its group.
    package var group: String
    /// The backend as relay.yaml writes it.
    package var backend: String
    /// Whether no session begins there.
    package var isDrained: Bool
    /// The sessions that run there still.
    package var connections: Int

    /// Describes a backend.
    package init(group: String, backend: String, isDrained: Bool, connections: Int) {
        self.group = group
        self.backend = backend
        self.isDrained = isDrained
        self.connections = connections
    }
}
