/// What is known of this process and of its user namespace.
package struct ProcessFacts: Sendable {
    /// /proc/self/status.
    package var status: Result<ProcessStatus, Unreadable>
    /// /proc/self/uid_map; nil if it cannot be understood.
    package var uidMap: Result<IDMap?, Unreadable>
    /// net.ipv4.ip_unprivileged_port_start.
    package var unprivilegedPortStart: Result<Int, Unreadable>

    /// Makes facts.
    package init(
        status: Result<ProcessStatus, Unreadable>, uidMap: Result<IDMap?, Unreadable>,
        unprivilegedPortStart: Result<Int, Unreadable>
    ) {
        self.status = status
        self.uidMap = uidMap
        self.unprivilegedPortStart = unprivilegedPortStart
    }
}

/// Whether a binder that is started from here would be given its capability.
package enum ProcessCheck {
    /// Judges the facts; where `isNeeded` is false nothing of it is more than a note.
    package static func findings(_ facts: ProcessFacts, isNeeded: Bool) -> [Finding] {
        [self.noNewPrivileges(facts), self.boundingSet(facts)].map { $0.unless(isNeeded) }
            + [self.namespace(facts), self.portStart(facts)]
    }

    private static func noNewPrivileges(_ facts: ProcessFacts) -> Finding {
        let what = "no_new_privs"
        switch facts.status.map(\.hasNoNewPrivileges) {
        case .success(false): return .ok(.process, what, "not set")
        case .success(true):
            return .problem(
                .process, what, "set here: a binder started from here has no capability",
                "start it without NoNewPrivileges=, allowPrivilegeEscalation: false or firejail; or use the broker or a .socket unit",
                status: 77)
        case .success(.none): return .unknown(.process, what, "/proc/self/status does not say")
        case .failure(let error): return .unknown(.process, what, "/proc/self/status: \(error.text)")
        }
    }

    private static func boundingSet(_ facts: ProcessFacts) -> Finding {
        let what = "bounding set"
        switch facts.status.map(\.boundingSet) {
        case .success(.some(let set)) where set & FileCapability.netBindService != 0:
            return .ok(.process, what, "has cap_net_bind_service")
        case .success(.some):
            return .problem(
                .process, what, "lacks cap_net_bind_service: a binder started from here does not get it",
                "give it back: CapabilityBoundingSet=CAP_NET_BIND_SERVICE, docker --cap-add NET_BIND_SERVICE",
                status: 77)
        case .success(.none): return .unknown(.process, what, "/proc/self/status does not say")
        case .failure(let error): return .unknown(.process, what, "/proc/self/status: \(error.text)")
        }
    }

    private static func namespace(_ facts: ProcessFacts) -> Finding {
        let what = "user namespace"
        switch facts.uidMap {
        case .success(.some(let map)) where map.isIdentity:
            return .ok(.process, what, "the initial one, or one that maps every uid")
        case .success(.some(let map)):
            let root = map.outside(0).map { "root in here is uid \($0) outside" } ?? "nobody in here is root"
            return .note(
                .process, what, "one of its own; \(root)",
                "a capability counts only for a network namespace of the same one, as a rootless container has it")
        case .success(.none): return .unknown(.process, what, "/proc/self/uid_map is not as expected")
        case .failure(let error): return .unknown(.process, what, "/proc/self/uid_map: \(error.text)")
        }
    }

    private static func portStart(_ facts: ProcessFacts) -> Finding {
        let what = "net.ipv4.ip_unprivileged_port_start"
        switch facts.unprivilegedPortStart {
        case .success(1024): return .ok(.process, what, "1024: ports below need cap_net_bind_service")
        case .success(let start) where start < 1024:
            return .note(
                .process, what, "\(start): anybody may bind ports from \(start) up, with or without Postern",
                "a port of a service that is down is whoever's; 1024 is the default")
        case .success(let start):
            return .note(
                .process, what, "\(start): ports below \(start) need cap_net_bind_service, those from 1024 up included",
                "name them in the policy as well; 1024 is the default")
        case .failure(let error): return .unknown(.process, what, error.text)
        }
    }
}
