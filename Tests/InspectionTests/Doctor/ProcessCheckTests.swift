import Inspection
import Testing

@Suite struct ProcessCheckTests {
    private static func facts(_ change: (inout ProcessFacts) -> Void = { _ in }) -> ProcessFacts {
        var facts = ProcessFacts(
            status: .success(ProcessStatus(reading: Array("NoNewPrivs:\t0\nCapBnd:\t0000000000000400\n".utf8))),
            uidMap: .success(IDMap(reading: Array("0 0 4294967295\n".utf8))), unprivilegedPortStart: .success(1024))
        change(&facts)
        return facts
    }

    private func verdicts(
        isNeeded: Bool = true, _ change: (inout ProcessFacts) -> Void = { _ in }
    ) -> [Finding.Verdict] {
        ProcessCheck.findings(Self.facts(change), isNeeded: isNeeded).map(\.verdict)
    }

    @Test("An ordinary process is ok")
    func ordinary() {
        #expect(self.verdicts() == [.ok, .ok, .ok, .ok])
    }

    @Test("no_new_privs and a bounding set without the capability are problems of whom the binder serves")
    func problems() {
        let confined = ProcessStatus(reading: Array("NoNewPrivs:\t1\nCapBnd:\t000001fffffffbff\n".utf8))
        #expect(self.verdicts { $0.status = .success(confined) } == [.problem, .problem, .ok, .ok])
        #expect(self.verdicts(isNeeded: false) { $0.status = .success(confined) } == [.note, .note, .ok, .ok])
        let findings = ProcessCheck.findings(Self.facts { $0.status = .success(confined) }, isNeeded: true)
        #expect(findings.compactMap(\.status) == [77, 77])
    }

    @Test("What is not there or not as expected is a note: cannot tell")
    func unknown() {
        let findings = ProcessCheck.findings(
            Self.facts {
                $0.status = .failure(Unreadable(errno: 13))
                $0.uidMap = .success(nil)
                $0.unprivilegedPortStart = .failure(Unreadable(errno: 2))
            }, isNeeded: true)
        #expect(findings.allSatisfy { $0.verdict == .note && $0.finding.hasPrefix("cannot tell: ") })
        #expect(self.verdicts { $0.status = .success(ProcessStatus(reading: [])) } == [.note, .note, .ok, .ok])
        #expect(self.verdicts { $0.uidMap = .failure(Unreadable(errno: 2)) } == [.ok, .ok, .note, .ok])
    }

    @Test("A user namespace says who its root is")
    func namespace() {
        func finding(_ map: String) -> String {
            ProcessCheck.findings(Self.facts { $0.uidMap = .success(IDMap(reading: Array(map.utf8))) }, isNeeded: true)[
                2
            ]
            .finding
        }
        #expect(finding("0 1000 1\n") == "one of its own; root in here is uid 1000 outside")
        #expect(finding("1000 1000 1\n") == "one of its own; nobody in here is root")
    }

    @Test(
        "Another ip_unprivileged_port_start says what it means",
        arguments: [(0, "anybody"), (25, "anybody"), (2048, "1024 up")])
    func portStart(start: Int, words: String) {
        let finding = ProcessCheck.findings(Self.facts { $0.unprivilegedPortStart = .success(start) }, isNeeded: true)[
            3]
        #expect(finding.verdict == .note)
        #expect(finding.finding.hasPrefix("\(start): ") && finding.finding.contains(words))
    }
}
