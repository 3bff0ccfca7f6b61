internal import Routing

// Choosing a backend for one session, among backends of which all can be asked.

let balancerCases: [MicroCase] = [
    ("round-robin", Balance.roundRobin), ("least-connections", .leastConnections), ("first", .first),
].flatMap { name, balance in
    [3, 100].map { count in
        MicroCase("balancer/\(name)-\(count)", operations: 1) {
            var balancer = Balancer(
                BackendGroup(name: name, backends: (1...count).map { backend($0) }, balance: balance))
            return {
                switch balancer.next({ _ in .usable(load: 1) }) {
                case .backend(let index): index + 1
                case .full, .none: fatalError("every backend is usable")
                }
            }
        }
    }
}
