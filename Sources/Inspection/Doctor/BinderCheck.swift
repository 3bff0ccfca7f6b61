internal import BrokerCore

/// What is known of postern-binder's file.
package struct BinderFacts: Sendable {
    /// Its path.
    package var path: String
    /// Kind, mode and owner.
    package var status: Result<FileStatus, Unreadable>
    /// The attribute security.capability; nil if there is none.
    package var capability: Result<[UInt8]?, Unreadable>
    /// Whether its file system is mounted nosuid.
    package var isNosuid: Bool
    /// The gid of postern-bind; nil if there is no such group.
    package var group: Result<UInt32?, Unreadable>
    /// Whether /etc/group has the patient in that group, which a process that runs already does not notice.
    package var isListedInGroup: Bool

    /// Makes facts.
    package init(
        path: String, status: Result<FileStatus, Unreadable>, capability: Result<[UInt8]?, Unreadable>, isNosuid: Bool,
        group: Result<UInt32?, Unreadable>, isListedInGroup: Bool
    ) {
        self.path = path
        self.status = status
        self.capability = capability
        self.isNosuid = isNosuid
        self.group = group
        self.isListedInGroup = isListedInGroup
    }
}

/// Whether the binder is there, may be started, and would have its capability.
package enum BinderCheck {
    /// Judges the facts; where `isNeeded` is false nothing of it is more than a note.
    package static func findings(_ facts: BinderFacts, patient: Patient, isNeeded: Bool) -> [Finding] {
        let status: FileStatus
        switch facts.status {
        case .success(let found): status = found
        case .failure(let error) where error.isMissing:
            return [
                Finding.problem(
                    .binder, facts.path, "not there",
                    "install it (0750 root:postern-bind), or say where it is: POSTERN_BINDER",
                    status: 69
                ).unless(isNeeded)
            ]
        case .failure(let error): return [.unknown(.binder, facts.path, error.text)]
        }
        guard status.isRegular else {
            return [
                Finding.problem(.binder, facts.path, "no regular file", "name the binder: POSTERN_BINDER", status: 69)
                    .unless(isNeeded)
            ]
        }
        var findings = [self.mode(facts, status)]
        findings.append(self.start(facts, status, patient))
        findings.append(self.capability(facts))
        if facts.isNosuid {
            findings.append(
                .problem(
                    .binder, facts.path, "on a file system mounted nosuid, where file capabilities do not count",
                    "install it elsewhere, or remount it suid", status: 77))
        }
        return findings.map { $0.unless(isNeeded) }
    }

    private static func mode(_ facts: BinderFacts, _ status: FileStatus) -> Finding {
        let found = "\(status.octal), uid \(status.uid), gid \(status.gid)"
        guard status.uid == 0, !status.isWritableByOthers else {
            return .problem(
                .binder, facts.path, "\(found): others than root can change it",
                "chown root:postern-bind and chmod 750, then setcap cap_net_bind_service=p", status: 78)
        }
        guard status.permissions == 0o750, facts.group == .success(status.gid) else {
            return .note(
                .binder, facts.path, "\(found), not 0750 root:postern-bind",
                "chown root:postern-bind and chmod 750, then setcap cap_net_bind_service=p (chown loses it)")
        }
        return .ok(.binder, facts.path, "0750 root:postern-bind")
    }

    private static func start(_ facts: BinderFacts, _ status: FileStatus, _ patient: Patient) -> Finding {
        let identity = patient.identity
        let bit: UInt32
        if identity.uid == 0 {
            bit = 0o111
        } else if identity.uid == status.uid {
            bit = 0o100
        } else if identity.isMember(of: status.gid) {
            bit = 0o010
        } else {
            bit = 0o001
        }
        if status.mode & bit != 0 { return .ok(.binder, "start", "\(patient.text) may start it") }
        if facts.isListedInGroup, facts.group == .success(status.gid), !identity.isMember(of: status.gid) {
            return .problem(
                .binder, "start", "\(patient.text) is in the group postern-bind, but this process is not yet",
                "log in again, or start the service again", status: 77)
        }
        return .problem(
            .binder, "start", "\(patient.text) may not start it",
            "usermod -aG postern-bind \(patient.word), then log in again", status: 77)
    }

    private static func capability(_ facts: BinderFacts) -> Finding {
        let what = "file capability"
        let advice = "as root: setcap cap_net_bind_service=p \(facts.path)"
        let attribute: [UInt8]
        switch facts.capability {
        case .success(.some(let bytes)): attribute = bytes
        case .success(.none):
            return .problem(.binder, what, "none (a copy, a chown or an edit loses it)", advice, status: 77)
        case .failure(let error) where error.errno == 75:  // EOVERFLOW: its root has no number here
            return .problem(.binder, what, "of another user namespace", advice, status: 77)
        case .failure(let error): return .unknown(.binder, what, error.text)
        }
        let capability: FileCapability
        do throws(FileCapability.ReadingError) {
            capability = try FileCapability(attribute: attribute)
        } catch {
            return .problem(.binder, what, "not an attribute that the kernel knows", advice, status: 77)
        }
        if let root = capability.rootID {
            return .problem(
                .binder, what, "\(capability.text), of the user namespace whose root is uid \(root) here", advice,
                status: 77)
        }
        guard capability.permitted & FileCapability.netBindService != 0 else {
            return .problem(.binder, what, "\(capability.text), without cap_net_bind_service", advice, status: 77)
        }
        if capability.isEffective {
            return .problem(
                .binder, what,
                "\(capability.text): with `e` the kernel does not start it where the bounding set lacks it",
                advice, status: 77)
        }
        guard capability == FileCapability(permitted: FileCapability.netBindService) else {
            return .problem(.binder, what, "\(capability.text): more than it needs", advice, status: 77)
        }
        return .ok(.binder, what, capability.text)
    }
}
