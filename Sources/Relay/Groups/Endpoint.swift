import NIOCore
package import Routing
import Synchronization

/// One place to connect to, of one group: what all event loops know of it, in words that none of them locks.
///
/// It outlives a reload that keeps it. A backend that is a name has one for each of its addresses, once they are resolved.
package final class Endpoint: Sendable {
    /// The group that it is of.
    package let group: String
    /// The backend as the configuration has it.
    package let configured: BackendAddress
    /// Where to connect.
    package let address: BackendAddress
    /// The same for the socket; nil where a name is to be resolved first.
    let socketAddress: SocketAddress?
    /// The same for the log.
    let name: String

    /// The sessions that are there, and those that are on their way.
    private let sessions = Atomic<Int>(0)
    private let healthWord = Atomic<BackendHealth>(BackendHealth())
    private let draining = Atomic<Bool>(false)
    /// The connections among ``connections`` that wait in a pool.
    private let resting = Atomic<Int>(0)

    /// Makes a place that nothing is known of.
    ///
    /// - Parameter address: nil: where the configuration says.
    package init(group: String, configured: BackendAddress, address: BackendAddress? = nil) {
        self.group = group
        self.configured = configured
        self.address = address ?? configured
        self.name = self.address.description
        self.socketAddress =
            switch self.address {
            case .ip(let ip, let port): try? SocketAddress(ipAddress: ip.description, port: Int(port))
            case .unix(let path): try? SocketAddress(unixDomainSocketPath: path)
            case .host, .service: nil
            }
    }

    /// How many sessions are there, or on their way.
    package var connections: Int { self.sessions.load(ordering: .relaxed) }
    /// How many of them do something: the others wait in a pool.
    package var load: Int { self.connections - self.resting.load(ordering: .relaxed) }
    /// Whether it is fit to be asked.
    package var health: BackendHealth { self.healthWord.load(ordering: .acquiring) }
    /// Whether no session is to begin there, by command.
    package var isDraining: Bool { self.draining.load(ordering: .relaxed) }

    /// Whether no session is to begin there from now on. Those that run end by themselves.
    func drain(_ isDraining: Bool) { self.draining.store(isDraining, ordering: .relaxed) }

    /// A connection begins to wait in a pool, or does so no more.
    func rests(_ rests: Bool) {
        if rests {
            self.resting.add(1, ordering: .relaxed)
        } else {
            self.resting.subtract(1, ordering: .relaxed)
        }
    }

    /// Counts a session; false, and nothing counted, where there are `limit` (0: no bound).
    func reserve(limit: Int) -> Bool {
        self.sessions.addOne(below: limit)
    }

    /// Uncounts a session.
    func release() {
        self.sessions.subtract(1, ordering: .sequentiallyConsistent)
    }

    /// The backend could not be reached, or did not greet; returns for how many milliseconds it is ejected now.
    func failed(_ now: UInt64, _ policy: HealthPolicy, _ role: BackendHealth.Role) -> UInt64? {
        let jitter = Double.random(in: 0...1)
        return self.update { $0.failed(now, policy, role, jitter: jitter) }
    }

    /// The backend greeted; returns whether it had been ejected.
    func succeeded(_ now: UInt64) -> Bool {
        self.update { $0.succeeded(now) }
    }

    /// Makes the session that asks the one that tries the backend.
    func beginTrial(_ now: UInt64, _ policy: HealthPolicy, isEarly: Bool) -> Bool {
        self.update { $0.beginTrial(now, policy, isEarly: isEarly) }
    }

    /// The session that tried the backend ended before anything was known.
    func trialAbandoned() {
        self.update { $0.trialAbandoned() }
    }

    /// Probes have found it dead; returns whether it was up.
    func probesFailed() -> Bool { self.update { $0.probesFailed() } }

    /// It is probed no more.
    func probesEnded() { self.update { $0.probesEnded() } }

    private func update<Result>(_ change: (inout BackendHealth) -> Result) -> Result {
        var present = self.healthWord.load(ordering: .acquiring)
        while true {
            var health = present
            let result = change(&health)
            // Almost every session finds it up, and leaves it so: nothing is written then.
            guard health != present else { return result }
            let (isExchanged, original) = self.healthWord.compareExchange(
                expected: present, desired: health, ordering: .acquiringAndReleasing)
            if isExchanged { return result }
            present = original
        }
    }
}

extension Atomic<Int> {
    /// Adds one; false, and nothing added, where that would be more than `limit` (0: no bound). It is not added first and
    /// then taken back: whoever looks never sees more than there may be.
    func addOne(below limit: Int) -> Bool {
        guard limit > 0 else {
            self.add(1, ordering: .sequentiallyConsistent)
            return true
        }
        var present = self.load(ordering: .sequentiallyConsistent)
        while present < limit {
            let (isExchanged, original) = self.compareExchange(
                expected: present, desired: present + 1, ordering: .sequentiallyConsistent)
            if isExchanged { return true }
            present = original
        }
        return false
    }
}
