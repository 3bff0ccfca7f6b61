/// How long to wait before each attempt of a series: 100 ms, then twice as long each time, 10 s at most.
struct Backoff: Sendable {
    private var following = Duration.milliseconds(100)

    /// The wait before the next attempt.
    mutating func next() -> Duration {
        defer { self.following = min(self.following * 2, .seconds(10)) }
        return self.following
    }
}
