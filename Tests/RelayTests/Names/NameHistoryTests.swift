import NIOCore
import Resolver
import Routing
import Testing

@testable import Relay

@Suite struct NameHistoryTests {
    static let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
    static let host = BackendAddress.host("app.internal", port: 2525)
    static let service = BackendAddress.service("_smtp._tcp.app.internal")

    /// Addresses of 10.0.0.0/24, or of 2001:db8::/120, for so many seconds.
    static func found(_ last: [UInt8], v6: Bool = false, for seconds: Int64 = 60) -> NameAnswer<[UInt8]> {
        let prefix: [UInt8] = v6 ? [0x20, 1, 0xD, 0xB8] + [UInt8](repeating: 0, count: 11) : [10, 0, 0]
        return .found(last.map { prefix + [$0] }, until: Self.start + .seconds(seconds))
    }

    static let absent = NameAnswer<[UInt8]>.absent(until: Self.start)

    static func round(_ v4: NameAnswer<[UInt8]>, _ v6: NameAnswer<[UInt8]> = Self.absent) -> NameRound {
        NameRound(services: nil, hosts: ["app.internal": .init(v4: v4, v6: v6)])
    }

    static func round(_ records: [ServiceRecord], _ hosts: [String: NameAnswer<[UInt8]>]) -> NameRound {
        NameRound(
            services: .found(records, until: Self.start + .seconds(60)),
            hosts: hosts.mapValues { .init(v4: $0, v6: Self.absent) })
    }

    private func texts(_ history: NameHistory) -> [String] { history.places.map(\.backend.description) }

    @Test("Every address is a place, of both families; the order of an answer is no change")
    func addresses() {
        var history = NameHistory(Self.host, NameBounds())
        #expect(history.take(Self.round(Self.found([2, 1]), Self.found([9], v6: true)), now: Self.start) == .places)
        #expect(self.texts(history) == ["10.0.0.1:2525", "10.0.0.2:2525", "[2001:db8::9]:2525"])
        #expect(history.take(Self.round(Self.found([1, 2]), Self.found([9], v6: true)), now: Self.start) == .none)
        #expect(history.take(Self.round(Self.found([1, 3])), now: Self.start) == .places)
        #expect(self.texts(history) == ["10.0.0.1:2525", "10.0.0.3:2525"])
    }

    @Test(
        "The next round is due when the first record ends, within the bounds",
        arguments: [(0, 1), (1, 1), (30, 30), (299, 299), (300, 300), (3600, 300)] as [(Int64, Int64)])
    func due(_ ttl: Int64, _ expected: Int64) {
        var history = NameHistory(Self.host, NameBounds())
        _ = history.take(Self.round(Self.found([1], for: ttl), Self.found([2], v6: true, for: 3600)), now: Self.start)
        #expect(history.next - Self.start == .seconds(expected))
        // (What is said of the absence of one family is of no account.)
        _ = history.take(Self.round(Self.found([1], for: ttl)), now: Self.start)
        #expect(history.next - Self.start == .seconds(expected))
    }

    @Test("Where nobody answers, the last addresses stay until they are too old, and it is asked ever more seldom")
    func unanswered() {
        var bounds = NameBounds()
        bounds.stale = .seconds(1000)
        var history = NameHistory(Self.host, bounds)
        _ = history.take(Self.round(Self.found([1])), now: Self.start)
        var waits: [TimeAmount] = []
        for _ in 0..<7 {
            #expect(history.take(Self.round(.failed, .failed), now: Self.start) == .kept(.unanswered))
            waits.append(history.next - Self.start)
        }
        #expect(waits == [1, 2, 4, 8, 16, 30, 30].map { .seconds($0) })
        #expect(history.take(Self.round(.failed, .failed), now: Self.start + .seconds(999)) == .kept(.unanswered))
        #expect(self.texts(history) == ["10.0.0.1:2525"])
        #expect(history.take(Self.round(.failed, .failed), now: Self.start + .seconds(1000)) == .dropped(.unanswered))
        #expect(history.places.isEmpty)
        #expect(history.take(Self.round(.failed, .failed), now: Self.start + .seconds(1001)) == .kept(.unanswered))
        #expect(history.take(Self.round(Self.found([1])), now: Self.start + .seconds(1002)) == .places)
    }

    @Test("A name that has no address any more keeps those that it had; one that never had any has none")
    func nothing() {
        var history = NameHistory(Self.host, NameBounds())
        #expect(history.take(Self.round(Self.absent), now: Self.start) == .kept(.nothing))
        #expect(history.places.isEmpty)
        _ = history.take(Self.round(Self.found([1])), now: Self.start)
        #expect(history.take(Self.round(Self.absent), now: Self.start + .hours(1)) == .kept(.nothing))
        #expect(self.texts(history) == ["10.0.0.1:2525"])
        #expect(history.take(Self.round(Self.absent), now: Self.start + .hours(25)) == .dropped(.nothing))
    }

    @Test("Where one family is not answered, its last addresses stay beside the other's new ones")
    func halfAnswered() {
        var history = NameHistory(Self.host, NameBounds())
        _ = history.take(Self.round(Self.found([1]), Self.found([9], v6: true)), now: Self.start)
        #expect(history.take(Self.round(Self.found([2]), .failed), now: Self.start) == .places)
        #expect(self.texts(history) == ["10.0.0.2:2525", "[2001:db8::9]:2525"])
        #expect(history.next - Self.start == .seconds(1))
        #expect(history.take(Self.round(Self.found([2]), Self.absent), now: Self.start) == .places)
        #expect(self.texts(history) == ["10.0.0.2:2525"])
    }

    @Test("SRV records: places by priority, with their ports and weights, each once")
    func services() {
        let records = [
            ServiceRecord(priority: 20, weight: 0, port: 2525, target: "c.internal"),
            ServiceRecord(priority: 10, weight: 30, port: 2525, target: "b.internal"),
            ServiceRecord(priority: 10, weight: 70, port: 2526, target: "a.internal"),
            ServiceRecord(priority: 20, weight: 0, port: 2525, target: "b.internal"),
        ]
        var history = NameHistory(Self.service, NameBounds())
        let hosts = ["a.internal": Self.found([1, 2]), "b.internal": Self.found([3]), "c.internal": Self.found([4])]
        #expect(history.take(Self.round(records, hosts), now: Self.start) == .places)
        #expect(self.texts(history) == ["10.0.0.1:2526", "10.0.0.2:2526", "10.0.0.3:2525", "10.0.0.4:2525"])
        #expect(history.places.map(\.weight) == [70, 70, 30, 1])
        #expect(history.places.map(\.priority) == [10, 10, 10, 20])
        // A target that is not answered keeps its addresses; one that has none any more loses them.
        let later = ["a.internal": .failed, "b.internal": Self.found([3]), "c.internal": Self.absent]
        #expect(history.take(Self.round(records, later), now: Self.start) == .places)
        #expect(self.texts(history) == ["10.0.0.1:2526", "10.0.0.2:2526", "10.0.0.3:2525"])
    }

    @Test("A service that the domain says it does not have loses its places at once; one without records keeps them")
    func notAvailable() {
        var history = NameHistory(Self.service, NameBounds())
        let record = ServiceRecord(priority: 0, weight: 0, port: 25, target: "a.internal")
        _ = history.take(Self.round([record], ["a.internal": Self.found([1])]), now: Self.start)
        let gone = NameRound(services: .absent(until: Self.start), hosts: [:])
        #expect(history.take(gone, now: Self.start) == .kept(.nothing))
        let root = ServiceRecord(priority: 0, weight: 0, port: 0, target: nil)
        #expect(history.take(Self.round([root], [:]), now: Self.start) == .dropped(.notAvailable))
        #expect(history.places.isEmpty)
    }

    @Test(
        "Weights of SRV records become a group's",
        arguments: [
            ([0, 0, 0], [1, 1, 1]), ([1, 2, 3], [1, 2, 3]), ([0, 1], [1, 1000]), ([0, 10, 30], [1, 333, 1000]),
            ([65535, 1, 32768], [1000, 1, 500]), ([], []),
        ] as [([UInt16], [Int])])
    func weights(_ records: [UInt16], _ expected: [Int]) {
        #expect(ResolvedPlace.weights(records) == expected)
    }

    @Test("A thousand addresses are no more than the bound, and the same ones in any order")
    func many() {
        var history = NameHistory(Self.host, NameBounds())
        let all = (0..<200).map { UInt8($0) }
        _ = history.take(Self.round(Self.found(all)), now: Self.start)
        #expect(history.places.count == NameHistory.longestList)
        #expect(history.take(Self.round(Self.found(all.reversed())), now: Self.start) == .none)
    }
}
