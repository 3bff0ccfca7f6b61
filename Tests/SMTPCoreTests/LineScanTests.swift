import Testing

@testable import SMTPCore

@Suite struct LineScanTests {
    @Test("Many octets at once are what one by one are", arguments: 0..<8)
    func regularRun(seed: UInt64) {
        var generator = SplitMix(state: seed)
        let special: [UInt8] = [0x0D, 0x0A, 0x2E, 0x00, 0x0B, 0x80, 0xFF, 0x0C, 0x2F]
        for length in 0..<260 {
            var octets = [UInt8](repeating: 0x61, count: length)
            for _ in 0..<generator.next() % 4 where length > 0 {
                octets[Int(generator.next() % UInt64(length))] = special[Int(generator.next() % 9)]
            }
            for place in octets.indices.dropLast() where generator.next() % 40 == 0 {
                (octets[place], octets[place + 1]) = (0x0D, 0x0A)
            }
            let start = length == 0 ? 0 : Int(generator.next() % UInt64(length))
            var end = start
            while end + 1 < length, LineScan.isRegular(octets[end], octets[end + 1]) { end += 1 }
            #expect(LineScan.regularRun(octets.span, from: start) == end)
            #expect(LineScan.firstLineFeed(in: octets.span, from: start) == octets[start...].firstIndex(of: 0x0A))
            #expect(LineScan.lastLineFeed(in: octets.span, start..<length) == octets[start...].lastIndex(of: 0x0A))
        }
    }

    @Test("Every pair of octets, at every place of a vector")
    func pairs() {
        var failures = 0
        for first in UInt8.min...UInt8.max {
            for second in [0x00, 0x09, 0x0A, 0x0B, 0x0D, 0x2E, 0x2F, 0x61, 0x8A, 0x8D, 0xAE] as [UInt8] {
                var octets = [UInt8](repeating: 0x61, count: 100)
                let place = 20 + Int(first) % 64
                (octets[place], octets[place + 1]) = (first, second)
                var end = 0
                while end < 99, LineScan.isRegular(octets[end], octets[end + 1]) { end += 1 }
                if LineScan.regularRun(octets.span, from: 0) != end { failures += 1 }
            }
        }
        #expect(failures == 0)
    }
}
