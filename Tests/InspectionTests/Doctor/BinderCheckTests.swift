import BrokerCore
import Inspection
import Testing

@Suite struct BinderCheckTests {
    private static let good: [UInt8] = [0, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]

    private static func patient(_ uid: UInt32 = 7, groups: [UInt32] = [50]) -> Patient {
        var identity = Identity(uid: uid, gid: uid)
        for group in groups {
            identity.groups[identity.groupCount] = group
            identity.groupCount += 1
        }
        return Patient(identity, name: "postern", isInBindGroup: groups.contains(50))
    }

    /// A binder as it should be.
    private static func facts(_ change: (inout BinderFacts) -> Void = { _ in }) -> BinderFacts {
        var facts = BinderFacts(
            path: "/b", status: .success(FileStatus(mode: 0o100750, uid: 0, gid: 50)), capability: .success(Self.good),
            isNosuid: false, group: .success(50), isListedInGroup: true)
        change(&facts)
        return facts
    }

    private func findings(
        _ patient: Patient = patient(), isNeeded: Bool = true, _ change: (inout BinderFacts) -> Void = { _ in }
    ) -> [Finding] {
        BinderCheck.findings(Self.facts(change), patient: patient, isNeeded: isNeeded)
    }

    @Test("A binder as it should be is ok thrice")
    func good() {
        #expect(
            self.findings() == [
                .ok(.binder, "/b", "0750 root:postern-bind"), .ok(.binder, "start", "uid 7 (postern) may start it"),
                .ok(.binder, "file capability", "cap_net_bind_service=p"),
            ])
    }

    @Test("What keeps a binder from its work is a problem, and a note for whom it does not matter")
    func problems() {
        let other = FileStatus(mode: 0o100750, uid: 0, gid: 51)
        let cases: [(UInt8, String, Patient, (inout BinderFacts) -> Void)] = [
            (69, "not there", Self.patient(), { $0.status = .failure(Unreadable(errno: 2)) }),
            (69, "no regular file", Self.patient(), { $0.status = .success(.init(mode: 0o040755, uid: 0, gid: 0)) }),
            (78, "others than root", Self.patient(), { $0.status = .success(.init(mode: 0o100750, uid: 1, gid: 50)) }),
            (78, "others than root", Self.patient(), { $0.status = .success(.init(mode: 0o100770, uid: 0, gid: 50)) }),
            (77, "may not start", Self.patient(groups: []), { $0.isListedInGroup = false }),
            (77, "this process is not yet", Self.patient(groups: []), { _ in }),
            (77, "may not start", Self.patient(), { $0.status = .success(other) }),
            (77, "may not start", Self.patient(), { $0.status = .success(.init(mode: 0o100640, uid: 0, gid: 50)) }),
            (77, "none (a copy", Self.patient(), { $0.capability = .success(nil) }),
            (77, "with `e`", Self.patient(), { $0.capability = .success([1] + Self.good.dropFirst()) }),
            (
                77, "without cap_net", Self.patient(),
                { $0.capability = .success([0, 0, 0, 2] + .init(repeating: 0, count: 16)) }
            ),
            (77, "more than it needs", Self.patient(), { $0.capability = .success(Self.good.dropLast() + [1]) }),
            (
                77, "more than it needs", Self.patient(),
                { $0.capability = .success([0, 0, 0, 2, 1] + Self.good.dropFirst(5)) }
            ),
            (77, "another user namespace", Self.patient(), { $0.capability = .failure(Unreadable(errno: 75)) }),
            (
                77, "root is uid 100000", Self.patient(),
                { $0.capability = .success([0, 0, 0, 3] + Self.good.dropFirst(4) + [0xA0, 0x86, 1, 0]) }
            ),
            (77, "not an attribute", Self.patient(), { $0.capability = .success([1, 2, 3]) }),
            (77, "mounted nosuid", Self.patient(), { $0.isNosuid = true }),
        ]
        for (status, words, patient, change) in cases {
            let problems = self.findings(patient, change).filter { $0.verdict == .problem }
            #expect(problems.map(\.status) == [status], "\(words)")
            #expect(problems.first?.finding.contains(words) == true, "\(words): \(problems)")
            #expect(problems.first?.advice?.isEmpty == false)
            let notes = self.findings(patient, isNeeded: false, change)
            #expect(!notes.contains { $0.verdict == .problem })
            #expect(notes.contains { $0.verdict == .note && $0.finding.contains(words) })
        }
    }

    @Test("Another mode or group that harms nobody is a note; what cannot be read is one, too")
    func notes() {
        let open = self.findings { $0.status = .success(FileStatus(mode: 0o100755, uid: 0, gid: 0)) }
        #expect(open.map(\.verdict) == [.note, .ok, .ok])
        #expect(open[0].finding == "0755, uid 0, gid 0, not 0750 root:postern-bind")
        let blind = self.findings {
            $0.capability = .failure(Unreadable(errno: 95))
            $0.group = .failure(Unreadable(errno: 13))
        }
        #expect(blind.map(\.verdict) == [.note, .ok, .note])
        #expect(blind[2].finding.hasPrefix("cannot tell: "))
        #expect(self.findings { $0.status = .failure(Unreadable(errno: 13)) }.map(\.verdict) == [.note])
    }

    @Test("The owner's bit counts for the owner, any for root")
    func bits() {
        let owner = FileStatus(mode: 0o100617, uid: 7, gid: 50)
        #expect(self.findings { $0.status = .success(owner) }[1].verdict == .problem)
        #expect(self.findings(Self.patient(0)) { $0.status = .success(owner) }[1].verdict == .ok)
    }
}
