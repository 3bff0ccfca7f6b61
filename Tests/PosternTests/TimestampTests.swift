import Foundation
import Testing

@testable import postern

@Suite struct TimestampTests {
    @Test(
        "A time is written in UTC, to the millisecond",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"), (1_709_251_199_001, "2024-02-29T23:59:59.001Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"), (1_795_381_111_002, "2026-11-22T20:58:31.002Z"),
        ])
    func written(milliseconds: Int64, text: String) {
        #expect(Timestamp(milliseconds: milliseconds).description == text)
    }

    @Test("It says what Foundation says, for every day of four centuries")
    func everyDay() {
        let formatter = ISO8601DateFormatter()
        formatter.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
        for day in stride(from: Int64(0), to: 146_097, by: 1) {
            let milliseconds = day * 86_400_000 + (day * 7919) % 86_400_000
            let date = Date(timeIntervalSince1970: Double(milliseconds) / 1000)
            let expected = formatter.string(from: date)
            guard Timestamp(milliseconds: milliseconds).description == expected else {
                Issue.record("\(milliseconds): \(Timestamp(milliseconds: milliseconds)), not \(expected)")
                return
            }
        }
    }

    @Test("Now is now")
    func now() {
        let difference = Timestamp.now.milliseconds - Int64(Date().timeIntervalSince1970 * 1000)
        #expect(abs(difference) < 10_000)
    }
}
