import Routing

/// A session's place at a backend: it counts until it is given back, and says once how the backend took it.
///
/// Confined to the event loop of its session.
final class EndpointPlace {
    let endpoint: Endpoint
    private let state: GroupState
    /// What the session is to the backend: one that tries it makes a connection of its own.
    let role: BackendHealth.Role
    /// What holds now for the messages of its group.
    var policy: DeliveryPolicy { self.state.group.policy }
    private var isKnown = false
    private var isOver = false
    /// Whether it counts by itself; else it is that of a connection which waits in the pool, and good for no other.
    let isCounted: Bool

    init(_ endpoint: Endpoint, _ state: GroupState, _ role: BackendHealth.Role, isCounted: Bool = true) {
        self.isCounted = isCounted
        self.endpoint = endpoint
        self.state = state
        self.role = role
    }

    /// The backend greeted, took EHLO and, where there is to be TLS, has it.
    func established() {
        guard !self.isKnown else { return }
        self.isKnown = true
        self.state.succeeded(self.endpoint)
    }

    /// The backend could not be reached, or the session ended before ``established()``; later failures are none of a
    /// backend that cannot be had.
    func failed() {
        guard !self.isKnown else { return }
        self.isKnown = true
        self.state.failed(self.endpoint, self.role)
    }

    /// Nothing will be known of the backend by this session: its connection was there before, or a refusal was meant for
    /// the client.
    func saysNothing() {
        guard !self.isKnown else { return }
        self.isKnown = true
        if self.role != .ordinary { self.endpoint.trialAbandoned() }
    }

    /// Whether the connection may be kept for later, and its place with it.
    var mayRest: Bool { !self.endpoint.isDraining && self.state.mayRest() }

    /// The connection is kept for later.
    func rested() { self.state.rested() }

    /// Gives the place back; once is enough. What became of the session may come behind it, at once: a connection closes
    /// before it is told why.
    func end() {
        guard !self.isOver else { return }
        self.isOver = true
        if self.role != .ordinary, !self.isKnown { self.state.soon { self.saysNothing() } }
        if self.isCounted { self.state.ended(self.endpoint) }
    }
}
