import NIOCore
import Routing
import SMTPNIO

/// Connections to backends that wait for their next session, of one event loop; confined to it.
///
/// ```text
/// put      a session has no more to say: RSET goes in front of the next one's MAIL, in the same write
/// take     the one that was used last, so that the others can go
/// sweep    those that have waited too long, or have been there too long, take leave; after a reload all do
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
    private let now: () -> NIODeadline
    private var shelves = RestingShelves<Shelf, BackendConnection, NIODeadline>()
    /// The configuration by which all that wait were made.
    private var snapshot: RelaySnapshot?
    /// When the first of them has waited long enough.
    private var firstEnd = NIODeadline.distantFuture
    private var isClosed = false

    init(sweep: SessionSweep, view: LoopView, now: @escaping () -> NIODeadline = { .now() }) {
        self.sweep = sweep
        self.view = view
        self.now = now
    }

    /// How many wait.
    var count: Int { self.shelves.count }

    /// How many wait on this shelf.
    func count(_ shelf: Shelf) -> Int { self.shelves.count(shelf) }

    /// Whether one more may wait beside those that do.
    func hasRoom(for connection: BackendConnection) -> Bool {
        self.count(connection.shelf) < connection.policy.pool.size
    }

    /// Keeps a connection for its next session; false, and nothing done, where it had better end.
    func put(_ connection: BackendConnection) -> Bool {
        guard !self.isClosed, connection.isShareable, connection.snapshot === self.view.snapshot else { return false }
        if self.snapshot !== connection.snapshot {
            self.letGo { _, _ in true }
            self.snapshot = connection.snapshot
        }
        guard self.hasRoom(for: connection), connection.place?.mayRest ?? true,
            let end = connection.rest(in: self, now: self.now())
        else { return false }
        self.shelves.put(connection, on: connection.shelf, until: end, warmUntil: connection.lastsUntil)
        self.firstEnd = min(self.firstEnd, end)
        if self.sweepToken == nil { self.sweepToken = self.sweep.add(self) }
        connection.place?.rested()
        return true
    }

    /// Whether a connection waits for a session of the present configuration.
    func holds(_ shelf: Shelf) -> Bool {
        guard let last = self.shelves.last(shelf) else { return false }
        return last.snapshot === self.view.snapshot
    }

    /// A connection for a session of this configuration; nil where none waits.
    func take(_ shelf: Shelf, for snapshot: RelaySnapshot) -> BackendConnection? {
        guard snapshot === self.snapshot else { return nil }
        while let last = self.shelves.take(shelf) {
            last.awake()
            if last.handler.isQuiet { return last }
            // Half a reply that nobody asked for: its other half would be taken for an answer.
            last.handler.close()
        }
        return nil
    }

    /// A connection is to be made where one waits that is not for its session, and there is no place for both: the one that
    /// was used longest ago ends.
    func giveWay(_ shelf: Shelf) {
        guard let first = self.shelves.first(shelf), self.remove(first) else { return }
        // (At once: the next one would meet a backend that still counts this one.)
        first.handler.quit()
        first.handler.close()
    }

    /// Its session ended while it waited; false where it does not wait any more.
    @discardableResult
    func remove(_ connection: BackendConnection) -> Bool {
        guard self.shelves.remove(connection, from: connection.shelf) else { return false }
        connection.awake()
        return true
    }

    /// Lets the connections to a place go.
    func drain(_ endpoint: Endpoint) {
        self.letGo { connection, _ in connection.place?.endpoint === endpoint }
    }

    /// Lets one connection go to each place of this group: somebody waits for a place, and this loop does not know for which.
    func shed(_ group: String) {
        let oldest = self.shelves.firsts.filter { $0.place?.endpoint.group == group }
        // (To take leave of one may give somebody the next.)
        for connection in oldest where self.remove(connection) { connection.handler.quit() }
    }

    /// Every connection that waits goes, and none is kept any more: the relay stops.
    func shutDown() {
        self.isClosed = true
        self.drain()
    }

    /// - Parameter isOver: of a connection, and the moment until which it waits: those that are to be there before anybody
    ///   needs them are, until they are too old.
    private func letGo(_ isOver: (BackendConnection, NIODeadline) -> Bool) {
        let (gone, firstEnd) = self.shelves.removeAll(warm: { $0.policy.pool.warm }, where: isOver)
        self.firstEnd = firstEnd ?? .distantFuture
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

// MARK: The sweep

extension BackendPool {
    /// At once where what holds is not what they were made by: a reload tells the pool nothing.
    var deadline: NIODeadline {
        self.snapshot === self.view.snapshot ? self.firstEnd : .uptimeNanoseconds(0)
    }

    /// Those that have waited long enough go.
    func deadlineExpired() {
        let now = self.now()
        let current = self.view.snapshot
        self.letGo { connection, end in end <= now || connection.snapshot !== current }
    }

    func drain() {
        self.letGo { _, _ in true }
    }
}
