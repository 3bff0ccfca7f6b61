package import Routing
import Synchronization

/// The places to connect to, of all groups: unchanged once made, replaced by a reload, and when a name has other
/// addresses.
package final class EndpointTable: Sendable {
    /// One place of a group.
    package struct Member: Sendable {
        /// The place.
        package var endpoint: Endpoint
        /// Its weight, and what else the configuration says of it, or the SRV record that led to it.
        package var backend: Backend

        /// Makes a member of a group.
        package init(_ endpoint: Endpoint, _ backend: Backend) {
            self.endpoint = endpoint
            self.backend = backend
        }
    }

    /// One group.
    package struct Entry: Sendable {
        /// The group, as the configuration has it.
        package var group: BackendGroup
        /// Its places.
        package var members: [Member]
        /// What all event loops know of the group.
        let load: GroupLoad

        /// Makes the entry of a group; what `earlier` says of places that are still there goes on. `names` has the places of
        /// backends that are names: one without any has no endpoint.
        init(_ group: BackendGroup, names: [BackendAddress: [ResolvedPlace]] = [:], earlier: Entry? = nil) {
            self.group = group
            self.load = earlier?.load ?? GroupLoad()
            self.members = group.backends.flatMap { backend -> [Member] in
                let known = earlier?.members.filter { $0.endpoint.configured == backend.address } ?? []
                guard !backend.address.isName else {
                    return ResolvedPlace.members(of: backend, names[backend.address] ?? [], group.name, known)
                }
                guard known.isEmpty else { return known.map { Member($0.endpoint, backend) } }
                return [Member(Endpoint(group: group.name, configured: backend.address), backend)]
            }
        }
    }

    /// Counts the tables of a relay.
    let generation: Int
    /// The groups in the order of the configuration, each once.
    package let entries: [Entry]
    private let places: [String: Int]

    init(generation: Int, entries: [Entry]) {
        self.generation = generation
        self.entries = entries
        self.places = Dictionary(
            entries.enumerated().map { ($1.group.name, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// The table of a configuration's groups; what `earlier` says of places that are still there goes on.
    convenience init(
        _ groups: [BackendGroup], names: [BackendAddress: [ResolvedPlace]] = [:], earlier: EndpointTable? = nil
    ) {
        var seen: Set<String> = []
        let entries = groups.filter { seen.insert($0.name).inserted }
            .map { Entry($0, names: names, earlier: earlier?[$0.name]) }
        self.init(generation: (earlier?.generation ?? 0) + 1, entries: entries)
    }

    /// The group of that name.
    package subscript(name: String) -> Entry? { self.places[name].map { self.entries[$0] } }

    /// The same table with other members in one group.
    func replacing(_ members: [Member], of name: String) -> EndpointTable? {
        guard let place = self.places[name] else { return nil }
        var entries = self.entries
        entries[place].members = members
        return EndpointTable(generation: self.generation + 1, entries: entries)
    }
}

/// What all event loops know of a group, in words that none of them locks.
final class GroupLoad: Sendable {
    /// The sessions of all its places.
    private let sessions = Atomic<Int>(0)
    /// A bit for each event loop on which somebody waits for a place.
    private let waitingLoops = Atomic<UInt64>(0)

    var connections: Int { self.sessions.load(ordering: .relaxed) }

    /// Counts a session; false, and nothing counted, where there are `limit` (0: no bound).
    func reserve(limit: Int) -> Bool {
        self.sessions.addOne(below: limit)
    }

    /// Uncounts a session.
    func release() {
        self.sessions.subtract(1, ordering: .sequentiallyConsistent)
    }

    // Who waits says so first and then looks for a place once more; who gives a place back does that first and then looks
    // for who waits. In one order for all, so one of them sees the other.

    /// The event loops on which somebody waits.
    var waiting: UInt64 { self.waitingLoops.load(ordering: .sequentiallyConsistent) }

    func beginWaiting(_ loop: UInt64) {
        self.waitingLoops.bitwiseOr(loop, ordering: .sequentiallyConsistent)
    }

    func endWaiting(_ loop: UInt64) {
        self.waitingLoops.bitwiseAnd(~loop, ordering: .sequentiallyConsistent)
    }
}
