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
        self.state.onFinding { next.yield() }
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
        var rest = self.questions(snapshot)[...]
        failing.formIntersection(rest.map(\.address))
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
        // What all servers have that a name stands for, as far as they answered.
        var shared: [BackendAddress: ServerCapabilities] = [:]
        await withTaskCancellationHandler {
            await withTaskGroup(of: (ProbeQuestion, Result<ProbeAnswer, any Error>).self) { group in
                for question in rest.prefix(Self.concurrency) {
                    group.addTask { (question, await self.ask(question, probes)) }
                }
                rest = rest.dropFirst(Self.concurrency)
                for await (question, result) in group {
                    if let next = rest.popFirst(), !Task.isCancelled {
                        group.addTask { (next, await self.ask(next, probes)) }
                    }
                    self.report(question, result, &failing, &shared)
                }
            }
        } onCancel: {
            self.eventLoop.execute { probes.value.cancel() }
        }
        for (backend, capabilities) in shared { self.learn(capabilities, of: backend) }
    }

    /// Whom to ask: every backend, and of one that is a name every address that it has now.
    private func questions(_ snapshot: RelaySnapshot) -> [ProbeQuestion] {
        let groups = snapshot.configuration.allGroups
        let table = self.state.groups.table
        return snapshot.configuration.allBackends.flatMap { backend -> [ProbeQuestion] in
            // A backend of several groups is asked as the first of them would.
            let group = groups.first { $0.backends.contains { $0.address == backend } }
            let policy = group?.policy ?? DeliveryPolicy()
            guard backend.isName else { return [ProbeQuestion(address: backend, configured: backend, policy: policy)] }
            let members = group.flatMap { table[$0.name] }?.members ?? []
            return members.filter { $0.endpoint.configured == backend }.map {
                ProbeQuestion(address: $0.endpoint.address, configured: backend, policy: policy)
            }
        }
    }

    private func ask(
        _ question: ProbeQuestion, _ probes: NIOLoopBound<ProbeRound>
    ) async -> Result<ProbeAnswer, any Error> {
        do {
            let context = self.state.tls.client(question.policy.tls)
            return .success(try await self.eventLoop.flatSubmit { probes.value.ask(question, context) }.get())
        } catch {
            return .failure(error)
        }
    }

    private func report(
        _ question: ProbeQuestion, _ result: Result<ProbeAnswer, any Error>, _ failing: inout Set<BackendAddress>,
        _ shared: inout [BackendAddress: ServerCapabilities]
    ) {
        switch result {
        case .success(let answer):
            failing.remove(question.address)
            guard question.configured.isName else { return self.learn(answer.capabilities, of: question.configured) }
            var capabilities = shared[question.configured] ?? answer.capabilities
            capabilities.extensions.formIntersection(answer.capabilities.extensions)
            shared[question.configured] = capabilities
        case .failure(let error):
            // What a shutdown cut short has not failed.
            guard !Task.isCancelled, failing.insert(question.address).inserted else { return }
            self.logger.warning("probe-failed backend=\(question.address) error=\(TransactionLog.value("\(error)"))")
        }
    }

    private func learn(_ capabilities: ServerCapabilities, of backend: BackendAddress) {
        guard self.state.learn(capabilities, of: backend, isWhole: true) else { return }
        self.logger.learnt(capabilities, of: backend)
    }
}

extension Logger {
    /// A backend's extensions are others than before, or known for the first time.
    func learnt(_ capabilities: ServerCapabilities, of backend: BackendAddress) {
        self.notice("backend-learnt backend=\(backend) extensions=\(capabilities.extensions)")
    }
}
