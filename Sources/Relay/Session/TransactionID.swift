import Synchronization

/// A transaction's name in the log and in its Received field: 12 letters and digits, in the order of time.
///
///     1jq8x4v0k3m2
///     -------           the second, in base 32
///            -----      a counter that began anywhere
///
/// No two of a process are the same, short of 33 million in a second; two processes, one after the other or side by
/// side, share one only where they are at the same count in the same second.
package struct TransactionID: Hashable, Sendable, CustomStringConvertible {
    /// The letters that are not taken for a digit, in lower case; in the order of ASCII, so that names sort by time.
    private static let digits = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)
    private static let timeDigits = 7
    private static let countDigits = 5

    package let description: String

    /// Makes a name of a moment, in seconds since 1970, and a count.
    package init(unixTime: Int64, count: UInt64) {
        let time = UInt64(truncatingIfNeeded: max(unixTime, 0))
        // The lowest five bits of each for its last digit.
        var text = [UInt8](repeating: 0, count: Self.timeDigits + Self.countDigits)
        for place in 0..<Self.timeDigits { text[Self.timeDigits - 1 - place] = Self.digit(time, place) }
        for place in 0..<Self.countDigits { text[text.count - 1 - place] = Self.digit(count, place) }
        self.description = String(decoding: text, as: UTF8.self)
    }

    private static func digit(_ number: UInt64, _ place: Int) -> UInt8 {
        Self.digits[Int(number >> (5 * UInt64(place)) & 31)]
    }
}

/// Names the transactions of a process.
package final class TransactionIDs: Sendable {
    private let count: Atomic<UInt64>

    /// Begins to count at `start`; anywhere, where it is not given.
    package init(start: UInt64 = .random(in: .min ... .max)) {
        self.count = Atomic(start)
    }

    /// The next name; `unixTime` is now, in seconds since 1970.
    package func next(unixTime: Int64) -> TransactionID {
        let count = self.count.wrappingAdd(1, ordering: .relaxed).oldValue
        return TransactionID(unixTime: unixTime, count: count)
    }
}
