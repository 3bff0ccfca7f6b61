import Synchronization

/// When a backend is taken for dead, and for how long.
package struct HealthPolicy: Hashable, Sendable {
    /// Failures in a row after which a backend is ejected; 0: it never is.
    package var failures = 3
    /// How long the first ejection lasts; each that follows lasts twice as long.
    package var eject: Duration = .seconds(10)
    /// How long an ejection lasts at most.
    package var longestEject: Duration = .seconds(300)

    /// Makes the default policy.
    package init() {}

    /// How long the ejection of that number lasts, from 1 up, before it is varied.
    package func length(ofEjection number: Int) -> Duration {
        var length = self.eject
        for _ in 1..<max(number, 1) where length < self.longestEject { length = min(length * 2, self.longestEject) }
        return min(length, self.longestEject)
    }
}

/// Whether a backend is fit to be asked, from what became of the sessions that asked it: a value of one word, without a
/// clock, so that all event loops can share it without a lock.
///
/// ```text
/// up --failed, for the third time in a row--> ejected --its time is over, a session begins--> on trial
/// on trial --failed--> ejected, twice as long        on trial --succeeded--> up
/// ```
///
/// Times are milliseconds of a monotonic clock.
package struct BackendHealth: RawRepresentable, Equatable, Sendable {
    /// What the backend is to sessions that begin.
    package enum Phase: UInt64, Sendable {
        /// One to be asked.
        case up
        /// One that is left out, until its time is over.
        case ejected
        /// One that is left out by all but the one session that tries it.
        case onTrial
    }

    /// What a session is to the backend that it asks.
    package enum Role: Sendable {
        /// One of many: the backend is up.
        case ordinary
        /// The one that tries an ejected backend, its time being over.
        case trial
        /// The one that tries it before that, for want of another backend.
        case earlyTrial
    }

    // Two bits of phase, 12 of failures, 10 of ejections and 40 of a time: 34 years of milliseconds.
    private static let failureBits: UInt64 = 12
    private static let ejectionBits: UInt64 = 10

    package let rawValue: UInt64

    /// Takes the word apart that another value was.
    package init(rawValue: UInt64) { self.rawValue = rawValue }

    /// A backend that nothing is known of, and that is asked.
    package init() { self.rawValue = 0 }

    private init(_ phase: Phase, failures: Int, ejections: Int, time: UInt64) {
        let failures = min(UInt64(failures), 1 << Self.failureBits - 1)
        let ejections = min(UInt64(ejections), 1 << Self.ejectionBits - 1)
        self.rawValue =
            phase.rawValue | failures << 2 | ejections << (2 + Self.failureBits)
            | time << (2 + Self.failureBits + Self.ejectionBits)
    }

    /// What the backend is now.
    package var phase: Phase { Phase(rawValue: self.rawValue & 3) ?? .up }
    /// The failures in a row.
    package var failures: Int { Int(self.rawValue >> 2 & (1 << Self.failureBits - 1)) }
    /// How often it was ejected, one soon after the other.
    package var ejections: Int { Int(self.rawValue >> (2 + Self.failureBits) & (1 << Self.ejectionBits - 1)) }
    /// When the ejection is over; of one on trial, when another session may try it, too, should the first be silent; of one
    /// that is up, since when it is (0: ever since).
    package var time: UInt64 { self.rawValue >> (2 + Self.failureBits + Self.ejectionBits) }

    /// Whether a session may be the one that tries it, its time being over.
    package func isDue(_ now: UInt64) -> Bool { self.phase != .up && self.time <= now }
}

extension BackendHealth: AtomicRepresentable {}

extension BackendHealth {
    /// The backend could not be reached, or did not greet; returns for how many milliseconds it is ejected now, nil where
    /// it is not, or was before.
    ///
    /// - Parameters:
    ///   - role: what the session was. Those that began before the ejection are no news.
    ///   - jitter: a number from 0 to 1: relays that saw a backend die together do not come back together.
    package mutating func failed(_ now: UInt64, _ policy: HealthPolicy, _ role: Role, jitter: Double) -> UInt64? {
        switch (self.phase, role) {
        case (.up, _):
            let failures = self.failures + 1
            guard policy.failures > 0, failures >= policy.failures else {
                self = BackendHealth(.up, failures: failures, ejections: self.ejections, time: self.time)
                return nil
            }
            // One that has been up again for as long as it was out begins anew.
            let last = policy.length(ofEjection: self.ejections).milliseconds
            let isRelapse = self.ejections > 0 && now < self.time + last
            return self.eject(now, policy, (isRelapse ? self.ejections : 0) + 1, failures, jitter)
        case (.onTrial, .trial):
            return self.eject(now, policy, self.ejections + 1, self.failures + 1, jitter)
        case (.onTrial, .earlyTrial):
            // It had more time coming: its back-off does not grow for what was our need.
            _ = self.eject(now, policy, max(self.ejections, 1), self.failures + 1, jitter)
            return nil
        case (.onTrial, .ordinary), (.ejected, _):
            return nil
        }
    }

    /// The backend greeted; returns whether it had been ejected, and is not any more.
    package mutating func succeeded(_ now: UInt64) -> Bool {
        switch self.phase {
        case .up:
            if self.failures > 0 {
                self = BackendHealth(.up, failures: 0, ejections: self.ejections, time: self.time)
            }
            return false
        case .ejected, .onTrial:
            self = BackendHealth(.up, failures: 0, ejections: self.ejections, time: now)
            return true
        }
    }

    /// Makes the session that asks the one that tries the backend; returns whether it is.
    ///
    /// - Parameter isEarly: the ejection's time need not be over.
    package mutating func beginTrial(_ now: UInt64, _ policy: HealthPolicy, isEarly: Bool = false) -> Bool {
        guard self.isDue(now) || isEarly && self.phase == .ejected else { return false }
        self = BackendHealth(
            .onTrial, failures: self.failures, ejections: self.ejections, time: now + policy.eject.milliseconds)
        return true
    }

    /// The session that tried the backend ended before anything was known: the next one may try it at once.
    package mutating func trialAbandoned() {
        guard self.phase == .onTrial else { return }
        self = BackendHealth(.ejected, failures: self.failures, ejections: self.ejections, time: 0)
    }

    private mutating func eject(
        _ now: UInt64, _ policy: HealthPolicy, _ ejections: Int, _ failures: Int, _ jitter: Double
    ) -> UInt64 {
        let length = policy.length(ofEjection: ejections).milliseconds
        let varied = length + UInt64(Double(length) * 0.2 * min(max(jitter, 0), 1))
        self = BackendHealth(.ejected, failures: failures, ejections: ejections, time: now + varied)
        return varied
    }
}

extension Duration {
    fileprivate var milliseconds: UInt64 {
        let (seconds, attoseconds) = self.components
        return UInt64(max(seconds, 0)) * 1000 + UInt64(max(attoseconds, 0) / 1_000_000_000_000_000)
    }
}
