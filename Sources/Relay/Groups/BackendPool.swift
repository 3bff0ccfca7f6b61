import NIOCore
import Routing
import SMTPNIO

/// Connections to backends that wait for their next session, of one event loop; confined to it.
///
/// ```text
/// put      a session has no more to say: RSET goes in front of the next one's MAIL, in the same write
/// take     the one that was used last, so that the others can go
/// sweep    those that have waited too long, or have been there too long, take leave
/// ```
final class BackendPool: SweptSession {
    /// Where connections lie that any session for the same place may have.
    enum Shelf: Hashable {
        /// A place of a group.
        case endpoint(ObjectIdentifier)
        /// A server that a lookup named.
        case server(SocketAddress)
    }

    private let sweep: SessionSweep
    private var sweepToken: SessionSweep.Token?
    private let view: LoopView
    /// On each shelf the one that was used last is the last.
    private var shelves: [Shelf: [BackendConnection]] = [:]
    private(set) var deadline = NIODeadline.distantFuture
    private var isClosed = false

    init(sweep: SessionSweep, view: LoopView) {
        self.sweep = sweep
        self.view = view
    }

    /// How many wait.
    var count: Int { self.shelves.values.reduce(0) { $0 + $1.count } }

    /// Keeps a connection for its next session; false, and nothing done, where it had better end.
    func put(_ connection: BackendConnection) -> Bool {
        guard !self.isClosed, connection.isShareable, connection.snapshot === self.view.snapshot else { return false }
        let now = NIODeadline.now()
        guard (self.shelves[connection.shelf]?.count ?? 0) < connection.policy.pool.size,
            connection.place?.mayRest ?? true, connection.rest(in: self, now: now)
        else { return false }
        self.shelves[connection.shelf, default: []].append(connection)
        self.deadline = min(self.deadline, connection.restsUntil)
        if self.sweepToken == nil { self.sweepToken = self.sweep.add(self) }
        connection.place?.rested()
        return true
    }

    /// Whether a connection waits for a session of the present configuration.
    func holds(_ shelf: Shelf) -> Bool {
        guard let last = self.shelves[shelf]?.last else { return false }
        return last.snapshot === self.view.snapshot
    }

    /// A connection for a session of this configuration; nil where none waits.
    func take(_ shelf: Shelf, for snapshot: RelaySnapshot) -> BackendConnection? {
        guard let index = self.shelves.index(forKey: shelf), let last = self.shelves.values[index].last,
            last.snapshot === snapshot
        else { return nil }
        self.shelves.values[index].removeLast()
        last.awake()
        return last
    }

    /// Its session ended while it waited.
    func remove(_ connection: BackendConnection) {
        guard let index = self.shelves.index(forKey: connection.shelf),
            let place = self.shelves.values[index].firstIndex(where: { $0 === connection })
        else { return }
        self.shelves.values[index].remove(at: place)
        connection.awake()
    }

    /// Lets the connections to a place go.
    func drain(_ endpoint: Endpoint) {
        self.letGo { $0.place?.endpoint === endpoint }
    }

    /// Lets one connection go to a place of this group, where there is one: somebody waits for a place.
    func shed(_ group: String) {
        for shelf in self.shelves.keys {
            guard let first = self.shelves[shelf]?.first, first.place?.endpoint.group == group else { continue }
            self.remove(first)
            first.handler.quit()
            return
        }
    }

    /// Those that have waited long enough go.
    func deadlineExpired() {
        let now = NIODeadline.now()
        let current = self.view.snapshot
        self.letGo { $0.restsUntil <= now || $0.snapshot !== current }
    }

    func drain() {
        self.letGo { _ in true }
    }

    /// Every session is over.
    func shutDown() {
        self.isClosed = true
        self.drain()
    }

    private func letGo(_ isOver: (BackendConnection) -> Bool) {
        var next = NIODeadline.distantFuture
        var gone: [BackendConnection] = []
        for (shelf, connections) in self.shelves {
            let kept = connections.filter { !isOver($0) }
            for connection in kept { next = min(next, connection.restsUntil) }
            if kept.count < connections.count {
                gone += connections.filter(isOver)
                self.shelves[shelf] = kept.isEmpty ? nil : kept
            }
        }
        self.deadline = next
        if self.shelves.isEmpty, let token = self.sweepToken {
            self.sweep.remove(token)
            self.sweepToken = nil
        }
        // Last: to take leave of one may end another.
        for connection in gone {
            connection.awake()
            connection.handler.quit()
        }
    }
}
