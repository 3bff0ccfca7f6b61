import FoundationEssentials
import NIOCore

/// How many event loops the relay has.
enum EventLoops {
    /// POSTERN_EVENT_LOOPS, 1 to 64; without it one for each processor that the process may use.
    static var count: Int {
        if let text = ProcessInfo.processInfo.environment["POSTERN_EVENT_LOOPS"], let count = Int(text),
            (1...64).contains(count)
        {
            return count
        }
        return System.coreCount
    }
}
