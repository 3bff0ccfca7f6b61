import Routing
import Testing

/// A group of which the backends have a load that the test sets.
private final class Trial {
    var balancer: Balancer
    var loads: [Int]
    var limits: [Int]
    var unusable: Set<Int> = []

    init(_ balance: Balance, _ weights: [Int], backups: Set<Int> = [], limits: [Int] = [], turn: Int = 0) {
        let backends = weights.enumerated().map { index, weight in
            Backend(.host("b\(index)", port: 25), weight: weight, isBackup: backups.contains(index))
        }
        self.balancer = Balancer(backends, balance: balance, turn: turn)
        self.loads = weights.map { _ in 0 }
        self.limits = limits.isEmpty ? weights.map { _ in .max } : limits
    }

    func choose(excluding tried: Set<Int> = []) -> Balancer.Choice {
        let (loads, limits, unusable) = (self.loads, self.limits, self.unusable.union(tried))
        return self.balancer.next { index in
            unusable.contains(index)
                ? .unusable : loads[index] < limits[index] ? .usable(load: loads[index]) : .full
        }
    }

    func next(excluding tried: Set<Int> = []) throws -> Int {
        let choice = self.choose(excluding: tried)
        guard case .backend(let index) = choice else {
            Issue.record("\(choice)")
            throw CancellationError()
        }
        return index
    }

    /// Chooses a backend, and has a session begin there.
    func begin() throws -> Int {
        let index = try self.next()
        self.loads[index] += 1
        return index
    }

    func counts(_ count: Int) throws -> [Int] {
        var counts = self.loads.map { _ in 0 }
        for _ in 0..<count { counts[try self.next()] += 1 }
        return counts
    }

    func run(_ count: Int) throws -> [Int] {
        try (0..<count).map { _ in try self.next() }
    }
}

@Suite struct BalancerTests {
    @Test("Round-robin spreads a heavy backend's turns over the round")
    func smooth() throws {
        let trial = Trial(.roundRobin, [5, 1, 1])
        #expect(try trial.run(14) == [0, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0, 2, 0, 0])
    }

    @Test(
        "Over whole rounds each backend has exactly its share", arguments: [[1], [1, 1], [3, 2, 1], [10, 1, 7, 4]])
    func shares(_ weights: [Int]) throws {
        let trial = Trial(.roundRobin, weights)
        let counts = try trial.counts(weights.reduce(0, +) * 100)
        #expect(counts == weights.map { $0 * 100 })
    }

    @Test(
        "At no time is a backend further than one turn of each other from its share", arguments: [[5, 3, 1], [1, 9]])
    func closeToShare(_ weights: [Int]) throws {
        let trial = Trial(.roundRobin, weights)
        var counts = weights.map { _ in 0 }
        let total = weights.reduce(0, +)
        for turn in 1...500 {
            counts[try trial.next()] += 1
            for (count, weight) in zip(counts, weights) {
                #expect(abs(count * total - turn * weight) < weights.count * total, "\(counts) after \(turn)")
            }
        }
    }

    @Test("Two loops that begin at different turns do not both begin with the first backend")
    func turn() throws {
        let first = Trial(.roundRobin, [1, 1, 1])
        let second = Trial(.roundRobin, [1, 1, 1], turn: 1)
        #expect(try first.run(3) == [0, 1, 2])
        #expect(try second.run(3) == [1, 2, 0])
    }

    @Test("A failed backend is left out for this session only")
    func excluding() throws {
        let trial = Trial(.roundRobin, [1, 1, 1])
        for _ in 0..<30 {
            let first = try trial.next()
            let second = try trial.next(excluding: [first])
            let third = try trial.next(excluding: [first, second])
            #expect(Set([first, second, third]).count == 3)
            #expect(trial.choose(excluding: [first, second, third]) == .none)
        }
        #expect(try Set(trial.run(3)) == [0, 1, 2])
    }

    @Test("Exclusion does not distort the shares of the others for good")
    func creditsStayBounded() throws {
        let trial = Trial(.roundRobin, [2, 1])
        for _ in 0..<1000 { #expect(try trial.next(excluding: [0]) == 1) }
        #expect(try trial.counts(300) == [200, 100])
    }

    @Test("Least-connections goes where the fewest sessions run for the weight")
    func leastConnections() throws {
        let trial = Trial(.leastConnections, [1, 2])
        for _ in 0..<30 { _ = try trial.begin() }
        #expect(trial.loads == [10, 20])
        trial.loads[1] = 10
        #expect(try trial.run(3) == [1, 1, 1])
        #expect(try trial.next(excluding: [1]) == 0)
        #expect(trial.choose(excluding: [0, 1]) == .none)
    }

    @Test("Least-connections takes turns while nothing runs, by weight")
    func leastConnectionsIdle() throws {
        let trial = Trial(.leastConnections, [1, 1, 1])
        #expect(try Set(trial.run(3)) == [0, 1, 2])
        let weighted = Trial(.leastConnections, [3, 1])
        #expect(try weighted.counts(400) == [300, 100])
    }

    @Test("With least-connections a slow backend gets what it gets done")
    func leastConnectionsSlow() throws {
        // Each turn a session begins; backend 0 ends each after 2 turns, backend 1 after 8.
        let trial = Trial(.leastConnections, [1, 1])
        var ends: [Int: [Int]] = [:]
        var counts = [0, 0]
        for turn in 0..<1000 {
            for index in ends.removeValue(forKey: turn) ?? [] { trial.loads[index] -= 1 }
            let index = try trial.begin()
            counts[index] += 1
            ends[turn + (index == 0 ? 2 : 8), default: []].append(index)
        }
        #expect(counts[0] > 3 * counts[1] && counts[1] > 0, "\(counts)")
    }

    @Test("First keeps to the first that has not failed")
    func first() throws {
        let trial = Trial(.first, [1, 1])
        #expect(try trial.run(3) == [0, 0, 0])
        #expect(try trial.next(excluding: [0]) == 1)
        #expect(trial.choose(excluding: [1, 0]) == .none)
    }

    @Test("A backup is asked only while nobody else can be, by every method", arguments: Balance.allCases)
    func backup(_ balance: Balance) throws {
        // (The backup is written first: its place does not matter.)
        let trial = Trial(balance, [100, 1, 1], backups: [0])
        #expect(try trial.counts(100)[0] == 0)
        trial.unusable = [1]
        #expect(try trial.counts(10) == [0, 0, 10])
        trial.unusable = [1, 2]
        #expect(try trial.counts(10) == [10, 0, 0])
        trial.unusable = [0, 1, 2]
        #expect(trial.choose() == .none)
        trial.unusable = []
        #expect(try trial.counts(100)[0] == 0)
    }

    @Test("Backups among themselves are chosen by the group's method")
    func backups() throws {
        let trial = Trial(.roundRobin, [1, 3, 1], backups: [1, 2])
        trial.unusable = [0]
        #expect(try trial.counts(40) == [0, 30, 10])
    }

    @Test("A full backend is passed over; where all are, that is said", arguments: Balance.allCases)
    func full(_ balance: Balance) throws {
        let trial = Trial(balance, [1, 1], limits: [2, 3])
        let begun = try (0..<5).map { _ in try trial.begin() }
        #expect(begun.count(where: { $0 == 0 }) == 2)
        #expect(trial.choose() == .full)
        trial.loads[1] -= 1
        #expect(try trial.next() == 1)
        #expect(trial.choose(excluding: [1]) == .full)
        trial.unusable = [0, 1]
        #expect(trial.choose() == .none)
    }

    @Test("That others are full is no case for a backup")
    func fullIsNotDead() throws {
        let trial = Trial(.roundRobin, [1, 1], backups: [1], limits: [1, 9])
        #expect(try trial.begin() == 0)
        #expect(trial.choose() == .full)
        trial.unusable = [0]
        #expect(try trial.next() == 1)
    }

    @Test("A weight is kept within its range")
    func weights() throws {
        let address = try BackendAddress(parsing: "a:1")
        #expect(Backend(address, weight: 0).weight == 1)
        #expect(Backend(address, weight: 5000).weight == 1000)
    }
}
