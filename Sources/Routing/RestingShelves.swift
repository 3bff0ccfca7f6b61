/// Connections that wait for their next session, each on the shelf of those that are good for the same: the one that was
/// used last is taken first, so that the others can go.
///
/// Without any I/O: what a connection is, and what becomes of one that goes, is the caller's. To put one back where
/// one was taken allocates nothing. (It is public, and not the package's, or other modules would have it unspecialised.)
public struct RestingShelves<Shelf: Hashable, Connection: AnyObject, Instant: Comparable> {
    @usableFromInline
    struct Entry {
        @usableFromInline let connection: Connection
        /// Until when it waits.
        @usableFromInline let end: Instant
        /// Until when it waits where it is one of those that are to be there before anybody comes.
        @usableFromInline let lastEnd: Instant

        @inlinable
        init(connection: Connection, end: Instant, lastEnd: Instant) {
            self.connection = connection
            self.end = end
            self.lastEnd = lastEnd
        }
    }

    /// Those on one shelf: the one that was used last is the last. (An object, so that its entries are changed in place.)
    @usableFromInline
    final class Stack {
        @usableFromInline var entries: [Entry] = []

        @inlinable
        init() {}
    }

    /// A shelf whose last one was taken stays until the next ``removeAll(warm:where:)``: most are soon used again.
    @usableFromInline var stacks: [Shelf: Stack] = [:]

    /// Makes empty shelves.
    @inlinable
    public init() {}

    /// Whether there is no shelf, not even an empty one.
    @inlinable public var isEmpty: Bool { self.stacks.isEmpty }

    /// How many wait.
    @inlinable public var count: Int { self.stacks.values.reduce(0) { $0 + $1.entries.count } }

    /// How many wait on this shelf.
    @inlinable
    public func count(_ shelf: Shelf) -> Int { self.stacks[shelf]?.entries.count ?? 0 }

    /// The one that was used last.
    @inlinable
    public func last(_ shelf: Shelf) -> Connection? { self.stacks[shelf]?.entries.last?.connection }

    /// The one that was used longest ago.
    @inlinable
    public func first(_ shelf: Shelf) -> Connection? { self.stacks[shelf]?.entries.first?.connection }

    /// Of each shelf the one that was used longest ago.
    @inlinable public var firsts: [Connection] { self.stacks.values.compactMap { $0.entries.first?.connection } }

    /// Keeps a connection until `end`, or until `lastEnd` where it is one of those that are kept warm.
    @inlinable
    public mutating func put(_ connection: Connection, on shelf: Shelf, until end: Instant, warmUntil lastEnd: Instant)
    {
        let entry = Entry(connection: connection, end: end, lastEnd: lastEnd)
        if let stack = self.stacks[shelf] { return stack.entries.append(entry) }
        let stack = Stack()
        stack.entries.append(entry)
        self.stacks[shelf] = stack
    }

    /// The one that was used last, which waits no more; nil where none does.
    @inlinable
    public mutating func take(_ shelf: Shelf) -> Connection? { self.stacks[shelf]?.entries.popLast()?.connection }

    /// It waits no more; false where it did not.
    @inlinable
    public mutating func remove(_ connection: Connection, from shelf: Shelf) -> Bool {
        guard let stack = self.stacks[shelf],
            let place = stack.entries.firstIndex(where: { $0.connection === connection })
        else { return false }
        stack.entries.remove(at: place)
        return true
    }

    /// Those whose time is over wait no more.
    ///
    /// - Parameters:
    ///   - warm: how many are to stay for as long as they last on the shelf of this connection: those that were used last.
    ///   - isOver: of a connection, and the moment until which it waits.
    /// - Returns: those that have gone, and when the time of the first of the others is over; nil where none is left.
    @inlinable
    public mutating func removeAll(
        warm: (Connection) -> Int, where isOver: (Connection, Instant) -> Bool
    ) -> (gone: [Connection], firstEnd: Instant?) {
        var gone: [Connection] = []
        var firstEnd: Instant?
        for (shelf, stack) in self.stacks {
            var place = 0
            let others = stack.entries.count - (stack.entries.first.map { warm($0.connection) } ?? 0)
            stack.entries.removeAll { entry in
                let end = place < others ? entry.end : entry.lastEnd
                place += 1
                if isOver(entry.connection, end) {
                    gone.append(entry.connection)
                    return true
                }
                firstEnd = firstEnd.map { min($0, end) } ?? end
                return false
            }
            if stack.entries.isEmpty { self.stacks[shelf] = nil }
        }
        return (gone, firstEnd)
    }
}
