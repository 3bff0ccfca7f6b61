package import Logging
import NIOCore
package import Routing
import Synchronization

/// The places to connect to, of a whole relay: which there are, and what becomes known of them.
///
/// Event loops have the table of now by themselves; they come here only when it has changed, or when one is to wake
/// another.
package final class GroupDirectory: Sendable {
    private struct Current {
        var table: EndpointTable
        var loops: [NIOLoopBound<GroupStates>] = []
        /// For ``peek(_:)``: nobody connects by these.
        var turns: [String: Balancer] = [:]
    }

    private let current: Mutex<Current>
    private let latest: Atomic<Int>

    /// Makes the directory of a configuration's groups.
    package init(_ groups: [BackendGroup]) {
        let table = EndpointTable(groups)
        self.latest = Atomic(table.generation)
        self.current = Mutex(Current(table: table))
    }

    /// The generation of the table of now.
    var generation: Int { self.latest.load(ordering: .acquiring) }

    /// The table of now.
    package var table: EndpointTable { self.current.withLock { $0.table } }

    /// The backend of a group whose turn it is among those who ask here, and connect by themselves; nil where all are
    /// ejected or drained.
    package func peek(_ group: BackendGroup, now: UInt64 = GroupDirectory.now) -> BackendAddress? {
        self.current.withLock { current in
            guard let members = current.table[group.name]?.members else { return group.backends.first?.address }
            var balancer =
                current.turns.removeValue(forKey: group.name)
                ?? Balancer(members.map(\.backend), balance: group.balance)
            defer { current.turns[group.name] = balancer }
            let choice = balancer.next { index in
                let endpoint = members[index].endpoint
                guard !endpoint.isDraining, endpoint.health.phase == .up || endpoint.health.isDue(now) else {
                    return .unusable
                }
                return .usable(load: endpoint.connections)
            }
            guard case .backend(let index) = choice else {
                // That all are ejected may be over; who asks finds out.
                return members.first { !$0.endpoint.isDraining }?.endpoint.configured
            }
            return members[index].endpoint.configured
        }
    }

    /// Has another configuration's groups; what is known of places that are still there stays known.
    func replace(_ groups: [BackendGroup]) {
        self.publish { EndpointTable(groups, earlier: $0) }
    }

    /// Replaces the places of a group, where there is one of that name: a backend's name has other addresses now.
    ///
    /// - Parameter change: the members of now in, those to be out. Endpoints that stay are to be the same objects.
    package func replace(
        membersOf group: String, _ change: (EndpointTable.Entry) -> [EndpointTable.Member]
    ) {
        self.publish { table in
            guard let entry = table[group] else { return nil }
            let members = change(entry)
            // A backend that was drained is so at its new addresses, too.
            for member in members where !entry.members.contains(where: { $0.endpoint === member.endpoint }) {
                let siblings = entry.members.filter { $0.endpoint.configured == member.endpoint.configured }
                let isDraining = !siblings.isEmpty && siblings.allSatisfy(\.endpoint.isDraining)
                if isDraining { member.endpoint.drain(true) }
            }
            return table.replacing(members, of: group)
        }
    }

    /// Has no session begin at a place, or has them begin again; returns whether that is news.
    func drain(_ endpoint: Endpoint, _ isDraining: Bool) -> Bool {
        guard endpoint.isDraining != isDraining else { return false }
        endpoint.drain(isDraining)
        for loop in self.current.withLock({ $0.loops }) {
            loop.eventLoop.execute {
                if isDraining { loop.value.drainHook?(endpoint) }
                loop.value.serve(endpoint.group)
            }
        }
        return true
    }

    private func publish(_ make: (EndpointTable) -> EndpointTable?) {
        let loops = self.current.withLock { current -> [NIOLoopBound<GroupStates>] in
            guard let table = make(current.table) else { return [] }
            current.table = table
            current.turns = [:]
            self.latest.store(table.generation, ordering: .releasing)
            return current.loops
        }
        for loop in loops { loop.eventLoop.execute { loop.value.refresh() } }
    }

    /// An event loop begins to use the directory; returns which one it is.
    func join(_ loop: NIOLoopBound<GroupStates>) -> Int {
        self.current.withLock { current in
            current.loops.append(loop)
            return current.loops.count - 1
        }
    }

    /// Has the event loop that is `place`th serve those who wait for a place of a group; 64 loops share a place.
    func wake(_ place: Int, _ group: String) {
        let loops = self.current.withLock { $0.loops }
        for index in stride(from: place, to: loops.count, by: 64) {
            let loop = loops[index]
            loop.eventLoop.execute { loop.value.serve(group) }
        }
    }

    /// Has every event loop look again whether who waits for a place of a group can have one.
    func wakeAll(_ group: String) {
        for loop in self.current.withLock({ $0.loops }) { loop.eventLoop.execute { loop.value.serve(group) } }
    }
}

// MARK: What becomes known of a place

extension GroupDirectory {
    /// Milliseconds of the clock that all times of health are by.
    package static var now: UInt64 { NIODeadline.now().uptimeNanoseconds / 1_000_000 }

    /// A place of a group could not be reached, or did not greet: by a session, or by a probe.
    package func failed(
        _ endpoint: Endpoint, _ policy: HealthPolicy, role: BackendHealth.Role = .ordinary,
        now: UInt64 = GroupDirectory.now,
        logger: Logger
    ) {
        guard let length = endpoint.failed(now, policy, role) else { return }
        let health = endpoint.health
        logger.warning(
            "backend-ejected group=\(endpoint.group) backend=\(endpoint.address) failures=\(health.failures) ejections=\(health.ejections) for=\(length)ms"
        )
        self.wakeAll(endpoint.group)
    }

    /// A place of a group greeted: a session, or a probe.
    package func succeeded(_ endpoint: Endpoint, now: UInt64 = GroupDirectory.now, logger: Logger) {
        guard endpoint.succeeded(now) else { return }
        logger.notice("backend-back group=\(endpoint.group) backend=\(endpoint.address)")
        self.wakeAll(endpoint.group)
    }
}
