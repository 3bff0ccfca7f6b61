import BrokerCore
import Inspection
import Testing

@Suite struct PolicyCheckTests {
    private static let policy = """
        smtp tcp *:25 bind=postern get=postern
        http tcp *:80 get=@web
        http tcp *:8080 get=@web,postern
        dns udp 127.0.0.1:53 store=postern list=postern

        """
    private static let postern = Patient(Identity(uid: 7, gid: 7), name: "postern", isInBindGroup: true)
    private static let root = Patient(Identity(uid: 0, gid: 0), name: "root", isInBindGroup: false)
    private static let stranger = Patient(Identity(uid: 9, gid: 9), name: nil, isInBindGroup: false)

    /// `postern` is uid 7, nobody is in the group `web`.
    private func check(_ text: String = policy, _ names: [String] = [], _ patient: Patient = postern) -> PolicyCheck {
        let bytes = Array(text.utf8)
        return PolicyCheck(.text(bytes), names: names, patient: patient) { subject in
            if case .user(let name) = subject, bytes.span.holds("postern", at: name) { 7 } else { nil }
        }
    }

    @Test("Without names, all that the user may have are named and concern it; what others have does not")
    func all() {
        let check = self.check()
        #expect(check.concerned.map(\.name) == ["smtp", "dns"])
        #expect(
            check.findings == [
                .ok(.policy, "/etc/postern/sockets.conf", "valid, root's; 3 names, 4 lines"),
                .ok(.policy, "smtp", "uid 7 (postern) may bind, get it: tcp *:25"),
                .ok(.policy, "dns", "uid 7 (postern) may store it: udp 127.0.0.1:53"),
            ])
        #expect(check.needsBinder && !check.needsBroker)
    }

    @Test("A right counts if every line of the name gives it")
    func everyLine() {
        let check = self.check(Self.policy, ["http"])
        #expect(check.findings.map(\.status) == [nil, 77])
        #expect(check.findings[1].finding == "uid 7 (postern) may neither bind nor get it")
        let both = self.check("a tcp *:1 get=postern\na tcp *:2 get=postern\n", ["a"])
        #expect(both.findings.map(\.verdict) == [.ok, .ok])
        #expect(both.needsBroker && !both.needsBinder)
    }

    @Test("A name that is not there is 78, and the others are judged all the same")
    func noSuchName() {
        let check = self.check(Self.policy, ["none", "smtp"])
        #expect(check.findings.map(\.status) == [nil, 78, nil])
        #expect(check.concerned.map(\.name) == ["smtp"])
    }

    @Test("Whom the policy gives nothing is told so")
    func nothing() {
        let check = self.check(Self.policy, [], Self.stranger)
        #expect(check.findings.map(\.status) == [nil, 77])
        #expect(check.findings[1].finding == "uid 9 may have no name at all")
        #expect(check.concerned.isEmpty)
    }

    @Test("Root has no right by itself, and that is no problem of root's")
    func rootsOwn() {
        for names in [[], ["smtp", "http", "dns"]] {
            let check = self.check(Self.policy, names, Self.root)
            #expect(check.findings.map(\.verdict) == [.ok, .note, .note, .note])
            #expect(check.concerned.count == 3)
            #expect(check.needsBinder)
        }
    }

    @Test("A line that is wrong makes all of it invalid: line, column and word are said")
    func invalid() {
        let check = self.check("smtp tcp *:25\nhttp tpc *:80\n", ["smtp"])
        #expect(check.findings.map(\.status) == [78])
        #expect(check.findings[0].what == "/etc/postern/sockets.conf:2:6: \"tpc\": a socket is tcp or udp")
        #expect(!check.isKnown && check.concerned.isEmpty && check.needsBinder)
    }

    @Test(
        "A policy that is not to be trusted is 78; one that the user may not read is a note, unless the binder is its own"
    )
    func unreadable() {
        func check(_ isDenied: Bool, _ patient: Patient) -> Finding? {
            PolicyCheck(
                .unreadable(place: "/etc/postern", cause: "why", isDenied: isDenied), names: [], patient: patient
            ) { _ in nil }.findings.first
        }
        #expect(check(false, Self.stranger)?.status == 78)
        #expect(check(true, Self.stranger) == .unknown(.policy, "/etc/postern", "why"))
        #expect(check(true, Self.postern)?.status == 78)
    }

    @Test("Accounts that cannot be read are 78")
    func accounts() {
        let bytes = Array("a tcp *:1 bind=bob\n".utf8)
        let check = PolicyCheck(.text(bytes), names: [], patient: Self.postern) { _ throws(PolicyCheck.LookupFailure) in
            throw .init("not owned by root: chown root")
        }
        #expect(check.findings.map(\.status) == [78])
        #expect(check.findings[0].finding == "not owned by root: chown root")
    }
}
