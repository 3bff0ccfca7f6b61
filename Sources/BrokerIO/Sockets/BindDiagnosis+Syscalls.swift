internal import CPosternSys

#if !hasFeature(Embedded)
package import BrokerCore
#endif

/// A socket that could not be made, bound or listened on: the operation, the socket, its name, the cause, what to do.
///
/// To be called next after the failure; `isHeld` says whether CAP_NET_BIND_SERVICE was effective then.
package func bindFailure(
    _ error: SystemError, _ entry: PolicyEntry, _ policy: Span<UInt8>, isHeld: Bool
) -> Failure {
    let status: ExitStatus =
        switch error.errno {
        case EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, ENODEV: .unavailable
        case EACCES, EPERM: .permission
        default: .system
        }
    return Failure(status) {
        $0.append(error.operation)
        $0.append(" ")
        entry.appendSocket(to: &$0, in: policy)
        $0.append(" for ")
        $0.append(quoted: policy, entry.name)
        $0.append(": ")
        $0.append(errno: error.errno)
        switch error.errno {
        case EADDRINUSE: $0.append("; stop what has it (ss -lnp shows it), or have another port in the policy")
        case EADDRNOTAVAIL: $0.append("; no interface has this address (if one will: freebind)")
        case EINVAL: $0.append("; a link-local address needs device=, and v6only takes no ::ffff: address")
        case EPERM: $0.append("; a control group's filter refuses it (SocketBindDeny=), or a security module")
        case EACCES:
            $0.append("; ")
            $0.append(diagnosis(isHeld: isHeld))
        default: break
        }
    }
}

/// Why bind(2) was refused with EACCES, and what to do.
private func diagnosis(isHeld: Bool) -> StaticString {
    if isHeld {
        return """
            refused although cap_net_bind_service is held: the network namespace belongs to another user \
            namespace, or a security module forbids it
            """
    }
    if getuid() == 0 {
        return """
            root has no cap_net_bind_service here: give it back (docker --cap-add NET_BIND_SERVICE, \
            CapabilityBoundingSet=)
            """
    }
    if cpostern_prctl(PR_GET_NO_NEW_PRIVS, 0, 0) == 1 {
        return """
            no_new_privs is set, so the kernel ignores the file capability: start the binder without it \
            (NoNewPrivileges=, allowPrivilegeEscalation: false, firejail), or use \
            AmbientCapabilities=CAP_NET_BIND_SERVICE or a .socket unit
            """
    }
    let program: StaticString = "/proc/self/exe"
    let name: StaticString = "security.capability"
    if unsafe getxattr(program.cString, name.cString, nil, 0) < 0, cpostern_errno() == ENODATA {
        return """
            the binder's file has no capability (a copy loses it): as root, setcap cap_net_bind_service=p on it
            """
    }
    if unsafe cpostern_is_nosuid(program.cString) == 1 {
        return """
            the binder is on a file system mounted nosuid, where file capabilities do not count: install it \
            elsewhere, or remount it suid
            """
    }
    // (10 in <linux/capability.h>; libcap is the binder's alone.)
    if cpostern_prctl(PR_CAPBSET_READ, 10, 0) == 0 {
        return """
            the bounding set lacks cap_net_bind_service: give it back (CapabilityBoundingSet=, \
            capabilities: add: [NET_BIND_SERVICE])
            """
    }
    return
        "the file's capability does not count: it is another than cap_net_bind_service=p, or of another user namespace"
}
