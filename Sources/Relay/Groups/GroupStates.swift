import Logging
import NIOCore
import Routing

/// The groups as one event loop chooses among them; confined to it.
///
/// ```text
/// choose -> place        place.established() or .failed(), and place.end() when the session is over
/// choose -> full         wait: the completion has a place, or .full when the wait was in vain
/// choose -> unavailable  451 at once
/// ```
package final class GroupStates {
    let eventLoop: any EventLoop
    let directory: GroupDirectory
    let logger: Logger
    /// Milliseconds, for all that is about health.
    let now: () -> UInt64
    /// Which event loop this is.
    private(set) var index = 0
    /// Called with a place that no session is to begin at any more: connections kept for later are to be let go.
    var drainHook: ((Endpoint) -> Void)?
    /// Whether a connection to a place is kept here for later.
    var restsHook: ((Endpoint) -> Bool)?
    /// Called with a group of which somebody on another event loop wants a place: one connection that is kept is to be let
    /// go.
    var shedHook: ((String) -> Void)?

    private var generation: Int
    private var states: [String: GroupState] = [:]
    /// The group that was asked for last: most relays have one, or few.
    private var last: GroupState?
    private var ownTurn = true
    private var isServing = false

    /// Joins an event loop to the directory; on that loop.
    init(
        eventLoop: any EventLoop, directory: GroupDirectory, logger: Logger,
        now: @escaping () -> UInt64 = { GroupDirectory.now }
    ) {
        self.eventLoop = eventLoop
        self.directory = directory
        self.logger = logger
        self.now = now
        self.generation = directory.generation
        self.index = directory.join(NIOLoopBound(self, eventLoop: eventLoop))
    }

    /// The place whose turn it is in a group.
    ///
    /// - Parameters:
    ///   - tried: those that failed for the same session.
    ///   - mayBorrow: whether, of a backend that is full, it may be the place of a connection that waits there.
    func choose(
        _ group: BackendGroup, excluding tried: [Endpoint] = [], mayBorrow: Bool = true
    ) -> GroupState.Choice {
        self.state(of: group).choose(excluding: tried, mayBorrow: mayBorrow)
    }

    /// How many places a group has, fit to be asked or not.
    func placeCount(of group: BackendGroup) -> Int { self.state(of: group).endpoints.count }

    /// The places of a group that get its mail first.
    func primaries(of group: BackendGroup) -> [Endpoint] { self.state(of: group).primaries }

    /// A place for a connection that nobody needs yet; nil where there is none to spare.
    func placeToWarm(_ group: BackendGroup, at endpoint: Endpoint) -> EndpointPlace? {
        self.state(of: group).placeToWarm(at: endpoint)
    }

    /// Waits for a place, as long as the group has it, but not longer than `limit`; nil where too many wait already.
    func wait(
        for group: BackendGroup, excluding tried: [Endpoint], atMost limit: TimeAmount,
        completion: @escaping (GroupState.Choice) -> Void
    ) -> WaitingLine.Waiter? {
        let state = self.state(of: group)
        let time = min(limit, TimeAmount(state.group.wait))
        guard time > .zero, !state.waiters.isFull else { return nil }
        let isFirst = state.waiters.first == nil
        let waiter = state.waiters.append(
            excluding: tried, for: time, on: self.eventLoop, expired: { self.lineMoved(state) }, completion: completion)
        let hasResting = state.hasResting
        if hasResting { self.directory.shed(state.group.name, except: self.index) }
        if isFirst { state.load.beginWaiting(self.bit) }
        guard isFirst || hasResting else { return waiter }
        // A place that was freed before this was known is nobody else's to give; but not within this call.
        self.eventLoop.assumeIsolated().execute {
            self.serve(state)
            // What is kept here, and is of no use to who waits, keeps a place of the group.
            if waiter.isWaiting, state.hasResting { self.shedHook?(state.group.name) }
        }
        return waiter
    }

    /// Every session is over.
    func shutDown() {
        self.last = nil
        self.states = [:]
        self.drainHook = nil
        self.restsHook = nil
        self.shedHook = nil
    }

    /// Somebody who waited has lost interest.
    func leave(_ waiter: WaitingLine.Waiter, _ group: BackendGroup) {
        let state = self.state(of: group)
        state.waiters.leave(waiter)
        self.lineMoved(state)
    }

    private var bit: UInt64 { 1 << UInt64(self.index % 64) }

    private func state(of group: BackendGroup) -> GroupState {
        if self.generation != self.directory.generation { self.refresh() }
        if let last = self.last, last.group.name == group.name, last.group.leadsWhere(group) { return last }
        if let state = self.states[group.name] {
            // (A group that an earlier configuration had, and that is gone, is asked for by transactions that had begun.)
            guard state.group.leadsWhere(group) else { return GroupState(self.directory.entry(of: group), self) }
            self.last = state
            return state
        }
        guard let entry = self.directory.table[group.name], entry.group.leadsWhere(group) else {
            return GroupState(self.directory.entry(of: group), self)
        }
        let state = GroupState(entry, self)
        self.states[group.name] = state
        self.last = state
        return state
    }

    /// Takes over the table of now.
    func refresh() {
        let table = self.directory.table
        guard table.generation != self.generation else { return }
        self.generation = table.generation
        self.last = nil
        for (name, state) in self.states {
            let earlier = state.endpoints
            if let entry = table[name] { state.update(entry) } else { self.states[name] = nil }
            let current = table[name]?.members ?? []
            for endpoint in earlier where !current.contains(where: { $0.endpoint === endpoint }) {
                self.drainHook?(endpoint)
            }
            self.serve(state)
        }
    }
}

// MARK: Who waits

extension GroupStates {
    func rests(_ endpoint: Endpoint) -> Bool { self.restsHook?(endpoint) ?? false }

    /// Whether a connection may be kept for later: where somebody on another event loop waits for its place, it may not.
    func mayRest(_ state: GroupState) -> Bool {
        let waiting = state.load.waiting
        guard waiting & ~self.bit != 0 else { return true }
        self.ownTurn.toggle()
        return self.ownTurn && state.waiters.first != nil
    }

    /// A connection is kept for later: for who waits here, that is now.
    func rested(_ state: GroupState) {
        guard state.waiters.first != nil else { return }
        self.eventLoop.assumeIsolated().execute { self.serve(state) }
    }

    /// A place of a group is free again: those who wait here and those on other event loops have it in turn.
    func placeFreed(_ state: GroupState) {
        let waiting = state.load.waiting
        guard waiting != 0 else { return }
        let others = waiting & ~self.bit
        self.ownTurn.toggle()
        if others != 0, state.waiters.first == nil || !self.ownTurn {
            self.directory.wake(self.next(of: others), state.group.name)
        } else {
            self.serve(state)
        }
    }

    /// Serves those who wait for a place of a group here, by request of another event loop.
    func serve(_ name: String) {
        guard let state = self.states[name] else { return }
        guard state.waiters.first == nil else { return self.serve(state) }
        // They have gone meanwhile. The place is for others, if any wait.
        state.load.endWaiting(self.bit)
        let others = state.load.waiting & ~self.bit
        if others != 0 { self.directory.wake(self.next(of: others), name) }
    }

    private func serve(_ state: GroupState) {
        // Who gets a place, and at once fails, frees it again.
        guard !self.isServing else { return self.eventLoop.assumeIsolated().execute { self.serve(state) } }
        self.isServing = true
        defer { self.isServing = false }
        while let waiter = state.waiters.first {
            let choice = state.take(excluding: waiter.tried)
            if case .full = choice { break }
            state.waiters.complete(waiter, choice)
        }
        self.lineMoved(state)
    }

    private func lineMoved(_ state: GroupState) {
        if state.waiters.first == nil { state.load.endWaiting(self.bit) }
    }

    /// The first event loop behind this one among those.
    private func next(of loops: UInt64) -> Int {
        let own = UInt64(self.index % 64)
        let behind = own == 63 ? 0 : (loops >> (own + 1)) << (own + 1)
        return (behind != 0 ? behind : loops).trailingZeroBitCount
    }
}

extension BackendGroup {
    /// Whether who asks for `other` may have a place of this group. The name says so, but that of a group inside a route is
    /// its place, where a reload may have put another one.
    fileprivate func leadsWhere(_ other: BackendGroup) -> Bool {
        self.name.utf8.last != UInt8(ascii: "]") || self.backends == other.backends
    }
}
