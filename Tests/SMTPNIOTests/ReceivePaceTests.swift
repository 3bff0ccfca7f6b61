import NIOCore
import SMTPNIO
import Testing

@Suite struct ReceivePaceTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    @Test("Silence ends it after a block's time")
    func silence() {
        let pace = ReceivePace(block: .seconds(180), octetsPerSecond: 100, now: self.start)
        #expect(pace.deadline == self.start + .seconds(180))
    }

    @Test("Octets at the lowest rate keep it going for ever")
    func lowestRate() {
        var pace = ReceivePace(block: .seconds(180), octetsPerSecond: 100, now: self.start)
        for second in 1...10_000 {
            let now = self.start + .seconds(Int64(second))
            #expect(pace.deadline > now)
            pace.received(100, now: now)
        }
    }

    @Test("A drip ends it soon after a block's time, though it is never silent", arguments: [1, 10, 50])
    func drip(octets: Int) {
        var pace = ReceivePace(block: .seconds(180), octetsPerSecond: 100, now: self.start)
        var second: Int64 = 0
        while self.start + .seconds(second) < pace.deadline, second < 10_000 {
            second += 1
            pace.received(octets, now: self.start + .seconds(second))
        }
        // The drip's share of the rate is what it may last longer: a geometric series.
        #expect(second >= 180 && second <= 180 * 100 / Int64(100 - octets) + 1)
    }

    @Test("Time is not saved up beyond a block's")
    func bound() {
        var pace = ReceivePace(block: .seconds(180), octetsPerSecond: 100, now: self.start)
        pace.received(.max, now: self.start)
        #expect(pace.deadline == self.start + .seconds(180))
    }

    @Test("Without a rate any octet begins the block's time anew")
    func noRate() {
        var pace = ReceivePace(block: .seconds(180), octetsPerSecond: 0, now: self.start)
        pace.received(1, now: self.start + .seconds(179))
        #expect(pace.deadline == self.start + .seconds(359))
    }

    @Test("The time in which nothing was read does not count")
    func waited() {
        var pace = ReceivePace(block: .seconds(180), octetsPerSecond: 100, now: self.start)
        pace.waited(.seconds(60))
        #expect(pace.deadline == self.start + .seconds(240))
    }
}
