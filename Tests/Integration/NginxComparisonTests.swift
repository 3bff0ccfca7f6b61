import Foundation
import Testing

/// The same conversations with nginx's mail proxy and with the relay: Compare/compare.py.
@Suite("NginxComparisonTests", .works, .enabled(if: MailTrial.isHere, MailTrial.reason))
struct NginxComparisonTests {
    @Test("Where nginx and the relay differ, docs/nginx.md says so")
    func differencesAreDocumented() async throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Compare/compare.py")
        let (status, text) = try await MailTrial.outcome([file.path], within: .seconds(580))
        let lines = text.split(separator: "\n")
        let summary = lines.last(where: { $0.hasPrefix("conversations: ") })
        #expect(status == 0 && summary != nil, "compare.py: status \(status)\n\(text)")
        print("    \(summary ?? "no summary")")
        // What shows that there was something to compare.
        let words = summary?.split(whereSeparator: { $0 == " " || $0 == "," }) ?? []
        let count = words.dropFirst().first.flatMap { Int($0) } ?? 0
        #expect(count >= 120)
    }
}
