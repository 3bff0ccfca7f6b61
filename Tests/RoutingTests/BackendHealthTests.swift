import Routing
import Testing

/// A backend's health with a clock that the test sets, in seconds.
private final class Trial {
    var health = BackendHealth()
    var policy = HealthPolicy()
    var now: UInt64 = 1000

    private var milliseconds: UInt64 { self.now * 1000 }
    var isDue: Bool { self.health.isDue(self.milliseconds) }

    /// Seconds of ejection; nil where there is none.
    func fail(_ role: BackendHealth.Role = .ordinary, jitter: Double = 0) -> UInt64? {
        self.health.failed(self.milliseconds, self.policy, role, jitter: jitter).map { $0 / 1000 }
    }

    func succeed() -> Bool { self.health.succeeded(self.milliseconds) }

    func tryIt(early: Bool = false) -> Bool {
        self.health.beginTrial(self.milliseconds, self.policy, isEarly: early)
    }

    func eject() {
        while self.health.phase == .up { _ = self.fail() }
    }
}

@Suite struct BackendHealthTests {
    @Test("The third failure in a row ejects, for as long as the policy says")
    func ejection() {
        let trial = Trial()
        #expect(trial.fail() == nil)
        #expect(trial.fail() == nil)
        #expect(trial.health.failures == 2 && trial.health.phase == .up)
        #expect(trial.fail() == 10)
        #expect(trial.health.phase == .ejected && trial.health.failures == 3 && trial.health.ejections == 1)
        #expect(!trial.isDue)
        trial.now += 9
        #expect(!trial.isDue)
        trial.now += 1
        #expect(trial.isDue)
    }

    @Test("A success between failures begins the count anew")
    func inARow() {
        let trial = Trial()
        for _ in 0..<10 {
            #expect(trial.fail() == nil)
            #expect(trial.fail() == nil)
            #expect(!trial.succeed())
        }
        #expect(trial.health == BackendHealth())
    }

    @Test("Where the policy has 0 failures, no number of them ejects")
    func never() {
        let trial = Trial()
        trial.policy.failures = 0
        for _ in 0..<10000 { #expect(trial.fail() == nil) }
        #expect(trial.health.phase == .up)
        #expect(trial.health.failures == 4095, "the count has an end, and stays there")
    }

    @Test("After its time one session tries it; the others go on without it")
    func halfOpen() {
        let trial = Trial()
        trial.eject()
        let isTriedAtOnce = trial.tryIt()
        #expect(!isTriedAtOnce)
        trial.now += 10
        let isTried = trial.tryIt()
        let isTriedTwice = trial.tryIt()
        #expect(isTried && !isTriedTwice)
        #expect(!trial.isDue && trial.health.phase == .onTrial)
        let isBack = trial.succeed()
        #expect(isBack && trial.health.phase == .up && trial.health.failures == 0)
    }

    @Test("Each trial that fails doubles the time, up to the longest")
    func backOff() {
        let trial = Trial()
        trial.eject()
        var lengths: [UInt64] = []
        for _ in 0..<7 {
            trial.now += 300
            let isTried = trial.tryIt()
            #expect(isTried)
            lengths.append(trial.fail(.trial) ?? 0)
        }
        #expect(lengths == [20, 40, 80, 160, 300, 300, 300])
    }

    @Test("A backend that dies again soon after it came back is out for twice as long")
    func relapse() {
        let trial = Trial()
        trial.eject()
        trial.now += 10
        _ = trial.tryIt()
        _ = trial.succeed()
        trial.now += 9
        trial.eject()
        #expect(trial.health.ejections == 2)
        #expect(trial.health.time == (trial.now + 20) * 1000)
    }

    @Test("One that was up for as long as it was out begins anew")
    func forgiven() {
        let trial = Trial()
        trial.eject()
        trial.now += 10
        _ = trial.tryIt()
        _ = trial.succeed()
        trial.now += 10
        trial.eject()
        #expect(trial.health.ejections == 1)
        #expect(trial.health.time == (trial.now + 10) * 1000)
    }

    @Test("What sessions from before an ejection say of failures is no news; a success is")
    func stragglers() {
        let trial = Trial()
        trial.eject()
        let ejected = trial.health
        #expect(trial.fail() == nil)
        #expect(trial.health == ejected)
        trial.now += 10
        _ = trial.tryIt()
        #expect(trial.fail() == nil, "it is not the trial that failed")
        #expect(trial.health.phase == .onTrial)
        let isBack = trial.succeed()
        #expect(isBack && trial.health.phase == .up)
    }

    @Test("A trial that ends without a result leaves the backend to the next one")
    func abandoned() {
        let trial = Trial()
        trial.eject()
        trial.now += 10
        _ = trial.tryIt()
        trial.health.trialAbandoned()
        #expect(trial.isDue)
        let isTried = trial.tryIt()
        #expect(isTried)
        _ = trial.succeed()
        trial.health.trialAbandoned()
        #expect(trial.health.phase == .up, "there is no trial to abandon")
    }

    @Test("A trial before its time that fails begins the time anew, and does not lengthen it")
    func early() {
        let trial = Trial()
        trial.eject()
        for _ in 0..<20 {
            trial.now += 5
            let isTried = trial.tryIt(early: true)
            #expect(isTried)
            #expect(trial.fail(.earlyTrial) == nil, "no news for the log")
            #expect(trial.health.phase == .ejected && trial.health.ejections == 1)
            #expect(trial.health.time == (trial.now + 10) * 1000)
        }
        _ = trial.tryIt(early: true)
        let isBack = trial.succeed()
        #expect(isBack)
    }

    @Test("A trial that says nothing does not keep others from another one for ever")
    func silentTrial() {
        let trial = Trial()
        trial.eject()
        trial.now += 10
        _ = trial.tryIt()
        trial.now += 9
        #expect(!trial.isDue)
        trial.now += 1
        #expect(trial.isDue)
        let isTried = trial.tryIt()
        #expect(isTried && !trial.isDue)
        #expect(trial.fail(.trial) == 20)
    }

    @Test("The time varies by a fifth at most")
    func jitter() {
        for (jitter, length) in [(0, 10), (0.5, 11), (1, 12), (7, 12)] as [(Double, UInt64)] {
            let trial = Trial()
            trial.policy.failures = 1
            #expect(trial.fail(jitter: jitter) == length)
        }
    }

    @Test("A value survives its word", arguments: [0, 1, 3, 5])
    func word(_ failures: Int) {
        let trial = Trial()
        for _ in 0..<failures { _ = trial.fail() }
        #expect(BackendHealth(rawValue: trial.health.rawValue) == trial.health)
    }
}
