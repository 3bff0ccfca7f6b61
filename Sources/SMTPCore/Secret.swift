import Synchronization

/// Octets that nothing may show: a password, or the line that it came in.
///
/// No description, dump, log or error has them, and they are overwritten when the last reference is gone, or at
/// ``wipe()``. What Swift copied before they came here (a `String`, a buffer of the channel's) is not in its reach.
public final class Secret: Sendable {
    private let octets: Mutex<[UInt8]>

    /// Keeps octets; where the caller has no other copy, there is none.
    public init(_ octets: consuming [UInt8]) {
        self.octets = Mutex(octets)
    }

    /// Keeps a copy of octets.
    public convenience init(copying octets: Span<UInt8>) {
        var copy: [UInt8] = []
        copy.reserveCapacity(octets.count)
        for index in 0..<octets.count { copy.append(octets[index]) }
        self.init(copy)
    }

    deinit { self.wipe() }

    /// How many octets there are; none after ``wipe()``.
    public var count: Int { self.octets.withLock { $0.count } }

    /// Shows the octets to `body`, which must keep no copy that it does not ``wipe(_:)``.
    public func withOctets<Result, Failure>(
        _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try self.octets.withLock { octets throws(Failure) in try body(octets.span) }
    }

    /// Overwrites the octets, and forgets them.
    public func wipe() {
        self.octets.withLock { Self.wipe(&$0) }
    }

    /// Overwrites octets with zeros in their place, then empties the array. (Where another array shares its storage, that
    /// one keeps them.)
    @inline(never)
    public static func wipe(_ octets: inout [UInt8]) {
        for index in octets.indices { octets[index] = 0 }
        octets.removeAll()
    }
}

extension Secret: Equatable {
    /// Compares in a time that depends on the lengths alone.
    public static func == (left: Secret, right: Secret) -> Bool {
        if left === right { return true }
        return left.withOctets { left in right.withOctets { right in Self.sameOctets(left, right) } }
    }

    /// Whether both are the same, found out in a time that depends on the lengths alone.
    public static func sameOctets(_ left: Span<UInt8>, _ right: Span<UInt8>) -> Bool {
        guard left.count == right.count else { return false }
        var difference: UInt8 = 0
        for index in 0..<left.count { difference |= left[index] ^ right[index] }
        return difference == 0
    }
}

extension Secret: CustomStringConvertible, CustomReflectable {
    /// Nothing of the octets, and not how many.
    public var description: String { "(secret)" }

    /// Empty: what a `dump` or a failed comparison shows ends in a log.
    public var customMirror: Mirror { Mirror(self, children: []) }
}

extension Secret: ExpressibleByStringLiteral {
    /// The octets of a text in the program: for tests.
    public convenience init(stringLiteral text: String) {
        self.init(Array(text.utf8))
    }
}
