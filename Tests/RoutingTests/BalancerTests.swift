import Routing
import Testing

@Suite struct BalancerTests {
    private func balancer(_ balance: Balance, _ weights: [Int]) throws -> Balancer {
        let backends = try weights.enumerated().map { index, weight in
            Backend(try BackendAddress(parsing: "b\(index):25"), weight: weight)
        }
        return Balancer(BackendGroup(name: "g", backends: backends, balance: balance))
    }

    private func next(_ balancer: inout Balancer, excluding tried: [Int] = []) throws -> Int {
        let chosen = balancer.next(excluding: tried)
        return try #require(chosen)
    }

    private func run(_ balancer: inout Balancer, _ count: Int) -> [Int?] {
        (0..<count).map { _ in balancer.next() }
    }

    private func none(_ balancer: inout Balancer, _ tried: [Int]) -> Bool {
        balancer.next(excluding: tried) == nil
    }

    @Test("Round-robin spreads a heavy backend's turns over the round")
    func smooth() throws {
        var balancer = try self.balancer(.roundRobin, [5, 1, 1])
        #expect(self.run(&balancer, 14) == [0, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0, 2, 0, 0])
    }

    @Test(
        "Over whole rounds each backend has exactly its share", arguments: [[1], [1, 1], [3, 2, 1], [10, 1, 7, 4]])
    func shares(_ weights: [Int]) throws {
        var balancer = try self.balancer(.roundRobin, weights)
        var counts = weights.map { _ in 0 }
        for _ in 0..<weights.reduce(0, +) * 100 { counts[try self.next(&balancer)] += 1 }
        #expect(counts == weights.map { $0 * 100 })
    }

    @Test("A failed backend is left out for this session only")
    func excluding() throws {
        var balancer = try self.balancer(.roundRobin, [1, 1, 1])
        for _ in 0..<30 {
            let first = try self.next(&balancer)
            let second = try self.next(&balancer, excluding: [first])
            let third = try self.next(&balancer, excluding: [first, second])
            #expect(Set([first, second, third]).count == 3)
            #expect(self.none(&balancer, [first, second, third]))
        }
        #expect(Set(self.run(&balancer, 3)) == [0, 1, 2])
    }

    @Test("Exclusion does not distort the shares of the others for good")
    func creditsStayBounded() throws {
        var balancer = try self.balancer(.roundRobin, [2, 1])
        for _ in 0..<1000 { _ = balancer.next(excluding: [0]) }
        var counts = [0, 0]
        for _ in 0..<300 { counts[try self.next(&balancer)] += 1 }
        #expect(counts == [200, 100])
    }

    @Test("Least-connections goes where the fewest sessions run for the weight")
    func leastConnections() throws {
        var balancer = try self.balancer(.leastConnections, [1, 2])
        for _ in 0..<30 { balancer.started(try self.next(&balancer)) }
        #expect([balancer.active(0), balancer.active(1)] == [10, 20])
        for _ in 0..<10 { balancer.ended(1) }
        #expect(self.run(&balancer, 3) == [1, 1, 1])
        #expect(try self.next(&balancer, excluding: [1]) == 0)
        #expect(self.none(&balancer, [0, 1]))
    }

    @Test("Least-connections takes turns while nothing runs")
    func leastConnectionsIdle() throws {
        var balancer = try self.balancer(.leastConnections, [1, 1, 1])
        #expect(Set(self.run(&balancer, 3)) == [0, 1, 2])
    }

    @Test("First keeps to the first that has not failed")
    func first() throws {
        var balancer = try self.balancer(.first, [1, 1])
        #expect(self.run(&balancer, 3) == [0, 0, 0])
        #expect(try self.next(&balancer, excluding: [0]) == 1)
        #expect(self.none(&balancer, [1, 0]))
    }

    @Test("A weight is kept within its range")
    func weights() throws {
        let address = try BackendAddress(parsing: "a:1")
        #expect(Backend(address, weight: 0).weight == 1)
        #expect(Backend(address, weight: 5000).weight == 1000)
    }
}
