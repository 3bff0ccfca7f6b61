import Foundation

/// A value under a lock, with a way to wait until it is as wanted: what tests have instead of sleeping.
final class Watched<Value>: @unchecked Sendable {
    // @unchecked: NSCondition guards the value, and the compiler cannot see that. Tests only.
    private let condition = NSCondition()
    private var value: Value

    init(_ value: Value) { self.value = value }

    func read<Result>(_ body: (Value) -> Result) -> Result {
        condition.lock()
        defer { condition.unlock() }
        return body(value)
    }

    func change<Result>(_ body: (inout Value) -> Result) -> Result {
        condition.lock()
        defer {
            condition.broadcast()
            condition.unlock()
        }
        return body(&value)
    }

    /// Waits until `test` gives something other than nil; nil when it has not by the end of the time.
    func wait<Result>(_ patience: Duration, until test: (Value) -> Result?) -> Result? {
        let limit = Date(timeIntervalSinceNow: Double(patience.components.seconds))
        condition.lock()
        defer { condition.unlock() }
        while true {
            if let result = test(value) { return result }
            if !condition.wait(until: limit) { return test(value) }
        }
    }
}
