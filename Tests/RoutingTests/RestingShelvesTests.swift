import Testing

@testable import Routing

private final class Connection {}

@Suite struct RestingShelvesTests {
    private typealias Shelves = RestingShelves<String, Connection, Int>

    @Test("What was put last is taken first, from its own shelf alone")
    func lastFirst() {
        var shelves = Shelves()
        let all = (0..<3).map { _ in Connection() }
        for connection in all { shelves.put(connection, on: "a", until: 9, warmUntil: 9) }
        let other = Connection()
        shelves.put(other, on: "b", until: 9, warmUntil: 9)
        #expect(shelves.count == 4 && shelves.count("a") == 3 && shelves.count("c") == 0)
        #expect(shelves.last("a") === all[2] && shelves.first("a") === all[0] && shelves.last("c") == nil)
        #expect(shelves.firsts.count == 2 && shelves.firsts.contains { $0 === all[0] })
        let taken = [shelves.take("a"), shelves.take("b"), shelves.take("b")]
        #expect(taken[0] === all[2] && taken[1] === other && taken[2] == nil)
        #expect(shelves.count == 2)
    }

    @Test("One that ends leaves its place, once")
    func removed() {
        var shelves = Shelves()
        let all = (0..<3).map { _ in Connection() }
        for connection in all { shelves.put(connection, on: "a", until: 9, warmUntil: 9) }
        let removed = ["b", "a", "a"].map { shelves.remove(all[1], from: $0) }
        #expect(removed == [false, true, false])
        let taken = (0..<3).map { _ in shelves.take("a") }
        #expect(taken[0] === all[2] && taken[1] === all[0] && taken[2] == nil)
    }

    @Test("Those whose time is over go; the time of the first of the others is told", arguments: 0...4)
    func over(_ warm: Int) {
        var shelves = Shelves()
        let all = (1...3).map { end in
            let connection = Connection()
            shelves.put(connection, on: "a", until: end, warmUntil: end + 100)
            return connection
        }
        let result = shelves.removeAll(warm: { _ in warm }, where: { $1 <= 2 })
        // The last `warm` of them wait for longer.
        let gone = min(2, max(0, 3 - warm))
        #expect(result.gone.map(ObjectIdentifier.init) == all[..<gone].map(ObjectIdentifier.init))
        #expect(result.firstEnd == (warm == 0 ? 3 : warm >= 3 ? 101 : 104 - warm))
        #expect(shelves.count == 3 - gone)
    }

    @Test("A shelf on which nothing waits goes with the next look at all")
    func emptyShelf() {
        var shelves = Shelves()
        shelves.put(Connection(), on: "a", until: 1, warmUntil: 1)
        _ = shelves.take("a")
        #expect(!shelves.isEmpty && shelves.count == 0)
        let result = shelves.removeAll(warm: { _ in 1 }, where: { _, _ in true })
        #expect(shelves.isEmpty && result.gone.isEmpty && result.firstEnd == nil)
    }
}
