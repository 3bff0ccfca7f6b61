internal import CPosternSys

/// What a call's argument must be, for the call to be allowed.
private enum Condition {
    case none
    /// The argument of that number is this.
    case equal(UInt32, UInt32)
    /// The argument of that number is one of these.
    case among(UInt32, InlineArray<4, UInt32>)
    /// The argument of that number has no other bits than these.
    case within(UInt32, UInt32)
}

/// One system call that the broker keeps.
private struct Allowed {
    let name: StaticString
    let number: Int32
    let condition: Condition
}

/// Every system call that the broker needs once it has started, in the order of use. No memory can be had, no socket
/// made, no program started, nothing written but to standard error, what is already open, and the state.
private func allowedCall(_ index: Int) -> Allowed? {
    let readOnly = UInt32(O_CLOEXEC | O_NOFOLLOW | O_DIRECTORY | O_NONBLOCK | CPOSTERN_O_PATH)
    switch index {
    case 0: return Allowed(name: "recvmsg", number: SYS_recvmsg, condition: .none)
    case 1: return Allowed(name: "sendmsg", number: SYS_sendmsg, condition: .none)
    case 2: return Allowed(name: "ppoll", number: SYS_ppoll, condition: .none)
    case 3: return Allowed(name: "clock_gettime", number: SYS_clock_gettime, condition: .none)
    case 4: return Allowed(name: "getsockopt", number: SYS_getsockopt, condition: .none)
    case 5: return Allowed(name: "ioctl SIOCOUTQ", number: SYS_ioctl, condition: .equal(1, UInt32(CPOSTERN_SIOCOUTQ)))
    case 6: return Allowed(name: "accept4", number: SYS_accept4, condition: .none)
    case 7: return Allowed(name: "close", number: SYS_close, condition: .none)
    case 8: return Allowed(name: "listen", number: SYS_listen, condition: .none)
    case 9: return Allowed(name: "getsockname", number: SYS_getsockname, condition: .none)
    case 10: return Allowed(name: "getpeername", number: SYS_getpeername, condition: .none)
    case 11: return Allowed(name: "connect to AF_UNSPEC", number: SYS_connect, condition: .equal(2, 2))
    case 12:
        return Allowed(
            name: "setsockopt SOL_SOCKET|IP|IPV6|TCP", number: SYS_setsockopt,
            condition: .among(1, [UInt32(SOL_SOCKET), 0, 6, 41]))
    case 13: return Allowed(name: "write to standard error", number: SYS_write, condition: .equal(0, 2))
    case 14: return Allowed(name: "read", number: SYS_read, condition: .none)
    case 15: return Allowed(name: "openat for reading", number: SYS_openat, condition: .within(2, readOnly))
    case 16: return Allowed(name: "newfstatat", number: SYS_newfstatat, condition: .none)
    case 17: return Allowed(name: "fstat", number: SYS_fstat, condition: .none)
    case 18: return Allowed(name: "pipe2", number: SYS_pipe2, condition: .none)
    case 19: return Allowed(name: "pwrite64", number: SYS_pwrite64, condition: .none)
    case 20: return Allowed(name: "getuid", number: SYS_getuid, condition: .none)
    case 21: return Allowed(name: "restart_syscall", number: SYS_restart_syscall, condition: .none)
    case 22: return Allowed(name: "exit_group", number: SYS_exit_group, condition: .none)
    case 23:
        return Allowed(name: "prctl PR_GET_NAME", number: SYS_prctl, condition: .equal(0, UInt32(PR_GET_NAME)))
    case 24: return Allowed(name: "setitimer ITIMER_REAL", number: SYS_setitimer, condition: .equal(0, 0))
    case 25: return Allowed(name: "rt_sigreturn", number: SYS_rt_sigreturn, condition: .none)
    #if arch(x86_64)
    case 26: return Allowed(name: "poll", number: SYS_poll, condition: .none)
    #endif
    default: return nil
    }
}

/// Prints the filter, a line a call.
func showFilter() {
    var index = 0
    while let call = allowedCall(index) {
        writeOutput(call.name)
        writeOutput("\n")
        index += 1
    }
}

/// Shuts the process in, for good: no new privileges; of the file system the policy's folder and /etc (users and groups
/// have names, and those files are replaced, not rewritten) for reading; of the system calls those of the list. What
/// the kernel is too old for is left out, and said.
///
/// A call that is not allowed fails with EPERM. It does not end the process: it holds everybody's ports.
func enterSandbox(policyPath: TextBuffer<128>) throws(Failure) {
    guard cpostern_prctl(PR_SET_NO_NEW_PRIVS, 1, 0) == 0 else {
        throw Failure(SystemError("prctl PR_SET_NO_NEW_PRIVS"))
    }
    try restrictFiles(policyPath)
    try restrictCalls()
}

private func restrictFiles(_ policyPath: TextBuffer<128>) throws(Failure) {
    // (Numbers of <linux/landlock.h>, of which Debian 12 has an old one.)
    let version = cpostern_syscall(Int(SYS_landlock_create_ruleset), 0, 0, 1, 0, 0)
    guard version > 0 else {
        var line = AuditLine("sandbox")
        line.add("missing", "landlock")
        return Audit().write(line)
    }
    // Every access of that version: files 13, 14, 15 and 16 of them; TCP bind and connect since 4; abstract sockets and
    // signals of others since 6.
    let files: UInt64 = version >= 5 ? 0xFFFF : version >= 3 ? 0x7FFF : version == 2 ? 0x3FFF : 0x1FFF
    var attributes: InlineArray<3, UInt64> = [files, version >= 4 ? 3 : 0, version >= 6 ? 3 : 0]
    let size = version >= 6 ? 24 : version >= 4 ? 16 : 8
    let raw = unsafe withUnsafeMutableBytes(of: &attributes) {
        cpostern_syscall(Int(SYS_landlock_create_ruleset), Int(bitPattern: $0.baseAddress), size, 0, 0, 0)
    }
    guard raw >= 0 else { throw Failure(SystemError("landlock_create_ruleset")) }
    let rules = Descriptor(owning: Int32(raw))
    var folder = TextBuffer<128>()
    folder.append("/etc")
    try allowReading(folder, rules)
    var slash = policyPath.count - 1
    while slash > 1, policyPath.storage[slash] != UInt8(ascii: "/") { slash -= 1 }
    folder.removeAll()
    folder.append(policyPath.storage.span, TextRange(0, slash))
    try allowReading(folder, rules)
    guard cpostern_syscall(Int(SYS_landlock_restrict_self), Int(rules.rawValue), 0, 0, 0, 0) == 0 else {
        throw Failure(SystemError("landlock_restrict_self"))
    }
}

private func allowReading(_ path: TextBuffer<128>, _ rules: borrowing Descriptor) throws(Failure) {
    let raw = unsafe path.withCString {
        Int(unsafe cpostern_openat(AT_FDCWD, $0, CPOSTERN_O_PATH | O_DIRECTORY | O_CLOEXEC))
    }
    guard raw >= 0 else { throw Failure(SystemError("open the policy's folder")) }
    let folder = Descriptor(owning: Int32(raw))
    // struct landlock_path_beneath_attr, packed: the accesses (READ_FILE), the folder.
    var rule = InlineArray<12, UInt8>(repeating: 0)
    rule[0] = 4
    unsafe withUnsafeMutableBytes(of: &rule) {
        unsafe $0.storeBytes(of: folder.rawValue, toByteOffset: 8, as: Int32.self)
    }
    let result = unsafe withUnsafeMutableBytes(of: &rule) {
        cpostern_syscall(
            Int(SYS_landlock_add_rule), Int(rules.rawValue), 1, Int(bitPattern: $0.baseAddress), 0, 0)
    }
    guard result == 0 else { throw Failure(SystemError("landlock_add_rule")) }
}

/// A filter's instructions, being written.
private struct FilterWriter {
    var code = InlineArray<192, sock_filter>(repeating: sock_filter())
    var count = 0

    /// Writes an instruction: its code, a constant, how many to skip if a comparison holds and if not.
    mutating func add(_ operation: Int32, _ constant: UInt32, _ then: UInt8 = 0, _ otherwise: UInt8 = 0) {
        self.code[self.count] = sock_filter(code: UInt16(operation), jt: then, jf: otherwise, k: constant)
        self.count += 1
    }
}

private func restrictCalls() throws(Failure) {
    #if arch(x86_64)
    let architecture: UInt32 = 0xC000_003E
    #elseif arch(arm64)
    let architecture: UInt32 = 0xC000_00B7
    #else
    #error("the filter needs this architecture's AUDIT_ARCH")
    #endif
    let load = BPF_LD | BPF_W | BPF_ABS
    let compare = BPF_JMP | BPF_JEQ | BPF_K
    let answer = BPF_RET | BPF_K
    let (allow, refuse) = (UInt32(SECCOMP_RET_ALLOW), UInt32(SECCOMP_RET_ERRNO) | UInt32(EPERM))
    var filter = FilterWriter()
    // struct seccomp_data: the number at 0, the architecture at 4, arguments of 64 bits from 16 on.
    filter.add(load, 4)
    filter.add(compare, architecture, 1, 0)
    filter.add(answer, refuse)
    filter.add(load, 0)
    var index = 0
    while let call = allowedCall(index) {
        switch call.condition {
        case .none:
            filter.add(compare, UInt32(call.number), 0, 1)
            filter.add(answer, allow)
        case .equal(let argument, let value):
            filter.add(compare, UInt32(call.number), 0, 4)
            filter.add(load, 16 + 8 * argument)
            filter.add(compare, value, 0, 1)
            filter.add(answer, allow)
            filter.add(answer, refuse)
        case .among(let argument, let values):
            filter.add(compare, UInt32(call.number), 0, 7)
            filter.add(load, 16 + 8 * argument)
            for index in 0..<4 { filter.add(compare, values[index], UInt8(3 - index), index < 3 ? 0 : 1) }
            filter.add(answer, allow)
            filter.add(answer, refuse)
        case .within(let argument, let bits):
            filter.add(compare, UInt32(call.number), 0, 5)
            filter.add(load, 16 + 8 * argument)
            filter.add(BPF_ALU | BPF_AND | BPF_K, ~bits)
            filter.add(compare, 0, 0, 1)
            filter.add(answer, allow)
            filter.add(answer, refuse)
        }
        index += 1
    }
    filter.add(answer, refuse)
    let result = unsafe withUnsafeMutableBytes(of: &filter.code) { code in
        var program = unsafe sock_fprog(
            len: UInt16(filter.count), filter: code.assumingMemoryBound(to: sock_filter.self).baseAddress)
        return unsafe withUnsafeMutableBytes(of: &program) {
            cpostern_syscall(Int(SYS_seccomp), Int(SECCOMP_SET_MODE_FILTER), 0, Int(bitPattern: $0.baseAddress), 0, 0)
        }
    }
    guard result == 0 else {
        // A kernel without it, or a container that forbids it.
        guard cpostern_errno() == ENOSYS || cpostern_errno() == EINVAL || cpostern_errno() == EPERM else {
            throw Failure(SystemError("seccomp"))
        }
        var line = AuditLine("sandbox")
        line.add("missing", "seccomp")
        return Audit().write(line)
    }
}
