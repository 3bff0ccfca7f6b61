import BrokerCore
import Testing

@Suite struct AdmissionTests {
    /// Admits `count` connections of a uid; each must get a free place. Returns their places.
    @discardableResult
    private func fill(_ admission: inout Admission, _ count: Int, uid: UInt32) throws -> [Int] {
        var places: [Int] = []
        for _ in 0..<count {
            guard case .admit(let index) = admission.decide(for: uid) else {
                Issue.record("uid \(uid) got no place after \(places.count)")
                break
            }
            admission.take(index, uid: uid)
            places.append(index)
        }
        return places
    }

    @Test("Places are numbered from 0 and used again, and a decision changes nothing")
    func places() throws {
        var admission = Admission()
        #expect(admission.decide(for: 1) == .admit(0))
        #expect(admission.decide(for: 1) == .admit(0))
        let places = try self.fill(&admission, 3, uid: 1)
        #expect(places == [0, 1, 2] && admission.count == 3)
        admission.leave(1)
        admission.leave(1)
        admission.leave(200)
        #expect(admission.count == 2 && admission.count(of: 1) == 2)
        #expect(admission.decide(for: 2) == .admit(1))
    }

    @Test("A uid has 64 connections; for one more its own oldest makes room")
    func perUser() throws {
        var admission = Admission()
        try self.fill(&admission, 2, uid: 7)
        let own = try self.fill(&admission, 64, uid: 1000)
        #expect(admission.decide(for: 1000) == .replace(own[0]))
        #expect(admission.decide(for: 1001) == .admit(66))
        // The place is used again, and is then the newest.
        admission.leave(own[0])
        admission.take(own[0], uid: 1000)
        #expect(admission.decide(for: 1000) == .replace(own[1]))
    }

    @Test("A connection that holds or waits for something makes no room, not even for its own uid's")
    func fixed() throws {
        var admission = Admission()
        let own = try self.fill(&admission, 64, uid: 1000)
        for place in own.dropLast() { admission.setFixed(place, true) }
        #expect(admission.decide(for: 1000) == .replace(own[63]))
        admission.setFixed(own[63], true)
        #expect(admission.decide(for: 1000) == .refuse)
        admission.setFixed(own[40], false)
        #expect(admission.decide(for: 1000) == .replace(own[40]))
        admission.leave(own[40])
        #expect(admission.decide(for: 1000) == .admit(own[40]))
        // Who takes a place begins without anything.
        admission.setFixed(own[40], true)
        admission.leave(own[40])
        admission.take(own[40], uid: 1000)
        #expect(admission.decide(for: 1000) == .replace(own[40]))
    }

    @Test("The last 16 places are for uids that have none")
    func reserve() throws {
        var admission = Admission()
        for uid in 0..<3 as Range<UInt32> { try self.fill(&admission, 64, uid: uid) }
        let last = try self.fill(&admission, 48, uid: 3)
        #expect(admission.count == 240)
        #expect(admission.decide(for: 3) == .replace(last[0]))
        for place in last { admission.setFixed(place, true) }
        #expect(admission.decide(for: 3) == .refuse)
        for uid in 100..<116 as Range<UInt32> {
            #expect(admission.decide(for: uid) == .admit(140 + Int(uid)))
            admission.take(140 + Int(uid), uid: uid)
            // (And not a second one.)
            #expect(admission.decide(for: uid) == .replace(140 + Int(uid)))
        }
        #expect(admission.count == 256)
    }

    @Test("Where all 256 places are taken, the oldest idle connection of anybody makes room for a new uid")
    func full() throws {
        var admission = Admission()
        let first = try self.fill(&admission, 40, uid: 1)
        let second = try self.fill(&admission, 60, uid: 2)
        for uid in 1000..<1156 as Range<UInt32> { try self.fill(&admission, 1, uid: uid) }
        #expect(admission.count == 256)
        #expect(admission.decide(for: 3) == .replace(first[0]))
        // Connections that hold something are not idle.
        for place in first { admission.setFixed(place, true) }
        #expect(admission.decide(for: 3) == .replace(second[0]))
        // Who has one already gets room from its own.
        #expect(admission.decide(for: 1005) == .replace(105))
        admission.setFixed(105, true)
        #expect(admission.decide(for: 1005) == .refuse)
        for place in 0..<256 { admission.setFixed(place, true) }
        #expect(admission.decide(for: 3) == .refuse)
        admission.setFixed(255, false)
        #expect(admission.decide(for: 3) == .replace(255))
    }

    @Test("256 uids have one connection each, and a flood of one of them ends none of the others'")
    func flood() throws {
        var admission = Admission()
        for uid in 0..<200 as Range<UInt32> { try self.fill(&admission, 1, uid: uid) }
        var replaced = 0
        for _ in 0..<1000 {
            switch admission.decide(for: 7) {
            case .admit(let index): admission.take(index, uid: 7)
            case .replace(let index):
                replaced += 1
                admission.leave(index)
                admission.take(index, uid: 7)
            case .refuse: Issue.record("refused")
            }
        }
        #expect(admission.count(of: 7) == 41 && replaced == 960)
        for uid in 0..<200 as Range<UInt32> where uid != 7 { #expect(admission.count(of: uid) == 1) }
        for uid in 200..<216 as Range<UInt32> { try self.fill(&admission, 1, uid: uid) }
        #expect(admission.count == 256)
    }
}
