internal import Routing

// A backend's connection, from the shelf and back behind the message, and the look at those whose time is over.

private final class Backend {}
private final class Connection {
    let shelf: ObjectIdentifier
    init(_ backend: Backend) { self.shelf = ObjectIdentifier(backend) }
}

/// So many backends, of each of which 20 connections wait.
private func shelves(
    _ backends: [Backend]
) -> RestingShelves<ObjectIdentifier, Connection, Int> {
    var shelves = RestingShelves<ObjectIdentifier, Connection, Int>()
    for backend in backends {
        for end in 1...20 {
            shelves.put(Connection(backend), on: ObjectIdentifier(backend), until: end, warmUntil: 100)
        }
    }
    return shelves
}

let poolCases: [MicroCase] =
    [1, 100].map { count in
        MicroCase("pool/take-put-\(count)", operations: 100) {
            let backends = (0..<count).map { _ in Backend() }
            var shelves = shelves(backends)
            return {
                var found = 0
                for round in 0..<100 {
                    let shelf = ObjectIdentifier(backends[round % backends.count])
                    guard shelves.count(shelf) == 20, let connection = shelves.take(shelf) else { return 0 }
                    shelves.put(connection, on: connection.shelf, until: round, warmUntil: 1000)
                    found += 1
                }
                return found
            }
        }
    } + [
        MicroCase("pool/sweep-2000", operations: 1) {
            let backends = (0..<100).map { _ in Backend() }
            var shelves = shelves(backends)
            return {
                let (gone, firstEnd) = shelves.removeAll(warm: { _ in 2 }, where: { $1 <= 0 })
                return gone.isEmpty && firstEnd == 1 ? shelves.count : 0
            }
        }
    ]
