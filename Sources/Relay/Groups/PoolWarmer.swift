import Logging
import NIOCore
import Routing
import SMTPCore
import SMTPNIO

/// Makes connections to backends before anybody needs them, as far as `pool: {warm}` asks for it: greeted, and past EHLO and TLS.
///
/// Each second, for each place of a group that is up: one connection at a time, while fewer wait there than are to. Nobody who
/// waits for a place is kept out of one, and a backend that is ejected is not tried: its trial is a client's.
///
/// Confined to its event loop.
final class PoolWarmer: SweptSession {
    private unowned let context: LoopContext
    private var sweepToken: SessionSweep.Token?
    /// The places to which a connection is being made.
    private var warming: [ObjectIdentifier: WarmingSession] = [:]
    private var isClosed = false

    init(context: LoopContext) {
        self.context = context
    }

    /// Begins, where the configuration of now asks for any; on the event loop.
    func start() {
        guard self.sweepToken == nil, !self.isClosed, !self.groups.isEmpty else { return }
        self.sweepToken = self.context.sweep.add(self)
        self.warm()
    }

    /// Those that ask for it.
    private var groups: [BackendGroup] {
        self.context.snapshot.configuration.allGroups.filter { $0.policy.pool.warm > 0 && $0.policy.sharesConnections }
    }

    /// At each sweep.
    var deadline: NIODeadline { .uptimeNanoseconds(0) }

    func deadlineExpired() { self.warm() }

    func drain() {
        self.isClosed = true
        self.rest()
        for session in self.warming.values { session.giveUp() }
        self.warming = [:]
    }

    private func rest() {
        if let token = self.sweepToken { self.context.sweep.remove(token) }
        self.sweepToken = nil
    }

    private func warm() {
        let snapshot = self.context.snapshot
        let groups = self.groups
        guard !groups.isEmpty else { return self.rest() }
        for group in groups {
            for endpoint in self.context.groups.primaries(of: group)
            where self.warming[ObjectIdentifier(endpoint)] == nil {
                guard self.context.pool.count(.endpoint(ObjectIdentifier(endpoint))) < group.policy.pool.warm,
                    let place = self.context.groups.placeToWarm(group, at: endpoint)
                else { continue }
                self.connect(at: place, snapshot)
            }
        }
    }

    private func connect(at place: EndpointPlace, _ snapshot: RelaySnapshot) {
        let key = ObjectIdentifier(place.endpoint)
        let session = WarmingSession(context: self.context, snapshot: snapshot) { [weak self] in
            self?.warming[key] = nil
        }
        self.warming[key] = session
        session.connect(at: place)
    }
}

/// One connection that is being made for nobody yet.
private final class WarmingSession: SMTPClientDelegate {
    private let context: LoopContext
    private let connector: BackendConnector
    private var connection: BackendConnection?
    private var ended: (() -> Void)?

    init(context: LoopContext, snapshot: RelaySnapshot, ended: @escaping () -> Void) {
        self.context = context
        // A backend that takes longer to greet than a client may wait is of no use to one.
        let deadline = NIODeadline.now() + snapshot.configuration.timeouts.recipient
        self.connector = BackendConnector(context: context, snapshot: snapshot, client: nil, deadline: deadline)
        self.ended = ended
    }

    func connect(at place: EndpointPlace) {
        self.connector.connect(at: place, delegate: self) { connection in
            guard let connection else { return self.end() }
            self.connection = connection
        }
    }

    func giveUp() {
        self.connector.attempt.giveUp()
        self.connection?.handler.close()
        self.connection = nil
        self.ended = nil
    }

    private func end() {
        let ended = self.ended
        self.connection = nil
        self.ended = nil
        ended?()
    }

    func clientReady() {
        guard let connection = self.connection else { return }
        connection.established()
        self.context.learn(of: connection)
        self.end()
        if !self.context.pool.put(connection) { connection.handler.quit() }
    }

    func clientStartsTLS() {
        guard let connection = self.connection, let channel = connection.handler.channel else { return }
        self.connector.beginTLS(
            on: channel, connection.policy.tls, connection.handler, hostName: connection.backend?.hostName,
            address: connection.address)
    }

    func clientFailed(_ failure: SMTPClientFailure) {
        if let connection = self.connection {
            self.context.logger.warning("backend-unreachable backend=\(connection.address) error=\"\(failure)\"")
            connection.failed(failure)
        }
        self.end()
    }

    func clientAnswered(_ question: ClientSession.Question, _ reply: SMTPReply) {}
    func clientWritabilityChanged(_ isWritable: Bool) {}
}
