import Logging
import NIOCore
import NIOPosix
import SMTPCore
import Synchronization

/// Checks passwords on threads of its own, since a hash that is worth something takes a tenth of a second or more.
///
/// A few at a time, so that passwords never take all processors from the mail, and a bounded number in the queue.
final class PasswordChecker: Sendable {
    enum Verdict: Sendable {
        case accepted
        case refused
        /// Nobody can tell: the file was never readable, or there is too much to do.
        case unavailable
    }

    /// How many may wait or be checked at one time.
    static let longestQueue = 64
    /// How many are checked at one time: half of the processors, but four at most.
    static let threads = max(1, min(4, System.coreCount / 2))

    private struct State {
        var pool: NIOThreadPool?
        var pending = 0
    }

    private let state = Mutex(State())
    private let files = UserFiles()

    /// Checks credentials against a users file, and calls `completion` on the event loop, never before this returns.
    func check(
        _ credentials: SASLCredentials, file: String, logger: Logger, on eventLoop: any EventLoop,
        completion: @escaping (Verdict) -> Void
    ) {
        guard let pool = self.begin() else {
            logger.warning("auth-busy: \(Self.longestQueue) passwords wait to be checked")
            return eventLoop.assumeIsolated().execute { completion(.unavailable) }
        }
        pool.runIfActive(eventLoop: eventLoop) { () -> Verdict in
            guard let table = self.files.table(file, logger: logger) else { return .unavailable }
            return table.accepts(credentials) ? .accepted : .refused
        }.assumeIsolated().whenComplete { result in
            self.state.withLock { $0.pending -= 1 }
            switch result {
            case .success(let verdict): completion(verdict)
            case .failure: completion(.unavailable)  // the pool is shut down
            }
        }
    }

    /// A place in the queue; nil where there is none.
    private func begin() -> NIOThreadPool? {
        self.state.withLock { state in
            guard state.pending < Self.longestQueue else { return nil }
            state.pending += 1
            if let pool = state.pool { return pool }
            // With the first password: most relays check none.
            let pool = NIOThreadPool(numberOfThreads: Self.threads)
            pool.start()
            state.pool = pool
            return pool
        }
    }

    /// Ends the threads.
    func shutDown() async {
        let pool = self.state.withLock { $0.pool.take() }
        try? await pool?.shutdownGracefully()
    }
}
