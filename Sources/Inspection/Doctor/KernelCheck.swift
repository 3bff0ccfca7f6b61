/// What the kernel lacks, and what that means. Nothing of it is a problem but what the binder cannot do without.
package enum KernelCheck {
    /// Judges the features.
    package static func findings(_ features: KernelFeatures) -> [Finding] {
        var findings: [Finding] = [.ok(.kernel, "release", features.release ?? "not known")]
        switch features.hasFileCapabilities {
        case true: findings.append(.ok(.kernel, "file capabilities", "here"))
        case false:
            findings.append(
                .problem(
                    .kernel, "file capabilities",
                    "switched off (no_file_caps): an unprivileged user's binder gets none",
                    "boot without no_file_caps, start the binder as root with --user, or use .socket units", status: 77)
            )
        case nil: findings.append(.unknown(.kernel, "file capabilities", "/proc does not say"))
        }
        findings.append(
            features.hasCloseRange
                ? .ok(.kernel, "close_range(2)", "here")
                : .problem(
                    .kernel, "close_range(2)", "missing: the binder refuses to run",
                    "a kernel from 5.9 on; or a filter stops it",
                    status: 69))
        func degrade(_ what: String, _ isHere: Bool, _ loss: String, found: String = "here") {
            findings.append(isHere ? .ok(.kernel, what, found) : .note(.kernel, what, "missing, degrades: \(loss)"))
        }
        degrade("seccomp", features.hasSeccomp, "no system call is filtered; the rest of the sandbox stays")
        degrade(
            "Landlock", features.landlock > 0,
            "no file system rules of the programs' own; the unit's ProtectSystem= and its kin stay",
            found: "ABI \(features.landlock)")
        degrade(
            "SO_PASSRIGHTS", features.hasPassRights,
            "who sends the broker descriptors that it does not want is cut off afterwards, not refused (Linux 6.16)")
        degrade(
            "SO_PEERPIDFD", features.hasPeerPidfd, "a peer's process is known by its number only, in logs (Linux 6.5)")
        degrade(
            "pidfd inode", features.hasPidfdInode,
            "LISTEN_PIDFDID is not set or compared: LISTEN_PID alone says whose listeners they are (Linux 6.9)")
        findings.append(self.migration(features.tcpMigrate))
        return findings
    }

    private static func migration(_ value: Int?) -> Finding {
        let what = "net.ipv4.tcp_migrate_req"
        let loss = "with reuseport= the connections that wait are reset when one of the listeners is closed"
        switch value {
        case .none: return .note(.kernel, what, "missing, degrades: \(loss) (Linux 5.14)")
        case 0:
            return .note(
                .kernel, what, "0, degrades: \(loss)", "sysctl net.ipv4.tcp_migrate_req=1, where reuseport= is used")
        case .some(let value): return .ok(.kernel, what, "\(value)")
        }
    }
}
