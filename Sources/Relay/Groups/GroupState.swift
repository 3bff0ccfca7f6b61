import Logging
import NIOCore
import Routing

/// The choosing among a group's places, on one event loop; confined to it.
final class GroupState {
    /// What becomes of somebody who wants a place.
    enum Choice {
        /// There is one, and it counts from now on.
        case place(EndpointPlace)
        /// Every one that could be had is taken.
        case full
        /// There is none to be had: all are ejected, drained, or have been tried.
        case unavailable
    }

    private(set) var group: BackendGroup
    /// The places, and the most sessions that each may have: what is looked at for each choice.
    private(set) var endpoints: [Endpoint] = []
    private var limits: [Int] = []
    /// Those that are no backups.
    private(set) var primaries: [Endpoint] = []
    let load: GroupLoad
    let waiters: WaitingLine
    private var balancer: Balancer
    private let states: GroupStates

    init(_ entry: EndpointTable.Entry, _ states: GroupStates) {
        self.group = entry.group
        self.load = entry.load
        self.states = states
        self.waiters = WaitingLine()
        self.balancer = Balancer([], balance: entry.group.balance)
        self.update(entry)
    }

    /// The group has other places, or another configuration.
    func update(_ entry: EndpointTable.Entry) {
        self.group = entry.group
        self.endpoints = entry.members.map(\.endpoint)
        self.limits = entry.members.map(\.backend.maxConnections)
        self.primaries = entry.members.filter { !$0.backend.isBackup }.map(\.endpoint)
        self.balancer = Balancer(
            entry.members.map(\.backend), balance: entry.group.balance,
            turn: self.states.index % max(1, entry.members.count))
    }

    /// The place whose turn it is.
    ///
    /// - Parameters:
    ///   - tried: those that failed for the same session.
    ///   - mayBorrow: whether, of a backend that is full, it may be the place of a connection that waits there.
    func choose(excluding tried: [Endpoint], mayBorrow: Bool) -> Choice {
        // Who comes while others wait waits behind them.
        self.load.waiting == 0 ? self.take(excluding: tried, mayBorrow: mayBorrow) : .full
    }

    func take(excluding tried: [Endpoint], mayBorrow: Bool = true) -> Choice {
        let limit = self.group.maxConnections
        // Another event loop may have been quicker; it cannot be so for ever.
        for _ in 0...(2 * self.endpoints.count) {
            let isFull = limit != 0 && self.load.connections >= limit
            let choice = self.balancer.next { self.standing($0, tried, isGroupFull: isFull, mayBorrow: mayBorrow) }
            guard case .backend(let index) = choice else {
                return choice == .full ? .full : self.earlyTrial(tried)
            }
            let endpoint = self.endpoints[index]
            let role: BackendHealth.Role = endpoint.health.phase == .up ? .ordinary : .trial
            guard role == .ordinary || endpoint.beginTrial(self.states.now(), self.group.health, isEarly: false),
                let place = self.reserve(endpoint, self.limits[index], role, mayBorrow: mayBorrow)
            else { continue }
            return .place(place)
        }
        return .full
    }

    private func reserve(
        _ endpoint: Endpoint, _ limit: Int, _ role: BackendHealth.Role, mayBorrow: Bool
    ) -> EndpointPlace? {
        if self.load.reserve(limit: self.group.maxConnections) {
            if endpoint.reserve(limit: limit) { return EndpointPlace(endpoint, self, role) }
            self.load.release()
        }
        if role != .ordinary {
            endpoint.trialAbandoned()
        } else if mayBorrow, self.states.rests(endpoint) {
            // The connection that waits for a session here has a place already.
            return EndpointPlace(endpoint, self, role, isCounted: false)
        }
        return nil
    }

    /// A place at a backend that is up, where nobody waits for one.
    func placeToWarm(at endpoint: Endpoint) -> EndpointPlace? {
        guard self.load.waiting == 0, !endpoint.isDraining, endpoint.health.phase == .up,
            let index = self.endpoints.firstIndex(where: { $0 === endpoint })
        else { return nil }
        return self.reserve(endpoint, self.limits[index], .ordinary, mayBorrow: false)
    }

    private func standing(
        _ index: Int, _ tried: [Endpoint], isGroupFull: Bool, mayBorrow: Bool
    ) -> Balancer.Standing {
        let endpoint = self.endpoints[index]
        guard !endpoint.isDraining, !tried.contains(where: { $0 === endpoint }) else { return .unusable }
        let health = endpoint.health
        guard health.phase == .up || health.isDue(self.states.now()) else { return .unusable }
        let limit = self.limits[index]
        let isFull = isGroupFull || limit != 0 && endpoint.connections >= limit
        guard isFull else { return .usable(load: endpoint.load) }
        return mayBorrow && health.phase == .up && self.states.rests(endpoint) ? .usable(load: endpoint.load) : .full
    }

    /// Whether connections wait in pools, on any event loop.
    var hasResting: Bool { self.endpoints.contains { $0.connections > $0.load } }

    /// Where all are ejected, one session at a time may try each before its time: a group whose only backend is back
    /// after a second would otherwise be without it for as long as its ejection lasts.
    private func earlyTrial(_ tried: [Endpoint]) -> Choice {
        let ejected = self.endpoints.indices.filter { index in
            let endpoint = self.endpoints[index]
            return !endpoint.isDraining && endpoint.health.phase == .ejected && !tried.contains { $0 === endpoint }
        }
        for index in ejected.sorted(by: { self.endpoints[$0].health.time < self.endpoints[$1].health.time }) {
            guard self.endpoints[index].beginTrial(self.states.now(), self.group.health, isEarly: true),
                let place = self.reserve(self.endpoints[index], self.limits[index], .earlyTrial, mayBorrow: false)
            else { continue }
            return .place(place)
        }
        return .unavailable
    }
}

// MARK: What becomes of places

extension GroupState {
    func succeeded(_ endpoint: Endpoint) {
        self.states.directory.succeeded(endpoint, now: self.states.now(), logger: self.states.logger)
    }

    func failed(_ endpoint: Endpoint, _ role: BackendHealth.Role) {
        self.states.directory.failed(
            endpoint, self.group.health, role: role, now: self.states.now(), logger: self.states.logger)
    }

    func mayRest() -> Bool { self.states.mayRest(self) }
    func rested() { self.states.rested(self) }

    /// Does something behind what is being done now.
    func soon(_ work: @escaping () -> Void) {
        self.states.eventLoop.assumeIsolated().execute(work)
    }

    /// A place is free again: for who waits longest, here and on the other event loops in turn.
    func ended(_ endpoint: Endpoint) {
        endpoint.release()
        self.load.release()
        self.states.placeFreed(self)
    }
}
