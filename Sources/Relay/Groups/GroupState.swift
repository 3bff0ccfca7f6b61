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
    private(set) var members: [EndpointTable.Member]
    let load: GroupLoad
    let waiters: WaitingLine
    private var balancer: Balancer
    private let states: GroupStates

    init(_ entry: EndpointTable.Entry, _ states: GroupStates) {
        self.group = entry.group
        self.members = entry.members
        self.load = entry.load
        self.states = states
        self.waiters = WaitingLine()
        self.balancer = Balancer(
            entry.members.map(\.backend), balance: entry.group.balance, turn: states.index % max(1, entry.members.count)
        )
    }

    /// The group has other places, or another configuration.
    func update(_ entry: EndpointTable.Entry) {
        self.group = entry.group
        self.members = entry.members
        self.balancer = Balancer(
            entry.members.map(\.backend), balance: entry.group.balance,
            turn: self.states.index % max(1, entry.members.count))
    }

    /// The place whose turn it is.
    ///
    /// - Parameter tried: those that failed for the same session.
    func choose(excluding tried: [Endpoint]) -> Choice {
        // Who comes while others wait waits behind them.
        self.load.waiting == 0 ? self.take(excluding: tried) : .full
    }

    func take(excluding tried: [Endpoint]) -> Choice {
        let limit = self.group.maxConnections
        guard limit == 0 || self.load.connections < limit else { return self.isAnyUsable(tried) ? .full : .unavailable }
        // Another event loop may have been quicker; it cannot be so for ever.
        for _ in 0...(2 * self.members.count) {
            let choice = self.balancer.next { self.standing(self.members[$0], tried) }
            guard case .backend(let index) = choice else {
                return choice == .full ? .full : self.earlyTrial(tried)
            }
            let (endpoint, backend) = (self.members[index].endpoint, self.members[index].backend)
            let role: BackendHealth.Role = endpoint.health.phase == .up ? .ordinary : .trial
            guard role == .ordinary || endpoint.beginTrial(self.states.now(), self.group.health, isEarly: false),
                let place = self.reserve(endpoint, backend, role)
            else { continue }
            return .place(place)
        }
        return .full
    }

    private func reserve(_ endpoint: Endpoint, _ backend: Backend, _ role: BackendHealth.Role) -> EndpointPlace? {
        if self.load.reserve(limit: self.group.maxConnections) {
            if endpoint.reserve(limit: backend.maxConnections) { return EndpointPlace(endpoint, self, role) }
            self.load.release()
        }
        if role != .ordinary { endpoint.trialAbandoned() }
        return nil
    }

    private func standing(_ member: EndpointTable.Member, _ tried: [Endpoint]) -> Balancer.Standing {
        let endpoint = member.endpoint
        guard !endpoint.isDraining, !tried.contains(where: { $0 === endpoint }) else { return .unusable }
        let health = endpoint.health
        guard health.phase == .up || health.isDue(self.states.now()) else { return .unusable }
        let limit = member.backend.maxConnections
        return limit == 0 || endpoint.connections < limit ? .usable(load: endpoint.load) : .full
    }

    private func isAnyUsable(_ tried: [Endpoint]) -> Bool {
        self.members.contains { self.standing($0, tried) != .unusable }
    }

    /// Where all are ejected, one session at a time may try each before its time: a group whose only backend is back
    /// after a second would otherwise be without it for as long as its ejection lasts.
    private func earlyTrial(_ tried: [Endpoint]) -> Choice {
        let ejected = self.members.filter { member in
            !member.endpoint.isDraining && member.endpoint.health.phase == .ejected
                && !tried.contains { $0 === member.endpoint }
        }
        for member in ejected.sorted(by: { $0.endpoint.health.time < $1.endpoint.health.time }) {
            guard member.endpoint.beginTrial(self.states.now(), self.group.health, isEarly: true),
                let place = self.reserve(member.endpoint, member.backend, .earlyTrial)
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
