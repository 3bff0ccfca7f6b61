/// The seconds that `work` takes: the median of `rounds`, behind one round that is not counted.
func medianSeconds(rounds: Int, _ work: () -> Void) -> Double {
    work()
    let clock = ContinuousClock()
    let times = (0..<rounds).map { _ in
        let (seconds, attoseconds) = clock.measure(work).components
        return Double(seconds) + Double(attoseconds) * 1e-18
    }
    return times.sorted()[rounds / 2]
}

/// A line of figures.
func report(_ benchmark: String, _ name: String, _ figures: [(String, Double)]) {
    let text = figures.map { "\($0.0)=\(($0.1 * 1000).rounded() / 1000)" }.joined(separator: " ")
    print(benchmark, name, text)
}
