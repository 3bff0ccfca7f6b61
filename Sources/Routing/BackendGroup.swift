/// One backend of a group.
package struct Backend: Hashable, Sendable {
    /// The range of a weight.
    package static let weights = 1...1000

    /// Where it listens.
    package var address: BackendAddress
    /// Its share among the group's backends, in ``weights``.
    package var weight: Int
    /// Whether it is asked only while no other backend of the group is to be had.
    package var isBackup: Bool
    /// The most sessions that it has at a time; 0: no bound.
    package var maxConnections: Int

    /// Makes a backend.
    package init(_ address: BackendAddress, weight: Int = 1, isBackup: Bool = false, maxConnections: Int = 0) {
        self.address = address
        self.weight = min(max(weight, Self.weights.lowerBound), Self.weights.upperBound)
        self.isBackup = isBackup
        self.maxConnections = maxConnections
    }
}

/// How a group chooses among its backends.
package enum Balance: String, CaseIterable, Hashable, Sendable {
    /// Each in turn, by weight.
    case roundRobin = "round-robin"
    /// The one with the fewest sessions for its weight.
    case leastConnections = "least-connections"
    /// The first that answers: the others are its stand-ins.
    case first
}

/// Backends that hold the same mailboxes, so that any of them may take a message.
package struct BackendGroup: Hashable, Sendable {
    /// The group's name; unique in a configuration. A group written inside a route is named after its place, with
    /// brackets, which the names of others cannot have.
    package var name: String
    /// The backends in the order of the configuration; at least one.
    package var backends: [Backend]
    /// How to choose among them.
    package var balance: Balance
    /// The most sessions that its backends have at a time, together; 0: no bound.
    package var maxConnections = 0
    /// How long a recipient waits while every backend that could take it has as many sessions as it may.
    package var wait: Duration = .seconds(5)
    /// When a backend is taken for dead.
    package var health = HealthPolicy()
    /// What holds for the messages that go there.
    package var policy: DeliveryPolicy

    /// Makes a group.
    package init(
        name: String, backends: [Backend], balance: Balance = .roundRobin, policy: DeliveryPolicy = DeliveryPolicy()
    ) {
        self.name = name
        self.backends = backends
        self.balance = balance
        self.policy = policy
    }

    /// Whether a transaction for one may carry recipients of the other: they are the same, and so are their policies.
    ///
    /// The first accepted recipient fixes what holds for the message. A second one whose group would refuse it, or have
    /// it with another content, must not be carried along.
    package func sharesTransactions(with other: BackendGroup) -> Bool {
        self.policy.isSame(as: other.policy) && self.isSame(as: other)
    }

    /// Whether both lead to the same mailboxes: the same name, or the same backends in any order and with any weights.
    package func isSame(as other: BackendGroup) -> Bool {
        if self.name == other.name { return true }
        guard self.backends.count == other.backends.count else { return false }
        // Almost every group is written once, in one order: the sets are made for the rest only.
        if self.backends.elementsEqual(other.backends, by: { $0.address == $1.address }) { return true }
        return Set(self.backends.map(\.address)) == Set(other.backends.map(\.address))
    }
}
