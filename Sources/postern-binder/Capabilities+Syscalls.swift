internal import CCap
internal import CPosternSys

/// The capabilities of this process, which has one thread (capset acts on one thread only).
enum Capabilities {
    /// Makes none effective but those of `mask`; the permitted set stays.
    static func lower(to mask: UInt64 = 0) throws(Failure) {
        do throws(SystemError) { _ = try self.setEffective(mask) } catch { throw Failure(error) }
    }

    /// Makes effective what `mask` has and the permitted set has, too, and nothing else; a bit a capability. Returns
    /// whether that is all of it.
    static func setEffective(_ mask: UInt64) throws(SystemError) -> Bool {
        var isAll = true
        guard let state = unsafe cap_get_proc() else { throw SystemError("cap_get_proc") }
        defer { _ = unsafe cap_free(UnsafeMutableRawPointer(state)) }
        guard unsafe cap_clear_flag(state, CAP_EFFECTIVE) == 0 else { throw SystemError("cap_clear_flag") }
        for number in Int32(0)..<64 where mask & 1 << UInt64(number) != 0 {
            var isPermitted = CAP_CLEAR
            var value = cap_value_t(number)
            guard unsafe cap_get_flag(state, value, CAP_PERMITTED, &isPermitted) == 0,
                unsafe cap_set_flag(state, CAP_EFFECTIVE, 1, &value, isPermitted) == 0
            else { throw SystemError("cap_set_flag") }
            isAll = isAll && isPermitted == CAP_SET
        }
        guard unsafe cap_set_proc(state) == 0 else { throw SystemError("cap_set_proc") }
        return isAll
    }

    /// Empties the ambient set, then all three sets: no call of this process can bring any of it back.
    static func clear() throws(SystemError) {
        guard cpostern_prctl(PR_CAP_AMBIENT, UInt(PR_CAP_AMBIENT_CLEAR_ALL), 0) == 0 else {
            throw SystemError("prctl PR_CAP_AMBIENT_CLEAR_ALL")
        }
        guard let empty = unsafe cap_init() else { throw SystemError("cap_init") }
        defer { _ = unsafe cap_free(UnsafeMutableRawPointer(empty)) }
        guard unsafe cap_set_proc(empty) == 0 else { throw SystemError("cap_set_proc") }
    }

    /// Whether the three sets and the ambient set are empty, as the kernel says now.
    static func areEmpty() -> Bool {
        guard let state = unsafe cap_get_proc() else { return false }
        defer { _ = unsafe cap_free(UnsafeMutableRawPointer(state)) }
        guard let empty = unsafe cap_init() else { return false }
        defer { _ = unsafe cap_free(UnsafeMutableRawPointer(empty)) }
        guard unsafe cap_compare(state, empty) == 0 else { return false }
        return self.none(PR_CAP_AMBIENT, UInt(PR_CAP_AMBIENT_IS_SET))
    }

    /// Whether the bounding set is empty.
    static func isBoundingSetEmpty() -> Bool { self.none(PR_CAPBSET_READ, nil) }

    /// Asks prctl about each capability that the kernel knows.
    private static func none(_ option: Int32, _ operation: UInt?) -> Bool {
        for number in UInt(0)..<64 {
            let answer = cpostern_prctl(option, operation ?? number, operation == nil ? 0 : number)
            // EINVAL: behind the kernel's last one. Capability 0 is always known.
            if answer < 0 { return number > 0 && cpostern_errno() == EINVAL }
            if answer != 0 { return false }
        }
        return true
    }
}
