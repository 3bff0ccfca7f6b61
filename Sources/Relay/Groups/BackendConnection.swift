import NIOCore
import Routing
import SMTPCore
import SMTPNIO

/// A connection to a backend: of one client's session, or of the pool in between.
///
/// Confined to its event loop.
final class BackendConnection {
    /// The handler that speaks to the backend.
    let handler: SMTPClientHandler
    /// The backend, for the log.
    let address: String
    /// What holds for messages that go there.
    let policy: DeliveryPolicy
    /// Where it is reached, without brackets; nil where a name was resolved, or by a path.
    let endpoint: (host: String, port: Int)?
    /// The backend of a group; nil for a server that a lookup named.
    let backend: BackendAddress?
    /// The session's place there; nil for a server that a lookup named.
    let place: EndpointPlace?
    /// Where the pool keeps it.
    let shelf: BackendPool.Shelf
    /// By which configuration it was made: after a reload nobody else has it.
    let snapshot: RelaySnapshot

    /// Whether it has served before: it may have ended without our knowing.
    var isReused = false
    /// How many transactions have begun on it.
    private(set) var uses = 0
    /// When it was made.
    private let made = NIODeadline.now()
    /// Until when it may be used at all.
    var lastsUntil: NIODeadline { self.made + TimeAmount(self.policy.pool.age) }
    /// What becomes of its replies, and by which name of ours; made with the first.
    private var mapping: (name: String, value: ReplyMapping)?
    /// Where it rests; nil while it does not.
    private var pool: BackendPool?

    init(
        handler: SMTPClientHandler, address: String, policy: DeliveryPolicy, endpoint: (host: String, port: Int)?,
        backend: BackendAddress?, place: EndpointPlace?, shelf: BackendPool.Shelf, snapshot: RelaySnapshot
    ) {
        self.handler = handler
        self.address = address
        self.policy = policy
        self.endpoint = endpoint
        self.backend = backend
        self.place = place
        self.shelf = shelf
        self.snapshot = snapshot
    }

    /// Whether any client's session may have it: the backend was told of none.
    var isShareable: Bool { self.policy.sharesConnections }

    /// What becomes of its replies where `serverName` stands for the backend.
    func mapping(to serverName: String) -> ReplyMapping {
        if let mapping = self.mapping, mapping.name == serverName { return mapping.value }
        let value = ReplyMapping(
            serverName: serverName, introduced: self.handler.serverNames, configured: self.backend,
            address: self.endpoint)
        self.mapping = (serverName, value)
        return value
    }

    /// A transaction begins on it.
    func begins() { self.uses += 1 }

    /// The backend greeted, and can be asked.
    func established() { self.place?.established() }

    /// The session ended, or was ended for want of an answer.
    func failed(_ failure: SMTPClientFailure) {
        guard let place = self.place else { return }
        // Behind a PROXY header a greeting that refuses is meant for the client: who is refused must not be able to
        // have the backend ejected.
        if case .session(let error) = failure, self.policy.identity.sendsHeader,
            error.code == .refusedSession || error.code == .serviceClosing
        {
            return place.saysNothing()
        }
        place.failed()
    }
}

// MARK: In the pool

extension BackendConnection: SMTPClientDelegate {
    /// Waits in the pool for its next session, until the moment that is returned; nil where it had better end.
    func rest(in pool: BackendPool, now: NIODeadline) -> NIODeadline? {
        guard self.mayServeAgain(now: now), self.place?.endpoint.isDraining != true else { return nil }
        let until = min(now + TimeAmount(self.policy.pool.idle), self.lastsUntil)
        guard until > now, self.handler.rest(with: self) else { return nil }
        self.pool = pool
        self.place?.endpoint.rests(true)
        return until
    }

    /// Leaves the pool, for a session or for good.
    func awake() {
        self.pool = nil
        self.place?.endpoint.rests(false)
    }

    /// Whether it may have another transaction: it is not yet too old for that, and has not had as many as it may. Whether it
    /// waits for it in the pool, or with a client as the pool is full.
    func mayServeAgain(now: NIODeadline) -> Bool {
        let uses = self.policy.pool.uses
        return (uses == 0 || self.uses < uses) && now < self.lastsUntil
    }

    /// Whether a client that has it must have another one for its next message, as the pool would give it no more.
    func isWornOut(now: NIODeadline) -> Bool { self.isShareable && !self.mayServeAgain(now: now) }

    /// Serves another session.
    func serve(_ delegate: any SMTPClientDelegate) {
        self.isReused = true
        self.handler.serve(delegate)
    }

    func clientFailed(_ failure: SMTPClientFailure) {
        self.pool?.remove(self)
    }

    // Nothing is asked meanwhile.
    func clientReady() {}
    func clientAnswered(_ question: ClientSession.Question, _ reply: SMTPReply) {}
    func clientWritabilityChanged(_ isWritable: Bool) {}
}
