/// Who holds which names: the leases of 256 connections on 64 slots. Pure: the caller's clock, in milliseconds.
///
/// What only reads is `mutating`, too, as in ``PolicyTable``: a borrowed table was copied for each connection looked at,
/// which made four fifths of a GET.
package struct Leases: Sendable {
    /// The most connections.
    package static var maxPeers: Int { 256 }
    /// How long an exclusive name is kept for its last holder after a restart, in milliseconds.
    package static var grace: Int { 2000 }

    /// A connection's leases, a bit a slot.
    private struct Holder {
        var names: UInt64 = 0
        var exclusive: UInt64 = 0
        var since = 0
    }

    private var holders = InlineArray<256, Holder>(repeating: Holder())
    private var keptFor = InlineArray<64, UInt32>(repeating: 0)
    private var kept: UInt64 = 0
    /// When names are no longer kept; meaningful while some are.
    package private(set) var keptUntil = 0

    /// Makes a table in which nobody holds anything.
    package init() {}

    /// The slots that a connection holds.
    package mutating func names(of peer: Int) -> UInt64 { self.holders[peer].names }

    /// The slots that a connection holds exclusively.
    package mutating func exclusiveNames(of peer: Int) -> UInt64 { self.holders[peer].exclusive }

    /// When a connection was granted something last.
    package mutating func since(_ peer: Int) -> Int { self.holders[peer].since }

    /// How many connections hold the name in a slot.
    package mutating func count(_ slot: Int) -> Int {
        var count = 0
        for peer in 0..<Self.maxPeers where self.holders[peer].names & 1 << slot != 0 { count += 1 }
        return count
    }

    /// The slots that anybody holds exclusively.
    package var exclusive: UInt64 {
        mutating get {
            var names: UInt64 = 0
            for peer in 0..<Self.maxPeers { names |= self.holders[peer].exclusive }
            return names
        }
    }

    /// The slots that anybody holds.
    package var held: UInt64 {
        mutating get {
            var names: UInt64 = 0
            for peer in 0..<Self.maxPeers { names |= self.holders[peer].names }
            return names
        }
    }

    /// Which of `names` somebody else has in the way of a connection of `uid`: exclusively, or at all where it wants
    /// them exclusively, or kept for another uid.
    package mutating func obstacles(to names: UInt64, exclusively: Bool, peer: Int, uid: UInt32, now: Int) -> UInt64 {
        var inTheWay: UInt64 = 0
        for other in 0..<Self.maxPeers where other != peer {
            inTheWay |= exclusively ? self.holders[other].names : self.holders[other].exclusive
        }
        if self.kept != 0, now < self.keptUntil {
            for slot in 0..<64 where self.kept & 1 << slot != 0 && self.keptFor[slot] != uid { inTheWay |= 1 << slot }
        }
        return inTheWay & names
    }

    /// Grants names to a connection, which there was no obstacle to.
    package mutating func grant(_ names: UInt64, exclusively: Bool, to peer: Int, now: Int) {
        self.holders[peer].names |= names
        self.holders[peer].exclusive &= ~names
        if exclusively { self.holders[peer].exclusive |= names }
        self.holders[peer].since = now
        self.kept &= ~names
    }

    /// Ends a connection's leases on names; returns those that it held.
    package mutating func release(_ names: UInt64, of peer: Int) -> UInt64 {
        let released = self.holders[peer].names & names
        self.holders[peer].names &= ~names
        self.holders[peer].exclusive &= ~names
        return released
    }

    /// Ends every lease on the slots: their names are gone.
    package mutating func forget(_ names: UInt64) {
        for peer in 0..<Self.maxPeers { _ = self.release(names, of: peer) }
        self.kept &= ~names
    }

    /// Keeps the name in a slot for a uid that held it exclusively before a restart.
    package mutating func keep(_ slot: Int, for uid: UInt32, now: Int) {
        self.kept |= 1 << slot
        self.keptFor[slot] = uid
        self.keptUntil = now + Self.grace
    }

    /// Forgets for whom names are kept once their time is over; whether there were any, so that others can have them now.
    package mutating func endKeeping(now: Int) -> Bool {
        guard self.kept != 0, now >= self.keptUntil else { return false }
        self.kept = 0
        return true
    }
}
