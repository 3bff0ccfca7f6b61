internal import CCap
internal import CPosternSys

/// Gives up every privilege, for good. As root, `user` is whom to become: the bounding set, groups, gid and uid come
/// first, since each needs a capability; then, always, the ambient set and the three sets.
func drop(to user: Identity?, allowingNewPrivileges: Bool) throws(Failure) {
    do throws(SystemError) {
        if let user {
            _ = try Capabilities.setEffective(
                1 << UInt64(CAP_SETPCAP) | 1 << UInt64(CAP_SETGID) | 1 << UInt64(CAP_SETUID))
            var number: UInt = 0
            while cpostern_prctl(PR_CAPBSET_DROP, number, 0) == 0 { number += 1 }
            // EINVAL: behind the kernel's last one.
            guard number > 0, cpostern_errno() == EINVAL else { throw SystemError("prctl PR_CAPBSET_DROP") }
            var groups = user.groups
            let result = unsafe withUnsafeBytes(of: &groups) { bytes in
                unsafe setgroups(user.groupCount, bytes.assumingMemoryBound(to: gid_t.self).baseAddress)
            }
            guard result == 0 else { throw SystemError("setgroups") }
            guard cpostern_setresgid(user.gid) == 0 else { throw SystemError("setresgid") }
            guard cpostern_setresuid(user.uid) == 0 else { throw SystemError("setresuid") }
        }
        try Capabilities.clear()
        if !allowingNewPrivileges, cpostern_prctl(PR_SET_NO_NEW_PRIVS, 1, 0) != 0 {
            throw SystemError("prctl PR_SET_NO_NEW_PRIVS")
        }
    } catch {
        throw Failure(error)
    }
    try setUndumpable()
}

/// Checks that the drop happened, by what the kernel says and not by what was called. A doubt is the end.
func verifyDrop(to user: Identity?, allowingNewPrivileges: Bool) throws(Failure) {
    var isDropped = Capabilities.areEmpty() && cpostern_prctl(PR_GET_DUMPABLE, 0, 0) == 0
    if !allowingNewPrivileges { isDropped = isDropped && cpostern_prctl(PR_GET_NO_NEW_PRIVS, 0, 0) == 1 }
    if let user {
        isDropped = isDropped && Accounts.isNow(user) && Capabilities.isBoundingSetEmpty() && setuid(0) != 0
    }
    guard isDropped, isBindRefused() else {
        throw Failure(.system, "a privilege is left after the drop: this is a bug, and nothing was handed over")
    }
}
