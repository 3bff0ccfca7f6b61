import Relay
import Testing

@Suite struct TransactionIDTests {
    @Test("A name has the time and the count in it")
    func form() {
        #expect(TransactionID(unixTime: 0, count: 0).description == "000000000000")
        #expect(TransactionID(unixTime: 1, count: 1).description == "000000100001")
        #expect(TransactionID(unixTime: 31, count: 32).description == "000000z00010")
        #expect(TransactionID(unixTime: -1, count: .max).description == "0000000zzzzz")
        #expect(TransactionID(unixTime: .max, count: .max).description == "zzzzzzzzzzzz")
    }

    @Test("Names of one process differ, wherever the count begins, and sort by time")
    func unique() {
        let ids = TransactionIDs(start: .max - 500)
        let names = (0..<1000).map { ids.next(unixTime: 1_795_400_342 + $0 / 100).description }
        #expect(Set(names).count == 1000)
        #expect(names.map { $0.prefix(7) } == names.map { $0.prefix(7) }.sorted())
        #expect(names.allSatisfy { $0.utf8.count == 12 })
    }

    @Test("Two processes begin anywhere")
    func start() {
        let starts = Set((0..<100).map { _ in TransactionIDs().next(unixTime: 0).description })
        #expect(starts.count > 90)
    }
}
