import Dispatch
import Foundation
import Synchronization
import Testing

/// Threads for tests that block them: these wait for programs, and for timeouts of the relay's.
///
/// The threads that tests run on otherwise are as many as the machine has cores. Tests that block those keep all others
/// waiting, those that have begun too, for as long as all of them together last.
final class WaitingThreads: TaskExecutor {
    /// For tests that do nothing for most of their time.
    static let many = WaitingThreads(count: 8)
    /// For tests that keep the machine busy.
    static let few = WaitingThreads(count: 2)

    private let jobs = Mutex<[UnownedJob]>([])
    private let count = DispatchSemaphore(value: 0)

    private init(count: Int) {
        for _ in 0..<count { Thread.detachNewThread { self.serve() } }
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        self.jobs.withLock { $0.append(job) }
        self.count.signal()
    }

    private func serve() {
        while true {
            self.count.wait()
            let job = self.jobs.withLock { $0.removeFirst() }
            unsafe job.runSynchronously(on: self.asUnownedTaskExecutor())
        }
    }
}

/// Has tests run on ``WaitingThreads``.
struct WaitingTrait: SuiteTrait, TestTrait, TestScoping {
    fileprivate let threads: WaitingThreads

    var isRecursive: Bool { true }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await withTaskExecutorPreference(self.threads) { try await function() }
    }
}

extension Trait where Self == WaitingTrait {
    /// Its tests wait for most of their time.
    static var waits: Self { WaitingTrait(threads: .many) }
    /// Its tests block their thread, and keep the machine busy meanwhile.
    static var works: Self { WaitingTrait(threads: .few) }
}
