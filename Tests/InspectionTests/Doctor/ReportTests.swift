import Foundation
import Inspection
import Testing

@Suite struct ReportTests {
    private static let report = Report([
        .ok(.policy, "p", "valid"), .problem(.ports, "smtp", "taken by x", "stop it", status: 69),
        .note(.ports, "n", "known"), .problem(.binder, "b", "none", "setcap", status: 77),
    ])

    @Test("A line a finding, under its group's heading, in the groups' order")
    func text() {
        #expect(
            Self.report.text == """
                policy
                  ok       p: valid

                binder
                  problem  b: none; setcap

                ports
                  problem  smtp: taken by x; stop it
                  note     n: known

                """)
        #expect(Report([]).text.isEmpty)
    }

    @Test("The status is that of the worst problem, 78 before 77 before 69, and 0 without one")
    func status() {
        #expect(Self.report.status == 77)
        #expect(Report([.note(.kernel, "a", "b")]).status == 0)
        #expect(Report(Self.report.findings + [.problem(.policy, "p", "f", "a", status: 78)]).status == 78)
    }

    @Test("As JSON a finding has its five words, and a problem its status as a number")
    func json() throws {
        let data = try JSONEncoder().encode(Self.report.findings)
        let array = try #require(try JSONSerialization.jsonObject(with: data) as? [[String: Any]])
        #expect(array.count == 4)
        #expect(array[0] as NSDictionary == ["group": "policy", "verdict": "ok", "what": "p", "finding": "valid"])
        #expect(
            array[1] as NSDictionary == [
                "group": "ports", "verdict": "problem", "what": "smtp", "finding": "taken by x", "advice": "stop it",
                "status": 69,
            ])
    }
}
