package import Logging
package import NIOCore
import Routing
import SMTPCore
import SMTPNIO
import ServiceLifecycle

/// Asks the backends what they have: at the start, after a reload, and every few minutes.
///
/// What comes of it is what the relay announces to clients. A backend that refuses probes does no harm: nothing is then
/// learnt from it but what sessions learn in passing.
package final class ProbeService: Service {
    /// The most probes at a time.
    private static let concurrency = 8

    private let state: RelayState
    private let eventLoop: any EventLoop
    private let logger: Logger
    private let interval: Duration
    private let timeout: TimeAmount

    /// Makes the service.
    ///
    /// - Parameters:
    ///   - eventLoop: where all probes run.
    ///   - interval: how long to wait between two rounds; it varies by a tenth, so that several relays do not keep step.
    ///   - timeout: for a probe as a whole.
    package init(
        state: RelayState, eventLoop: any EventLoop, logger: Logger, interval: Duration = .seconds(300),
        timeout: TimeAmount = .seconds(10)
    ) {
        self.state = state
        self.eventLoop = eventLoop
        self.logger = logger
        self.interval = interval
        self.timeout = timeout
    }

    /// Probes until shutdown begins.
    package func run() async throws {
        // Rounds that were asked for while one runs are one round behind it.
        let (rounds, next) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        self.state.onReplace { next.yield() }
        next.yield()
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    while true {
                        let jitter = Double.random(in: 0.9...1.1)
                        do { try await Task.sleep(for: self.interval * jitter) } catch { return }
                        next.yield()
                    }
                }
                // The backends that did not answer the last time: each is told of once.
                var failing: Set<BackendAddress> = []
                for await _ in rounds { await self.round(&failing) }
                group.cancelAll()
            }
        }
    }

    private func round(_ failing: inout Set<BackendAddress>) async {
        let snapshot = self.state.snapshot
        failing.formIntersection(snapshot.backends)
        var rest = snapshot.configuration.allBackends[...]
        let probes: NIOLoopBound<ProbeRound>
        do {
            probes = try await self.eventLoop.submit {
                let round = ProbeRound(
                    name: snapshot.serverName, timeout: self.timeout, eventLoop: self.eventLoop)
                return NIOLoopBound(round, eventLoop: self.eventLoop)
            }.get()
        } catch {
            return  // the loop is shut down
        }
        await withTaskCancellationHandler {
            await withTaskGroup(of: (BackendAddress, Result<ServerCapabilities, any Error>).self) { group in
                for backend in rest.prefix(Self.concurrency) {
                    group.addTask { (backend, await self.ask(backend, snapshot, probes)) }
                }
                rest = rest.dropFirst(Self.concurrency)
                for await (backend, result) in group {
                    if let next = rest.popFirst(), !Task.isCancelled {
                        group.addTask { (next, await self.ask(next, snapshot, probes)) }
                    }
                    self.report(backend, result, &failing)
                }
            }
        } onCancel: {
            self.eventLoop.execute { probes.value.cancel() }
        }
    }

    private func ask(
        _ backend: BackendAddress, _ snapshot: RelaySnapshot, _ probes: NIOLoopBound<ProbeRound>
    ) async -> Result<ServerCapabilities, any Error> {
        do {
            // A backend of several groups is asked as the first of them would.
            let groups = snapshot.configuration.allGroups
            let policy = groups.first { $0.backends.contains { $0.address == backend } }?.policy ?? DeliveryPolicy()
            let context = self.state.tls.client(policy.tls)
            return .success(
                try await self.eventLoop.flatSubmit { probes.value.ask(backend, policy, context) }.get())
        } catch {
            return .failure(error)
        }
    }

    private func report(
        _ backend: BackendAddress, _ result: Result<ServerCapabilities, any Error>, _ failing: inout Set<BackendAddress>
    ) {
        switch result {
        case .success(let capabilities):
            failing.remove(backend)
            if self.state.learn(capabilities, of: backend) { self.logger.learnt(capabilities, of: backend) }
        case .failure(let error):
            // What a shutdown cut short has not failed.
            guard !Task.isCancelled, failing.insert(backend).inserted else { return }
            self.logger.warning("probe-failed backend=\(backend) error=\(TransactionLog.value("\(error)"))")
        }
    }
}

extension Logger {
    /// A backend's extensions are others than before, or known for the first time.
    func learnt(_ capabilities: ServerCapabilities, of backend: BackendAddress) {
        self.notice("backend-learnt backend=\(backend) extensions=\(capabilities.extensions)")
    }
}
