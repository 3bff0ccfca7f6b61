internal import Routing

// Choosing a backend: one session that begins and ends.

let balancerCases: [MicroCase] = [
    ("round-robin", Balance.roundRobin), ("least-connections", .leastConnections), ("first", .first),
].flatMap { name, balance in
    [3, 100].map { count in
        MicroCase("balancer/\(name)-\(count)", operations: 1) {
            var balancer = Balancer(BackendGroup(name: name, backends: (1...count).map { backend($0) }, balance: balance))
            return {
                guard let index = balancer.next() else { fatalError("every backend has been tried") }
                balancer.started(index)
                balancer.ended(index)
                return index + 1
            }
        }
    }
}
