/// The state of choosing among a group's backends: a value, without a clock and without I/O.
///
/// ```text
/// next() -> 2            connect to backends[2] …
/// started(2)             … it answered: a session runs
/// next(excluding: [2])   … it did not: another one for the same session
/// ended(2)               the session is over
/// ```
package struct Balancer: Sendable {
    private let balance: Balance
    private let weights: [Int]
    /// Smooth weighted round-robin: what each backend has saved up. The sum is always 0.
    private var credits: [Int]
    private var active: [Int]

    /// Makes the state of a group in which nothing runs.
    package init(_ group: BackendGroup) {
        self.balance = group.balance
        self.weights = group.backends.map(\.weight)
        self.credits = [Int](repeating: 0, count: group.backends.count)
        self.active = self.credits
    }

    /// The sessions that run at `backend`.
    package func active(_ backend: Int) -> Int { self.active[backend] }

    /// The index of the backend to try now; nil when every one is in `tried`.
    ///
    /// `tried` holds the indices that failed for the same session.
    package mutating func next(excluding tried: [Int] = []) -> Int? {
        switch self.balance {
        case .first: self.weights.indices.first { !tried.contains($0) }
        case .roundRobin: self.nextInTurn { !tried.contains($0) }
        case .leastConnections: self.leastUsed(excluding: tried)
        }
    }

    /// Counts a session at `backend`.
    package mutating func started(_ backend: Int) {
        self.active[backend] += 1
    }

    /// Uncounts a session that was counted with ``started(_:)``.
    package mutating func ended(_ backend: Int) {
        precondition(self.active[backend] > 0, "a session ended that had not started")
        self.active[backend] -= 1
    }
}

extension Balancer {
    /// Each candidate earns its weight, the richest is chosen and pays what all earned together: over one round every
    /// backend has its share, and a heavy one is not asked several times in a row.
    private mutating func nextInTurn(among isCandidate: (Int) -> Bool) -> Int? {
        var richest: Int?
        var total = 0
        for index in self.weights.indices where isCandidate(index) {
            total += self.weights[index]
            self.credits[index] += self.weights[index]
            if richest.map({ self.credits[index] > self.credits[$0] }) ?? true { richest = index }
        }
        if let richest { self.credits[richest] -= total }
        return richest
    }

    /// The candidates with the smallest load take turns, or an idle group would send everything to its first backend.
    private mutating func leastUsed(excluding tried: [Int]) -> Int? {
        var best: Int?
        for index in self.weights.indices where !tried.contains(index) {
            guard let rival = best else {
                best = index
                continue
            }
            if self.isLighter(index, rival) { best = index }
        }
        guard let best else { return nil }
        let (active, weights) = (self.active, self.weights)
        return self.nextInTurn { index in
            !tried.contains(index) && active[index] * weights[best] == active[best] * weights[index]
        }
    }

    /// Compares sessions per weight, multiplied out.
    private func isLighter(_ left: Int, _ right: Int) -> Bool {
        self.active[left] * self.weights[right] < self.active[right] * self.weights[left]
    }
}
