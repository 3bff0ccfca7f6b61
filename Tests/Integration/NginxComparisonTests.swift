import Foundation
import Testing

/// The same conversations with nginx's mail proxy and with the relay: Compare/compare.py.
@Suite("NginxComparisonTests", .enabled(if: MailTrial.isHere, MailTrial.reason))
struct NginxComparisonTests {
    @Test("Where nginx and the relay differ, docs/nginx.md says so")
    func differencesAreDocumented() throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Compare/compare.py")
        // (The shell stays, as process 1 of the namespace: its end is everybody's.)
        let program = try RunningProgram([
            "unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation",
            "private",
            "--", "sh", "-c", "ip link set lo up; \"$@\"; exit $?", "sh", "/usr/bin/python3", "-B", file.path,
        ])
        let status = try program.exitStatus(within: .seconds(580))
        let lines = program.text.split(separator: "\n")
        let summary = lines.last(where: { $0.hasPrefix("conversations: ") })
        #expect(status == 0 && summary != nil, "compare.py: status \(status)\n\(program.text)")
        print("    \(summary ?? "no summary")")
        // What shows that there was something to compare.
        let words = summary?.split(whereSeparator: { $0 == " " || $0 == "," }) ?? []
        let count = words.dropFirst().first.flatMap { Int($0) } ?? 0
        #expect(count >= 120)
    }
}
