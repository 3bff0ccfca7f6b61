/// Who may connect: 256 connections, 64 of one uid, 16 kept for uids that have none. Pure.
///
/// (What only reads is `mutating`, too, so that the table is used in its place.)
///
/// A connection without a lease makes room for a newer one: idle peers, however many, lock nobody out.
package struct Admission: Sendable {
    /// The most connections of one uid.
    package static var maxPerUser: Int { 64 }
    /// How many connections are kept for uids that have none.
    package static var reserve: Int { 16 }

    /// What becomes of a new connection.
    package enum Decision: Equatable, Sendable {
        /// It gets this place, which is free.
        case admit(Int)
        /// It gets this place, whose connection is closed before.
        case replace(Int)
        /// It is refused.
        case refuse
    }

    private struct Place {
        var isTaken = false
        var isFixed = false
        var uid: UInt32 = 0
        var order: UInt64 = 0
    }

    private var places = InlineArray<256, Place>(repeating: Place())
    private var order: UInt64 = 0
    /// How many connections there are.
    package private(set) var count = 0

    /// Makes a table without connections.
    package init() {}

    /// Decides about a new connection of `uid`; changes nothing.
    package mutating func decide(for uid: UInt32) -> Decision {
        var own = 0
        for index in 0..<Leases.maxPeers where self.places[index].isTaken && self.places[index].uid == uid { own += 1 }
        let free = Leases.maxPeers - self.count
        if own >= Self.maxPerUser || (own > 0 && free <= Self.reserve) {
            return self.oldest(of: uid).map { .replace($0) } ?? .refuse
        }
        if free == 0 { return self.oldest(of: nil).map { .replace($0) } ?? .refuse }
        for index in 0..<Leases.maxPeers where !self.places[index].isTaken { return .admit(index) }
        return .refuse
    }

    /// Takes a free place.
    package mutating func take(_ index: Int, uid: UInt32) {
        self.order += 1
        self.places[index] = Place(isTaken: true, isFixed: false, uid: uid, order: self.order)
        self.count += 1
    }

    /// Gives a place back.
    package mutating func leave(_ index: Int) {
        guard self.places[index].isTaken else { return }
        self.places[index] = Place()
        self.count -= 1
    }

    /// Says whether a connection holds or waits for something, and so makes room for nobody.
    package mutating func setFixed(_ index: Int, _ isFixed: Bool) { self.places[index].isFixed = isFixed }

    /// How many connections a uid has.
    package mutating func count(of uid: UInt32) -> Int {
        var count = 0
        for index in 0..<Leases.maxPeers where self.places[index].isTaken && self.places[index].uid == uid {
            count += 1
        }
        return count
    }

    /// The oldest connection that makes room: of a uid, or of anybody.
    private mutating func oldest(of uid: UInt32?) -> Int? {
        var found: Int?
        for index in 0..<Leases.maxPeers where self.places[index].isTaken && !self.places[index].isFixed {
            guard uid == nil || self.places[index].uid == uid else { continue }
            if let other = found, self.places[other].order < self.places[index].order { continue }
            found = index
        }
        return found
    }
}
