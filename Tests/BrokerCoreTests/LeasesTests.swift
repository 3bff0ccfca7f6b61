import BrokerCore
import Testing

@Suite struct LeasesTests {
    /// What there may be on a name before somebody asks for it.
    enum Before: Sendable {
        case nobody, ownShared, ownExclusive, othersShared, othersExclusive, bothShared
        case keptForUs, keptForAnother, keptOnce
    }

    private static let us = 7
    private static let other = 255
    private static let uid: UInt32 = 1000

    private static let name: UInt64 = 1 << 63

    /// The leases of slot 63, which the table is about; slot 0 is held by the other connection, exclusively, all along.
    private static func leases(_ before: Before) -> Leases {
        var leases = Leases()
        leases.grant(1, exclusively: true, to: Self.other, now: 0)
        func grant(_ peer: Int, exclusively: Bool = false) {
            leases.grant(Self.name, exclusively: exclusively, to: peer, now: 0)
        }
        switch before {
        case .nobody: break
        case .ownShared: grant(Self.us)
        case .ownExclusive: grant(Self.us, exclusively: true)
        case .othersShared: grant(Self.other)
        case .othersExclusive: grant(Self.other, exclusively: true)
        case .bothShared:
            grant(Self.us)
            grant(Self.other)
        case .keptForUs: leases.keep(63, for: Self.uid, now: 1001 - Leases.grace)
        case .keptForAnother: leases.keep(63, for: Self.uid + 1, now: 1001 - Leases.grace)
        case .keptOnce: leases.keep(63, for: Self.uid + 1, now: 1000 - Leases.grace)
        }
        return leases
    }

    @Test(
        "Who holds a name decides who may have it, and how",
        arguments: [
            (.nobody, true, true), (.ownShared, true, true), (.ownExclusive, true, true),
            (.othersShared, true, false), (.othersExclusive, false, false), (.bothShared, true, false),
            (.keptForUs, true, true), (.keptForAnother, false, false), (.keptOnce, true, true),
        ] as [(Before, Bool, Bool)])
    func table(before: Before, shared: Bool, exclusively: Bool) {
        var leases = Self.leases(before)
        for (mode, isPossible) in [(false, shared), (true, exclusively)] {
            let obstacles = leases.obstacles(
                to: Self.name, exclusively: mode, peer: Self.us, uid: Self.uid, now: 1000)
            #expect(obstacles == (isPossible ? 0 : Self.name), "\(mode)")
            // All or none: what is in the way is named, and only that.
            let both = leases.obstacles(to: Self.name | 3, exclusively: mode, peer: Self.us, uid: Self.uid, now: 1000)
            #expect(both == (isPossible ? 1 : Self.name | 1), "\(mode)")
        }
    }

    @Test("A connection that asks again has the mode that it asked for last, and one lease")
    func again() {
        var leases = Leases()
        leases.grant(0b110, exclusively: true, to: 3, now: 10)
        #expect(leases.exclusive == 0b110 && leases.since(3) == 10)
        leases.grant(0b010, exclusively: false, to: 3, now: 20)
        #expect(leases.exclusiveNames(of: 3) == 0b100 && leases.names(of: 3) == 0b110 && leases.since(3) == 20)
        #expect(leases.count(1) == 1 && leases.count(0) == 0)
        leases.grant(0b010, exclusively: false, to: 4, now: 30)
        #expect(leases.count(1) == 2 && leases.held == 0b110)
    }

    @Test("A release ends what is held of it, for that connection only, and says what it was")
    func release() {
        var leases = Leases()
        leases.grant(0b111, exclusively: false, to: 0, now: 0)
        leases.grant(0b100, exclusively: false, to: 255, now: 0)
        leases.grant(0b1000, exclusively: true, to: 0, now: 0)
        let released = leases.release(0b11100, of: 0)
        #expect(released == 0b1100)
        #expect(leases.names(of: 0) == 0b011 && leases.names(of: 255) == 0b100 && leases.exclusive == 0)
        let rest = leases.release(.max, of: 0)
        let nothing = leases.release(.max, of: 0)
        #expect(rest == 0b011 && nothing == 0 && leases.held == 0b100)
    }

    @Test("What is forgotten is held by nobody and kept for nobody; all else stays")
    func forget() {
        var leases = Leases()
        leases.grant(0b11, exclusively: true, to: 0, now: 0)
        leases.grant(0b100, exclusively: false, to: 1, now: 0)
        leases.grant(0b100, exclusively: false, to: 2, now: 0)
        leases.keep(5, for: 1, now: 0)
        leases.keep(6, for: 1, now: 0)
        leases.forget(0b0100101)
        #expect(leases.held == 0b10 && leases.exclusive == 0b10 && leases.count(2) == 0)
        #expect(leases.obstacles(to: .max, exclusively: true, peer: 9, uid: 2, now: 0) == 0b1000010)
    }

    @Test("A name is kept for its uid's first connection, for 2 s, and whoever gets it ends that")
    func keep() {
        var leases = Leases()
        leases.keep(1, for: 1000, now: 500)
        leases.keep(2, for: 1001, now: 500)
        #expect(leases.keptUntil == 2500)
        #expect(leases.obstacles(to: 0b110, exclusively: false, peer: 0, uid: 1000, now: 2499) == 0b100)
        #expect(leases.obstacles(to: 0b110, exclusively: false, peer: 0, uid: 1000, now: 2500) == 0)
        leases.grant(0b010, exclusively: false, to: 0, now: 600)
        #expect(leases.obstacles(to: 0b110, exclusively: false, peer: 1, uid: 7, now: 700) == 0b100)
    }

    @Test("The end of the 2 s is said once, so that who waits for a kept name can be served")
    func endOfKeeping() {
        var leases = Leases()
        let nothing = leases.endKeeping(now: 0)
        #expect(!nothing)
        leases.keep(1, for: 1000, now: 500)
        let ends = [2499, 2500, 2501].map { leases.endKeeping(now: $0) }
        #expect(ends == [false, true, false])
        leases.keep(1, for: 1000, now: 3000)
        leases.grant(2, exclusively: true, to: 0, now: 3000)
        // (It went to its own: there is nobody to be told.)
        let end = leases.endKeeping(now: 9000)
        #expect(!end)
    }
}
