import Routing
import Testing

@Suite struct ProbeCountTests {
    private var policy: ProbePolicy {
        var policy = ProbePolicy()
        (policy.rise, policy.fall) = (2, 3)
        return policy
    }

    @Test("One that is up goes out at the last failure of fall in a row, one that is out comes back at that of rise")
    func inARow() {
        var count = ProbeCount()
        var isUp = true
        var states: [Bool] = []
        for isSuccess in [false, false, true, false, false, false, false, true, false, true, true, true] {
            if count.take(isSuccess, isUp: isUp, self.policy) { isUp.toggle() }
            states.append(isUp)
        }
        #expect(states == [true, true, true, true, true, false, false, false, false, false, true, true])
        #expect(count.contrary == 0)
    }

    @Test("An ejection by sessions waits for probes, and is over at once where there are none any more")
    func ejections() {
        var policy = HealthPolicy()
        policy.failures = 1
        policy.probe = self.policy
        var health = BackendHealth()
        let length = health.failed(1000, policy, .ordinary, jitter: 0)
        #expect(length != nil)
        let isTried = health.beginTrial(1 << 39, policy, isEarly: true)
        #expect(!isTried)
        #expect(health.waitsForProbes && !health.isDue(1 << 39))
        var ended = health
        ended.probesEnded()
        #expect(ended.phase == .ejected && ended.isDue(0))
        let isBack = health.succeeded(2000)
        #expect(isBack && health.phase == .up)
        let isOut = health.probesFailed()
        #expect(isOut && health.waitsForProbes)
        let isOutAgain = health.probesFailed()
        #expect(!isOutAgain, "it is out already")
        var up = BackendHealth()
        up.probesEnded()
        #expect(up == BackendHealth())
    }

    @Test(
        "A probe's addresses are mailboxes alone",
        arguments: [
            ("postmaster@example.org", true), ("<a@b.example>", true), ("postmaster", true), ("nobody", false),
            ("a@b SIZE=1", false), ("a@b\r\nDATA", false), ("", false), ("<>", false), ("é@b.example", false),
        ])
    func recipients(_ text: String, _ isOne: Bool) {
        #expect((ProbePolicy.forwardPath(text) != nil) == isOne)
        #expect(
            (ProbePolicy.reversePath(text) != nil) == (isOne && text != "postmaster" || text == "<>" || text.isEmpty))
    }
}
