/// Everything that was found: the document of `postern doctor --json` is the findings.
package struct Report: Equatable, Sendable {
    /// In the order of the groups.
    package var findings: [Finding]

    /// Makes a report.
    package init(_ findings: [Finding]) { self.findings = findings }

    /// 0 without a problem; else the highest status of a problem: 78 before 77 before 69.
    package var status: UInt8 { self.findings.compactMap(\.status).max() ?? 0 }

    /// A line a finding, under a heading a group.
    package var text: String {
        Finding.Group.allCases.compactMap { group in
            let lines = self.findings.filter { $0.group == group }.map { "  \($0.line)\n" }
            return lines.isEmpty ? nil : "\(group.rawValue)\n" + lines.joined()
        }.joined(separator: "\n")
    }
}
