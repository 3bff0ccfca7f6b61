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
        /// The places of backends that are names, as far as they are known.
        var names: [BackendAddress: [ResolvedPlace]] = [:]
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
                return members.first { !$0.endpoint.isDraining }?.endpoint.address
            }
            return members[index].endpoint.address
        }
    }

    /// Has another configuration's groups; what is known of places that are still there stays known.
    func replace(_ groups: [BackendGroup]) {
        self.publish { EndpointTable(groups, names: $0.names, earlier: $0.table) }
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

    private func publish(_ make: (inout Current) -> EndpointTable?) {
        let loops = self.current.withLock { current -> [NIOLoopBound<GroupStates>] in
            guard let table = make(&current) else { return [] }
            current.table = table
            current.turns = [:]
            self.latest.store(table.generation, ordering: .releasing)
            return current.loops
        }
        for loop in loops { loop.eventLoop.execute { loop.value.refresh() } }
    }

    /// A backend that is a name has these places now. Endpoints that stay are the same objects; those that go get no more
    /// sessions, and those that run there end by themselves. Returns whether it had none before.
    @discardableResult
    func resolved(_ backend: BackendAddress, _ places: [ResolvedPlace]) -> Bool {
        var isNew = false
        self.publish { current in
            let earlier = current.names.updateValue(places, forKey: backend)
            isNew = (earlier ?? []).isEmpty && !places.isEmpty
            let isUsed = current.table.entries.contains { $0.group.backends.contains { $0.address == backend } }
            guard isUsed, earlier != places else { return nil }
            let table = EndpointTable(current.table.entries.map(\.group), names: current.names, earlier: current.table)
            // A connection to a place that is gone is not kept for a next session.
            for member in current.table.entries.flatMap(\.members) where member.endpoint.configured == backend {
                let stays = table[member.endpoint.group]?.members.contains { $0.endpoint === member.endpoint } ?? false
                if !stays { member.endpoint.drain(true) }
            }
            return table
        }
        return isNew
    }

    /// The entry of a group that is not in the table: one of an earlier configuration.
    func entry(of group: BackendGroup) -> EndpointTable.Entry {
        EndpointTable.Entry(group, names: self.current.withLock { $0.names })
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

    /// Has every event loop but one let a connection go that it keeps for later: somebody wants its place.
    func shed(_ group: String, except place: Int) {
        for (index, loop) in self.current.withLock({ $0.loops }).enumerated() where index != place {
            loop.eventLoop.execute { loop.value.shedHook?(group) }
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
        let time = policy.probe == nil ? "for=\(length)ms" : "until=probe"
        logger.warning(
            "backend-ejected group=\(endpoint.group) backend=\(endpoint.address) failures=\(health.failures) ejections=\(health.ejections) \(time)"
        )
        self.wakeAll(endpoint.group)
    }

    /// Probes have found a place of a group dead.
    func probesFailed(_ endpoint: Endpoint, logger: Logger) {
        guard endpoint.probesFailed() else { return }
        logger.warning(
            "backend-ejected group=\(endpoint.group) backend=\(endpoint.address) ejections=\(endpoint.health.ejections) until=probe"
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
