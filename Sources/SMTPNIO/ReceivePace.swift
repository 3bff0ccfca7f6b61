package import NIOCore

/// How long a client that sends a message may go on: silence ends it, and so does a drip.
///
/// Each octet buys time for the next ones at the lowest rate allowed, and never more than the wait for one block. So a
/// client that is slow now and then is served, while one that sends an octet a second is not, however long it goes on.
package struct ReceivePace: Sendable {
    private let block: TimeAmount
    private let octetsPerSecond: Int
    /// When the client has been too slow.
    package private(set) var deadline: NIODeadline

    /// Begins with the time of a whole block.
    ///
    /// - Parameters:
    ///   - block: the longest silence.
    ///   - octetsPerSecond: the lowest rate in the long run; 0 for no bound.
    package init(block: TimeAmount, octetsPerSecond: Int, now: NIODeadline) {
        self.block = block
        self.octetsPerSecond = octetsPerSecond
        self.deadline = now + block
    }

    /// Octets have come.
    package mutating func received(_ octets: Int, now: NIODeadline) {
        guard octets > 0 else { return }
        guard self.octetsPerSecond > 0 else {
            self.deadline = now + self.block
            return
        }
        let (product, overflows) = Int64(octets).multipliedReportingOverflow(by: 1_000_000_000)
        let bought = overflows ? self.block : .nanoseconds(product / Int64(self.octetsPerSecond))
        self.deadline = min(now + self.block, self.deadline + min(bought, self.block))
    }

    /// The client could not send, for it was not read from: that time does not count.
    package mutating func waited(_ time: TimeAmount) {
        self.deadline = self.deadline + time
    }
}
