import NIOCore

/// Those who wait for a place of one group on one event loop, in the order in which they came; confined to it.
final class WaitingLine {
    /// The most that wait.
    static let longest = 1000

    /// One who waits.
    final class Waiter {
        let tried: [Endpoint]
        fileprivate var limit: Scheduled<Void>?
        fileprivate var completion: ((GroupState.Choice) -> Void)?

        fileprivate init(_ tried: [Endpoint], _ completion: @escaping (GroupState.Choice) -> Void) {
            self.tried = tried
            self.completion = completion
        }

        /// Whether it still waits.
        var isWaiting: Bool { self.completion != nil }
    }

    private var line = CircularBuffer<Waiter>()

    /// Who waits longest; nil where nobody waits.
    var first: Waiter? {
        while let first = self.line.first, !first.isWaiting { self.line.removeFirst() }
        return self.line.first
    }

    /// How many wait.
    var count: Int { self.line.count { $0.isWaiting } }

    /// Whether nobody more may wait.
    var isFull: Bool {
        guard self.line.count >= Self.longest else { return false }
        self.line.removeAll { !$0.isWaiting }
        return self.line.count >= Self.longest
    }

    /// Has somebody wait, for `time` at most; `expired` is called when that is over, before `completion` is, with
    /// ``GroupState/Choice/full``.
    func append(
        excluding tried: [Endpoint], for time: TimeAmount, on eventLoop: any EventLoop, expired: @escaping () -> Void,
        completion: @escaping (GroupState.Choice) -> Void
    ) -> Waiter {
        let waiter = Waiter(tried, completion)
        self.line.append(waiter)
        waiter.limit = eventLoop.assumeIsolated().scheduleTask(in: time) {
            guard let completion = Self.take(waiter) else { return }
            expired()
            completion(.full)
        }
        return waiter
    }

    /// It waits no more, and is told why.
    func complete(_ waiter: Waiter, _ choice: GroupState.Choice) {
        Self.take(waiter)?(choice)
    }

    /// It waits no more, and is told nothing.
    func leave(_ waiter: Waiter) {
        _ = Self.take(waiter)
    }

    private static func take(_ waiter: Waiter) -> ((GroupState.Choice) -> Void)? {
        waiter.limit?.cancel()
        waiter.limit = nil
        defer { waiter.completion = nil }
        return waiter.completion
    }
}
