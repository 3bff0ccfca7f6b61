package import Logging
package import NIOCore
import NIOPosix
package import PosternClient
import ServiceLifecycle
import Synchronization

/// Keeps the lease on the relay's listeners. When the broker goes away, the relay serves on; this gets the lease anew.
///
/// Owns the lease: it is given back when the service is gone, not when ``run()`` ends, since a relay that drains still
/// uses its listeners. So whoever made the service keeps it to the end of the process.
package final class LeaseService: Service {
    private let lease: Mutex<Lease>
    private let names: String
    private let group: any EventLoopGroup
    private let logger: Logger

    /// Makes the service; nil where there is no lease to keep.
    ///
    /// - Parameters:
    ///   - lease: the lease on all listeners that came from the broker.
    ///   - group: event loops; the caller shuts them down after ``run()``.
    package init?(_ lease: consuming Lease?, group: any EventLoopGroup, logger: Logger) {
        switch consume lease {
        case .some(let lease):
            self.names = lease.names.joined(separator: ",")
            self.lease = Mutex(lease)
        case nil:
            return nil
        }
        self.group = group
        self.logger = logger
    }

    /// Watches until shutdown begins.
    package func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                await self.waitForEnd()
                guard !Task.isCancelled else { return }
                self.logger.warning(
                    "lease-lost names=\(self.names) the broker has ended; serving on, and asking for it again")
                await self.renew()
            }
        }
    }

    /// Returns once the broker has closed the connection, or the task is cancelled.
    private func waitForEnd() async {
        let copy = self.lease.withLock { $0.duplicateDescriptor() }
        do {
            // Nothing is ever said on it that was not asked for: what arrives is its end.
            let channel = try await NIOPipeBootstrap(group: self.group).takingOwnershipOfDescriptor(input: copy).get()
            await withTaskCancellationHandler {
                try? await channel.closeFuture.get()
            } onCancel: {
                channel.close(promise: nil)
            }
        } catch {
            // No descriptor left, mostly: to be looked at instead of waited for.
            while !Task.isCancelled, self.lease.withLock({ $0.isHeld }) { try? await Task.sleep(for: .seconds(1)) }
        }
    }

    /// Asks until the lease is here again, or the task is cancelled.
    private func renew() async {
        var backoff = Backoff()
        var last = ListenerError.Code.noBroker
        while true {
            do { try await Task.sleep(for: backoff.next()) } catch { return }
            switch await self.attempt() {
            case .success(let others):
                let generation = self.lease.withLock { $0.generation }
                self.logger.notice("lease-renewed names=\(self.names) generation=\(generation)")
                for other in others {
                    self.logger.error("lease-changed \(other): a socket that this relay does not serve; restart it")
                }
                return
            case .failure(let error):
                // That there is no broker has been said; each other reason once, as long as it stays the same.
                if error.code != last, error.code != .noBroker { self.logger.warning("lease-refused \(error)") }
                last = error.code
            }
        }
    }

    /// Asks once; blocks a thread that is there for it. The sockets that are others than the relay's, in words.
    private func attempt() async -> Result<[String], ListenerError> {
        do {
            return try await NIOThreadPool.singleton.runIfActive {
                self.lease.withLock { lease in
                    do throws(ListenerError) {
                        var others = try lease.renew()
                        var words: [String] = []
                        while let other = try others.takeFirst() {
                            words.append("listener=\(other.name) address=\(other.address)")
                        }
                        return .success(words)
                    } catch {
                        return .failure(error)
                    }
                }
            }
        } catch {
            preconditionFailure("the process's own thread pool is never shut down: \(error)")
        }
    }
}
