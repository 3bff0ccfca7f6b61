import Logging
import NIOCore
import Routing

/// Probes the backends of groups that ask for it, each at its own pace; confined to its event loop.
///
/// What comes of it is the endpoints' health, which every event loop reads: a backend that is out stays out, for all real
/// clients, until probes have found it well.
final class HealthWatch {
    /// What is known of the probes of one endpoint.
    private final class Entry {
        let endpoint: Endpoint
        var policy: ProbePolicy
        var delivery: DeliveryPolicy
        var count = ProbeCount()
        var timer: Scheduled<Void>?
        var isOver = false
        /// The failure or refusal that was told last.
        var told: String?

        init(_ endpoint: Endpoint, _ policy: ProbePolicy, _ delivery: DeliveryPolicy) {
            self.endpoint = endpoint
            self.policy = policy
            self.delivery = delivery
        }
    }

    private let state: RelayState
    private let eventLoop: any EventLoop
    private let logger: Logger
    private var entries: [ObjectIdentifier: Entry] = [:]
    private var generation = -1
    private var round: ProbeRound?
    private var roundName: String?
    private var timer: Scheduled<Void>?

    /// How soon a changed table is noticed, and a backend is asked again that is on its way from up to down or back.
    static let pace = Duration.seconds(1)

    init(state: RelayState, eventLoop: any EventLoop, logger: Logger) {
        self.state = state
        self.eventLoop = eventLoop
        self.logger = logger
    }

    /// Begins.
    func start() {
        self.refresh()
        self.timer = self.eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(Self.pace.nanoseconds)) {
            self.start()
        }
    }

    /// Ends every probe; what was out because of them is for sessions to try.
    func stop() {
        self.timer?.cancel()
        for entry in self.entries.values { self.forget(entry) }
        self.entries = [:]
        self.round?.cancel()
    }

    private func refresh() {
        let generation = self.state.groups.generation
        guard generation != self.generation else { return }
        self.generation = generation
        var rest = self.entries
        for group in self.state.groups.table.entries {
            guard let policy = group.group.health.probe else { continue }
            for member in group.members {
                let key = ObjectIdentifier(member.endpoint)
                if let entry = rest.removeValue(forKey: key) {
                    entry.policy = policy
                    entry.delivery = group.group.policy
                } else {
                    let entry = Entry(member.endpoint, policy, group.group.policy)
                    self.entries[key] = entry
                    // Many at one time are not asked at one time.
                    self.schedule(entry, in: min(policy.interval, Self.pace) * Double.random(in: 0...1))
                }
            }
        }
        for (key, entry) in rest {
            self.entries[key] = nil
            self.forget(entry)
        }
    }

    private func forget(_ entry: Entry) {
        entry.isOver = true
        entry.timer?.cancel()
        entry.endpoint.probesEnded()
    }

    private func schedule(_ entry: Entry, in delay: Duration) {
        entry.timer = self.eventLoop.assumeIsolated().scheduleTask(in: .nanoseconds(delay.nanoseconds)) {
            self.ask(entry)
        }
    }

    private func ask(_ entry: Entry) {
        let question = ProbeQuestion(
            address: entry.endpoint.address, configured: entry.endpoint.configured, policy: entry.delivery,
            health: entry.policy)
        let context = self.state.tls.client(entry.delivery.tls)
        self.currentRound().ask(question, context).assumeIsolated().whenComplete { result in
            guard !entry.isOver else { return }
            self.take(result, entry)
            let pause = entry.policy.interval * Double.random(in: 0.9...1.1)
            self.schedule(entry, in: entry.count.contrary > 0 ? min(pause, Self.pace) : pause)
        }
    }

    private func take(_ result: Result<ProbeAnswer, any Error>, _ entry: Entry) {
        let endpoint = entry.endpoint
        let isUp = endpoint.health.phase == .up
        let trouble = Self.trouble(result, entry.policy)
        let isSuccess = trouble.map { !$0.isFailure } ?? true
        if let trouble, entry.told != trouble.text {
            self.logger.warning(
                "backend-probe-\(trouble.isFailure ? "failed" : "refused") group=\(endpoint.group) backend=\(endpoint.name) error=\(TransactionLog.value(trouble.text))"
            )
        }
        entry.told = trouble?.text
        // What a backend of an address has is known from any of its answers; a name's is asked for as a whole.
        if case .success(let answer) = result, !endpoint.configured.isName,
            self.state.learn(answer.capabilities, of: endpoint.configured)
        {
            self.logger.learnt(answer.capabilities, of: endpoint.configured)
        }
        guard entry.count.take(isSuccess, isUp: isUp, entry.policy) else { return }
        if isUp {
            self.state.groups.probesFailed(endpoint, logger: self.logger)
        } else {
            self.state.groups.succeeded(endpoint, logger: self.logger)
        }
    }

    private static func trouble(
        _ result: Result<ProbeAnswer, any Error>, _ policy: ProbePolicy
    ) -> (text: String, isFailure: Bool)? {
        switch result {
        case .success(let answer): answer.refusal.map { ("\($0)", policy.refusalIsFailure) }
        case .failure(let error): ("\(error)", true)
        }
    }

    private func currentRound() -> ProbeRound {
        let name = self.state.snapshot.serverName
        if let round = self.round, self.roundName == name { return round }
        // (The one before ends with its last probe.)
        let round = ProbeRound(
            name: name, timeout: .nanoseconds(ProbePolicy().timeout.nanoseconds), eventLoop: self.eventLoop)
        self.round = round
        self.roundName = name
        return round
    }
}
