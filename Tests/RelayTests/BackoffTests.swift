import Testing

@testable import Relay

@Suite struct BackoffTests {
    @Test("The first attempt comes after 100 ms, each other after twice the wait, and none after more than 10 s")
    func waits() {
        var backoff = Backoff()
        let waits = (0..<9).map { _ in backoff.next() / .milliseconds(1) }
        #expect(waits == [100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000])
    }
}
