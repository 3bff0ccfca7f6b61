import Dispatch
import Logging
import NIOCore
import NIOEmbedded
import Routing
import Synchronization
import Testing

@testable import Relay

/// Two event loops that share a directory, with a clock that the test sets.
private final class Trial {
    let loops = [EmbeddedEventLoop(), EmbeddedEventLoop()]
    let directory: GroupDirectory
    private(set) var states: [GroupStates] = []
    private(set) var group: BackendGroup
    var now: UInt64 = 1_000_000

    init(_ group: BackendGroup) {
        self.group = group
        self.directory = GroupDirectory([group])
        self.states = self.loops.map { loop in
            GroupStates(
                eventLoop: loop, directory: self.directory,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
                now: { [unowned self] in self.now })
        }
    }

    deinit {
        for states in self.states { states.shutDown() }
    }

    func run() {
        for _ in 0..<5 { for loop in self.loops { loop.run() } }
    }

    func reload(_ change: (inout BackendGroup) -> Void) {
        change(&self.group)
        self.directory.replace([self.group])
        self.run()
    }

    func choose(_ loop: Int = 0, excluding tried: [Endpoint] = []) -> GroupState.Choice {
        self.states[loop].choose(self.group, excluding: tried)
    }

    /// A place; its absence is an issue.
    func place(_ loop: Int = 0, excluding tried: [Endpoint] = []) throws -> EndpointPlace {
        let choice = self.choose(loop, excluding: tried)
        guard case .place(let place) = choice else {
            Issue.record("\(choice)")
            throw CancellationError()
        }
        return place
    }

    /// What became of one who waits.
    final class Outcome {
        var choice: GroupState.Choice?
        var waiter: WaitingLine.Waiter?

        var place: EndpointPlace? {
            guard case .place(let place) = self.choice else { return nil }
            return place
        }
        var isFull: Bool { if case .full = self.choice { true } else { false } }
        var isUnavailable: Bool { if case .unavailable = self.choice { true } else { false } }
    }

    func wait(_ loop: Int = 0) -> Outcome {
        let outcome = Outcome()
        outcome.waiter = self.states[loop].wait(for: self.group, excluding: [], atMost: .minutes(1)) {
            outcome.choice = $0
        }
        return outcome
    }

    var endpoints: [Endpoint] { self.directory.table[self.group.name]?.members.map(\.endpoint) ?? [] }

    func connections() -> [Int] { self.endpoints.map(\.connections) }

    func eject(_ index: Int) throws {
        let others = self.endpoints.enumerated().filter { $0.offset != index }.map(\.element)
        for _ in 0..<3 {
            let place = try self.place(excluding: others)
            place.failed()
            place.end()
        }
        #expect(self.endpoints[index].health.phase == .ejected)
    }
}

private func isFull(_ choice: GroupState.Choice) -> Bool { if case .full = choice { true } else { false } }
private func isUnavailable(_ choice: GroupState.Choice) -> Bool {
    if case .unavailable = choice { true } else { false }
}

private func group(_ count: Int, _ balance: Balance = .roundRobin, limit: Int = 0) -> BackendGroup {
    let backends = (0..<count).map { Backend(.ip(.v4(0x7F00_0001), port: UInt16(2001 + $0)), maxConnections: limit) }
    return BackendGroup(name: "app", backends: backends, balance: balance)
}

@Suite struct GroupStatesTests {
    @Test("Two loops share the count of sessions: least-connections goes by all of them")
    func sharedCounts() throws {
        let trial = Trial(group(3, .leastConnections))
        let places = try (0..<30).map { try trial.place($0 % 2) }
        #expect(trial.connections() == [10, 10, 10])
        for place in places where place.endpoint === trial.endpoints[1] { place.end() }
        let more = try (0..<10).map { try trial.place($0 % 2) }
        #expect(trial.connections() == [10, 10, 10])
        for place in places + more {
            place.end()
            place.end()  // once is enough
        }
        #expect(trial.connections() == [0, 0, 0])
    }

    @Test("Each loop keeps to the shares of round-robin by itself")
    func roundRobin() throws {
        let trial = Trial(group(3))
        for loop in 0...1 { for _ in 0..<30 { _ = try trial.place(loop) } }
        #expect(trial.connections() == [20, 20, 20])
    }

    @Test("Three failures eject for both loops; one session tries it when its time is over, and brings it back")
    func ejection() throws {
        let trial = Trial(group(2))
        try trial.eject(0)
        for loop in 0...1 { for _ in 0..<5 { #expect(try trial.place(loop).endpoint === trial.endpoints[1]) } }
        trial.now += 20_000
        let candidates = try (0..<6).map { try trial.place($0 % 2) }
        let trials = candidates.filter { $0.role == .trial }
        #expect(trials.count == 1 && trials[0].endpoint === trial.endpoints[0])
        trials[0].established()
        #expect(trial.endpoints[0].health.phase == .up)
        #expect(try Set((0..<4).map { _ in try trial.place().endpoint.name }).count == 2)
    }

    @Test("A trial whose client leaves is the next one's")
    func abandonedTrial() throws {
        let trial = Trial(group(2))
        try trial.eject(0)
        trial.now += 20_000
        let first = try #require(try (0..<2).map { _ in try trial.place() }.first { $0.role == .trial })
        first.end()
        trial.run()
        #expect(try (0..<2).map { _ in try trial.place() }.contains { $0.role == .trial })
    }

    @Test("A connection that closes before it is told why has failed all the same")
    func closedBeforeFailed() throws {
        let trial = Trial(group(1))
        for _ in 0..<3 {
            let place = try trial.place()
            place.end()
            place.failed()
            trial.run()
        }
        #expect(trial.endpoints[0].health.phase == .ejected)
        let early = try trial.place()
        early.end()
        early.failed()
        trial.run()
        #expect(trial.endpoints[0].health.phase == .ejected && trial.endpoints[0].health.time > trial.now)
    }

    @Test("Where all are ejected, one session at a time may try each early, the others have none at once")
    func allEjected() throws {
        let trial = Trial(group(2))
        try trial.eject(0)
        try trial.eject(1)
        let first = try trial.place()
        let second = try trial.place(1)
        #expect(first.role == .earlyTrial && second.role == .earlyTrial && first.endpoint !== second.endpoint)
        #expect(isUnavailable(trial.choose()) && isUnavailable(trial.choose(1)))
        first.failed()
        first.end()
        let third = try trial.place()
        #expect(third.endpoint === first.endpoint)
        third.established()
        for _ in 0..<5 { #expect(try trial.place(1).endpoint === third.endpoint) }
    }

    @Test("A single backend that refuses is tried by each session in turn, and by no two at a time")
    func single() throws {
        let trial = Trial(group(1))
        for _ in 0..<20 {
            let place = try trial.place()
            if trial.endpoints[0].health.phase != .up { #expect(isUnavailable(trial.choose(1))) }
            place.failed()
            place.end()
        }
        let back = try trial.place()
        back.established()
        #expect(trial.endpoints[0].health.phase == .up)
    }

    @Test("A drained backend gets no session, those that run go on; all drained is none to be had")
    func drain() throws {
        let trial = Trial(group(2))
        var drained: [String] = []
        trial.states[1].drainHook = { drained.append($0.name) }
        let running = try (0..<4).map { _ in try trial.place() }
        #expect(trial.directory.drain(trial.endpoints[0], true))
        #expect(!trial.directory.drain(trial.endpoints[0], true))
        trial.run()
        #expect(drained == ["127.0.0.1:2001"])
        for _ in 0..<5 { #expect(try trial.place().endpoint === trial.endpoints[1]) }
        for place in running { place.end() }
        #expect(trial.connections() == [0, 5])
        _ = trial.directory.drain(trial.endpoints[1], true)
        #expect(isUnavailable(trial.choose()))
        _ = trial.directory.drain(trial.endpoints[0], false)
        #expect(try trial.place().endpoint === trial.endpoints[0])
    }

    @Test("A reload keeps what is known of places that stay, and loops have the new ones at once")
    func reload() throws {
        let trial = Trial(group(2))
        try trial.eject(0)
        let running = try trial.place()
        let (first, second) = (trial.endpoints[0], trial.endpoints[1])
        _ = trial.directory.drain(second, true)
        trial.reload { $0.backends.append(Backend(.ip(.v4(0x7F00_0001), port: 3000), weight: 5)) }
        #expect(trial.endpoints.prefix(2).elementsEqual([first, second], by: ===))
        #expect(first.health.phase == .ejected && second.isDraining && second.connections == 1)
        for loop in 0...1 { #expect(try trial.place(loop).endpoint.name == "127.0.0.1:3000") }
        trial.reload { $0.backends.removeFirst(2) }
        #expect(trial.endpoints.map(\.name) == ["127.0.0.1:3000"])
        running.end()
        #expect(second.connections == 0)
    }

    @Test("A transaction of an earlier configuration does not get to another group that has its place now")
    func inlineGroups() throws {
        let old = BackendGroup(name: "routes[0]", backends: [Backend(.ip(.v4(0x0A00_0001), port: 25))])
        let new = BackendGroup(name: "routes[0]", backends: [Backend(.ip(.v4(0x0A00_0002), port: 25))])
        let trial = Trial(old)
        _ = try trial.place()
        trial.reload { $0 = new }
        guard case .place(let place) = trial.states[0].choose(old) else {
            Issue.record("no place")
            return
        }
        #expect(place.endpoint.name == "10.0.0.1:25")
        place.end()
        #expect(try trial.place().endpoint.name == "10.0.0.2:25")
    }

    @Test("A name's new addresses are chosen from, and a backend that was drained stays so")
    func addresses() throws {
        let name = BackendAddress.host("app.internal", port: 25)
        let trial = Trial(BackendGroup(name: "app", backends: [Backend(name)]))
        func resolve(_ addresses: UInt32...) {
            trial.directory.resolved(
                name, addresses.map { ResolvedPlace(.v4($0), port: 25, host: "app.internal") })
            trial.run()
        }
        #expect(isUnavailable(trial.choose()), "nothing is known of it yet")
        resolve(0x0A00_0001, 0x0A00_0002)
        #expect(try Set((0..<4).map { _ in try trial.place().endpoint.name }) == ["10.0.0.1:25", "10.0.0.2:25"])
        let kept = trial.endpoints[1]
        resolve(0x0A00_0002, 0x0A00_0003)
        #expect(trial.endpoints[0] === kept && kept.connections == 2)
        for endpoint in trial.endpoints { _ = trial.directory.drain(endpoint, true) }
        resolve(0x0A00_0004)
        #expect(isUnavailable(trial.choose()))
        trial.reload { $0.backends[0].weight = 3 }
        #expect(trial.endpoints.map(\.name) == ["10.0.0.4:25"])
    }

    @Test("A service's places have the weights of its SRV records, and those of higher priorities are backups")
    func services() throws {
        let name = BackendAddress.service("_smtp._tcp.app.internal")
        let group = BackendGroup(name: "app", backends: [Backend(name, maxConnections: 7)])
        let places = [(1, 10, 3), (2, 10, 1), (3, 20, 5)].map { last, priority, weight in
            ResolvedPlace(
                .v4(0x0A00_0000 + UInt32(last)), port: 25, host: "h\(last)", priority: UInt16(priority), weight: weight)
        }
        let trial = Trial(group)
        trial.directory.resolved(name, places)
        trial.run()
        let members = trial.directory.table["app"]?.members.map(\.backend) ?? []
        #expect(members.map(\.weight) == [3, 1, 5])
        #expect(members.map(\.isBackup) == [false, false, true])
        #expect(members.allSatisfy { $0.maxConnections == 7 })
        #expect(trial.endpoints.allSatisfy { $0.configured == name })
    }

    @Test("Where there are probes no session tries what is out, and a group of which all are out has nobody")
    func probed() throws {
        var one = group(1)
        one.health.failures = 1
        one.health.probe = ProbePolicy()
        let trial = Trial(one)
        let dead = try trial.place()
        dead.failed()
        dead.end()
        #expect(trial.endpoints[0].health.waitsForProbes)
        #expect(isUnavailable(trial.choose()))
        trial.directory.succeeded(trial.endpoints[0], logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let place = try trial.place()
        #expect(place.role == .ordinary)
        place.end()
    }
}

@Suite struct GroupWaitingTests {
    @Test("Where every backend is full, who waits has the place that is given back, in the order of coming")
    func firstComeFirstServed() throws {
        let trial = Trial(group(2, limit: 1))
        let running = try [trial.place(), trial.place()]
        #expect(isFull(trial.choose()) && isFull(trial.choose(1)))
        let waiting = (0..<3).map { _ in trial.wait() }
        trial.run()
        #expect(waiting.allSatisfy { $0.choice == nil })
        running[1].end()
        #expect(waiting[0].place?.endpoint === running[1].endpoint)
        #expect(waiting[1].choice == nil)
        waiting[0].place?.end()
        #expect(waiting[1].place != nil && waiting[2].choice == nil)
        #expect(trial.connections() == [1, 1])
    }

    @Test("A place that ends on one loop is for who waits on another; none is lost, and none given twice")
    func acrossLoops() throws {
        let trial = Trial(group(1, limit: 1))
        let running = try trial.place(0)
        let waiting = trial.wait(1)
        trial.run()
        running.end()
        #expect(waiting.choice == nil)
        trial.run()
        let place = try #require(waiting.place)
        #expect(isFull(trial.choose(0)))
        place.end()
        #expect(trial.connections() == [0])
        _ = try trial.place(0)
    }

    @Test("With many on both loops, each loop's have their turns")
    func fair() throws {
        let trial = Trial(group(1, limit: 1))
        var running = try trial.place()
        let waiting = (0..<2).map { loop in (0..<10).map { _ in trial.wait(loop) } }
        trial.run()
        var served = [0, 0]
        for _ in 0..<20 {
            running.end()
            trial.run()
            let places = waiting.map { $0.compactMap(\.place) }
            #expect(places[0].count + places[1].count == served[0] + served[1] + 1)
            running = try #require(places[0].count > served[0] ? places[0].last : places[1].last)
            served = places.map(\.count)
            #expect(abs(served[0] - served[1]) <= 2, "\(served)")
            #expect(trial.connections() == [1])
        }
    }

    @Test("Who comes while others wait waits behind them, though a place is free for a moment")
    func noOvertaking() throws {
        let trial = Trial(group(1, limit: 1))
        let running = try trial.place(0)
        let waiting = trial.wait(1)
        trial.run()
        running.end()  // (the other loop has been told, and has not yet looked)
        #expect(isFull(trial.choose(0)))
        trial.run()
        #expect(waiting.place != nil)
    }

    @Test("The wait is bounded, by the group's time; then whoever comes is not kept back by it")
    func bounded() throws {
        let trial = Trial(group(1, limit: 1))
        let running = try trial.place()
        let waiting = [trial.wait(0), trial.wait(1)]
        trial.loops[0].advanceTime(by: .seconds(4))
        #expect(waiting[0].choice == nil)
        trial.loops[0].advanceTime(by: .seconds(1))
        trial.loops[1].advanceTime(by: .seconds(5))
        #expect(waiting[0].isFull && waiting[1].isFull)
        running.end()
        _ = try trial.place()
    }

    @Test("Who leaves the line is not served, and keeps nobody waiting")
    func leaving() throws {
        let trial = Trial(group(1, limit: 1))
        let running = try trial.place()
        let waiting = (0..<2).map { _ in trial.wait() }
        trial.run()
        trial.states[0].leave(try #require(waiting[0].waiter), trial.group)
        running.end()
        #expect(waiting[0].choice == nil && waiting[1].place != nil)
        waiting[1].place?.end()
        _ = try trial.place(1)
    }

    @Test("A line that is full takes nobody more")
    func longest() throws {
        let trial = Trial(group(1, limit: 1))
        let running = try trial.place()
        let waiting = (0..<WaitingLine.longest).map { _ in trial.wait() }
        let refused = trial.states[0].wait(for: trial.group, excluding: [], atMost: .minutes(1)) { _ in }
        #expect(refused == nil)
        trial.states[0].leave(try #require(waiting[500].waiter), trial.group)
        _ = trial.wait()
        running.end()
    }

    @Test("A bound of the whole group holds beside those of its backends")
    func groupLimit() throws {
        var limited = group(3)
        limited.maxConnections = 2
        let trial = Trial(limited)
        let running = try [trial.place(0), trial.place(1)]
        #expect(isFull(trial.choose(0)))
        let waiting = trial.wait(0)
        trial.run()
        running[0].end()
        #expect(waiting.place != nil)
    }

    @Test("Who waits is told at once when there is nobody left to wait for, and when somebody came")
    func news() throws {
        let trial = Trial(group(1, limit: 1))
        let running = try trial.place()
        let first = trial.wait(1)
        trial.run()
        trial.reload { $0.backends.append(Backend(.ip(.v4(0x7F00_0001), port: 3000), maxConnections: 1)) }
        #expect(first.place?.endpoint.name == "127.0.0.1:3000")
        let second = trial.wait(1)
        trial.run()
        for endpoint in trial.endpoints { _ = trial.directory.drain(endpoint, true) }
        trial.run()
        #expect(second.isUnavailable)
        withExtendedLifetime(running) {}
    }

    @Test("No event loop sees more than the limit, however many want a place at once")
    func neverBeyond() {
        let endpoint = Endpoint(group: "app", configured: .ip(.v4(0x7F00_0001), port: 2001))
        let most = Atomic<Int>(0)
        DispatchQueue.concurrentPerform(iterations: 4) { _ in
            for _ in 0..<50_000 {
                if endpoint.reserve(limit: 2) { endpoint.release() }
                most.max(endpoint.connections, ordering: .relaxed)
            }
        }
        #expect(most.load(ordering: .relaxed) <= 2 && endpoint.connections == 0)
    }

    @Test("A group that does not wait says so at once")
    func noWait() throws {
        var impatient = group(1, limit: 1)
        impatient.wait = .zero
        let trial = Trial(impatient)
        _ = try trial.place()
        let refused = trial.states[0].wait(for: trial.group, excluding: [], atMost: .minutes(1)) { _ in }
        #expect(refused == nil)
    }
}
