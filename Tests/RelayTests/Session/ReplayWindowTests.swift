import NIOCore
import Relay
import Testing

private func octets(_ count: Int, in capacity: Int? = nil, _ octet: UInt8 = 0x78) -> ByteBuffer {
    var buffer = ByteBufferAllocator().buffer(capacity: capacity ?? count)
    buffer.writeRepeatingByte(octet, count: count)
    return buffer
}

private func content(_ window: ReplayWindow) -> [UInt8] {
    var result: [UInt8] = []
    window.forEach { result += Array($0.readableBytesView) }
    return result
}

@Suite struct ReplayWindowTests {
    @Test("What was appended comes out in order, whatever it came in")
    func order() {
        var window = ReplayWindow(ReplayBudget())
        window.open(limit: 64 << 10, total: 1 << 20)
        var expected: [UInt8] = []
        for number in 0..<60 {
            let buffer = octets(100 + number, in: number.isMultiple(of: 3) ? 128 : 4096, UInt8(number))
            expected += Array(buffer.readableBytesView)
            window.append(buffer)
        }
        #expect(window.isOpen)
        #expect(content(window) == expected)
        #expect(window.count == expected.count)
    }

    @Test("Beyond the limit nothing is kept, and what was is given back")
    func overflow() {
        let budget = ReplayBudget()
        var window = ReplayWindow(budget)
        window.open(limit: 1000, total: 1 << 20)
        window.append(octets(1000))
        #expect(window.isOpen && budget.octets == ReplayWindow.step)
        window.append(octets(1))
        #expect(!window.isOpen && budget.octets == 0 && window.memory == 0)
        window.append(octets(1))
        #expect(content(window) == [])
    }

    @Test("Octets that are not sent yet are kept beyond the limit, until they are")
    func held() {
        let budget = ReplayBudget()
        var window = ReplayWindow(budget)
        window.open(limit: 1000, total: 0)
        window.append(octets(10_000), isHeld: true)
        #expect(window.isOpen && window.count == 10_000)
        window.sent()
        #expect(!window.isOpen && budget.octets == 0)
    }

    @Test("A window of 0 is none")
    func off() {
        var window = ReplayWindow(ReplayBudget())
        window.open(limit: 0, total: 1 << 20)
        window.append(octets(1))
        #expect(!window.isOpen && content(window) == [])
    }

    @Test("A few octets do not hold the memory of a read", arguments: [1, 10, 100, 1000, 1448])
    func memory(size: Int) {
        let budget = ReplayBudget()
        var window = ReplayWindow(budget)
        window.open(limit: 64 << 10, total: 1 << 30)
        while window.isOpen, window.count + size <= 64 << 10 { window.append(octets(size, in: 64 << 10)) }
        #expect(window.count > 62 << 10)
        // Twice, as an array that grows has it.
        #expect(window.memory <= 2 * (64 << 10) + 4096, "\(window.memory)")
        #expect(budget.octets >= window.memory && budget.octets < window.memory + ReplayWindow.step)
    }

    @Test("All windows together hold no more than the budget")
    func budget() {
        let budget = ReplayBudget()
        let total = 1 << 20
        var windows = (0..<100).map { _ in ReplayWindow(budget) }
        for index in windows.indices {
            windows[index].open(limit: 64 << 10, total: total)
            for _ in 0..<16 { windows[index].append(octets(4000, in: 4096)) }
        }
        #expect(budget.octets <= total)
        let open = windows.count { $0.isOpen }
        #expect(open > 10 && open < 16, "\(open)")
        let isWhole = windows.filter { $0.isOpen }.allSatisfy { $0.count == 64_000 }
        #expect(isWhole)
        for index in windows.indices { windows[index].close() }
        #expect(budget.octets == 0)
    }
}
