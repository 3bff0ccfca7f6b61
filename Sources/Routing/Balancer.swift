/// The state of choosing among a group's backends: a value, without a clock and without I/O.
///
/// What the backends are good for is asked anew each time; who asks counts their sessions, since several event loops with
/// a state of their own each share the backends.
///
/// ```text
/// next { … } -> .backend(2)    connect to backends[2]
/// next { … } -> .full          every one that could be asked has as many sessions as it may
/// next { … } -> .none          there is none to be asked
/// ```
package struct Balancer: Sendable {
    /// What a backend is good for now.
    package enum Standing: Equatable, Sendable {
        /// It takes a session; `load` is how many it has.
        case usable(load: Int)
        /// It would take one, had it fewer.
        case full
        /// It is not to be asked: it is ejected, drained, or has failed this very session.
        case unusable
    }

    /// Which backend to try.
    package enum Choice: Equatable, Sendable {
        /// The one with this index.
        case backend(Int)
        /// None before a session ends.
        case full
        /// None.
        case none
    }

    private let balance: Balance
    private let weights: [Int]
    private let isBackup: [Bool]
    private let hasBackups: Bool
    /// Smooth weighted round-robin: what each backend has saved up. The sum is always 0.
    private var credits: [Int]
    /// Room for the loads of the usable backends, negative for the others: made once, not for each choice.
    private var loads: [Int]

    /// Makes the state of a group's backends, in their order.
    ///
    /// - Parameter turn: how many turns are over. Event loops that begin at different ones do not all begin with the
    ///   first backend.
    package init(_ backends: [Backend], balance: Balance, turn: Int = 0) {
        self.balance = balance
        self.weights = backends.map(\.weight)
        self.isBackup = backends.map(\.isBackup)
        self.hasBackups = self.isBackup.contains(true)
        self.credits = [Int](repeating: 0, count: backends.count)
        self.loads = self.credits
        for _ in 0..<turn { _ = self.next { _ in .usable(load: 0) } }
    }

    /// Makes the state of a group.
    package init(_ group: BackendGroup) {
        self.init(group.backends, balance: group.balance)
    }

    /// The backend to try now. A backup is one only while no other backend is usable or full.
    ///
    /// - Parameter standing: what the backend with an index is good for; asked once for each that matters.
    package mutating func next(_ standing: (Int) -> Standing) -> Choice {
        let choice = self.next(amongBackups: false, standing)
        return choice == .none && self.hasBackups ? self.next(amongBackups: true, standing) : choice
    }
}

extension Balancer {
    /// The load of one that is not a candidate.
    private static let none = -1

    private mutating func next(amongBackups: Bool, _ standing: (Int) -> Standing) -> Choice {
        var count = 0
        var isFull = false
        for index in self.weights.indices {
            self.loads[index] = Self.none
            guard self.isBackup[index] == amongBackups else { continue }
            switch standing(index) {
            case .usable(let load):
                // The others are its stand-ins: nobody asks for them.
                if self.balance == .first { return .backend(index) }
                self.loads[index] = max(load, 0)
                count += 1
            case .full: isFull = true
            case .unusable: break
            }
        }
        guard count > 0 else { return isFull ? .full : .none }
        if self.balance == .leastConnections { self.keepLeastLoaded() }
        return .backend(self.nextInTurn())
    }

    /// Each candidate earns its weight, the richest is chosen and pays what all earned together: over one round every
    /// backend has its share, and a heavy one is not asked several times in a row.
    private mutating func nextInTurn() -> Int {
        var richest = 0
        var credit = Int.min
        var total = 0
        for index in self.weights.indices where self.loads[index] >= 0 {
            total += self.weights[index]
            self.credits[index] += self.weights[index]
            if self.credits[index] > credit { (richest, credit) = (index, self.credits[index]) }
        }
        self.credits[richest] -= total
        return richest
    }

    /// The candidates with the smallest load take turns, or an idle group would send everything to its first backend.
    private mutating func keepLeastLoaded() {
        var best: Int?
        for index in self.weights.indices where self.loads[index] >= 0 {
            if best.map({ self.isLighter(index, $0) }) ?? true { best = index }
        }
        guard let best else { return }
        let (load, weight) = (self.loads[best], self.weights[best])
        for index in self.weights.indices where self.loads[index] * weight > load * self.weights[index] {
            self.loads[index] = Self.none
        }
    }

    /// Compares sessions per weight, multiplied out.
    private func isLighter(_ left: Int, _ right: Int) -> Bool {
        self.loads[left] * self.weights[right] < self.loads[right] * self.weights[left]
    }
}
