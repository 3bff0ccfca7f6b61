internal import CPosternSys

#if !hasFeature(Embedded)
private import BrokerCore
#endif

/// The first thing of all: nobody of the same uid may trace this process or take its descriptors, nor has a setuid
/// program lent its identity to a caller that the policy would not know.
package func protectProcess() throws(Failure) {
    try setUndumpable()
    guard getuid() == geteuid(), getgid() == getegid() else {
        throw Failure(.permission, "the real and the effective user or group differ: start it from no setuid program")
    }
}

/// Makes the process invisible to pidfd_getfd, ptrace and core dumps; a change of credentials may undo it.
package func setUndumpable() throws(Failure) {
    guard cpostern_prctl(PR_SET_DUMPABLE, 0, 0) == 0 else { throw Failure(SystemError("prctl PR_SET_DUMPABLE")) }
}

/// Makes sure that no socket becomes standard input, output or error.
package func openStandardDescriptors() throws(SystemError) {
    for number in Int32(0)...2 where cpostern_fcntl(number, F_GETFD, 0) < 0 {
        guard unsafe cpostern_openat(AT_FDCWD, ("/dev/null" as StaticString).cString, O_RDWR) == number else {
            throw SystemError("open /dev/null")
        }
    }
}

/// What the caller had and a COMMAND gets back: folder, umask, limits, signals. The environment is never touched.
package struct Caller: ~Copyable {
    private static var limits: InlineArray<3, Int32> {
        [Int32(RLIMIT_NOFILE.rawValue), Int32(RLIMIT_STACK.rawValue), Int32(RLIMIT_CORE.rawValue)]
    }

    private var folder: Descriptor?
    private let umask: mode_t
    private var savedLimits = InlineArray<3, rlimit>(repeating: rlimit())
    private var ignoredSignals: UInt64 = 0
    private var mask = sigset_t()

    /// Puts the caller's state by, and makes the process sane.
    ///
    /// `kept` is the one descriptor above 2 that stays open, close-on-exec from now on; all others are closed.
    package init(keeping kept: Int32?) throws(Failure) {
        self.umask = CPosternSys.umask(0o077)
        do throws(SystemError) {
            try openStandardDescriptors()
            try Self.closeOthers(kept)
            try self.resetSignals()
            try self.resetLimits()
            // Without permission to open it, the folder stays where it is: no relative path is ever used here.
            let raw = unsafe cpostern_openat(
                AT_FDCWD, ("." as StaticString).cString, CPOSTERN_O_PATH | O_DIRECTORY | O_CLOEXEC)
            if raw >= 0 {
                self.folder = Descriptor(owning: raw)
                guard unsafe chdir(("/" as StaticString).cString) == 0 else { throw SystemError("chdir /") }
            }
        } catch {
            throw Failure(error)
        }
    }

    /// Closes everything above 2 but `kept`.
    private static func closeOthers(_ kept: Int32?) throws(SystemError) {
        guard let number = kept else {
            guard cpostern_close_range(3, .max, 0) == 0 else { throw SystemError("close_range") }
            return
        }
        let below = number == 3 ? 0 : cpostern_close_range(3, UInt32(number) - 1, 0)
        guard below == 0, cpostern_close_range(UInt32(number) + 1, .max, 0) == 0 else {
            throw SystemError("close_range")
        }
        // (Whether it is open at all, checkPeer finds.)
        _ = cpostern_fcntl(number, F_SETFD, Int(FD_CLOEXEC))
    }

    /// Empties the mask, gives every signal its default action, and stops timers but for one of its own, which bounds
    /// the run; a broken pipe and a full file are errors of write(2), not the end.
    private mutating func resetSignals() throws(SystemError) {
        for signal in Int32(1)...64 {
            if cpostern_signal_is_ignored(signal) == 1 { self.ignoredSignals |= 1 << UInt64(signal - 1) }
            // SIGKILL, SIGSTOP and the C library's own two cannot be set, nor have they been.
            _ = cpostern_set_signal_ignored(signal, signal == SIGPIPE || signal == SIGXFSZ ? 1 : 0)
        }
        guard cpostern_stop_timers() == 0 else { throw SystemError("setitimer") }
        // Whoever never reads standard error could else keep this process, a port and a capability for ever.
        _ = alarm(15)
        var none = sigset_t()
        guard unsafe sigemptyset(&none) == 0, unsafe sigprocmask(SIG_SETMASK, &none, &self.mask) == 0 else {
            throw SystemError("sigprocmask")
        }
    }

    /// Raises what the work needs, as far as the hard limits go, and forbids a core dump.
    private mutating func resetLimits() throws(SystemError) {
        for index in 0..<3 {
            guard unsafe cpostern_getrlimit(Self.limits[index], &self.savedLimits[index]) == 0 else {
                throw SystemError("getrlimit")
            }
            var limit = self.savedLimits[index]
            limit.rlim_cur = index == 2 ? 0 : limit.rlim_max
            guard unsafe cpostern_setrlimit(Self.limits[index], &limit) == 0 else { throw SystemError("setrlimit") }
        }
        // Standard ones, the folder, the most listeners and as many copies: what could run out halfway is refused now.
        guard self.savedLimits[0].rlim_max >= 132 else {
            throw SystemError("hard limit of open files below 132 (ulimit -Hn, LimitNOFILE=)", errno: EMFILE)
        }
        guard self.savedLimits[1].rlim_max >= 1 << 19 else {
            throw SystemError("hard limit of the stack below 512 KiB (ulimit -Hs, LimitSTACK=)", errno: ENOMEM)
        }
    }

    /// Goes back to where the caller was.
    package mutating func restoreFolder() throws(Failure) {
        guard let folder = self.folder.take() else { return }
        guard fchdir(folder.rawValue) == 0 else { throw Failure(SystemError("fchdir to the caller's folder")) }
    }

    /// Gives back umask, limits and signals; the mask last, since a signal may be waiting.
    package func restore() throws(Failure) {
        _ = CPosternSys.umask(self.umask)
        _ = alarm(0)
        for index in 0..<3 {
            var limit = self.savedLimits[index]
            guard unsafe cpostern_setrlimit(Self.limits[index], &limit) == 0 else {
                throw Failure(SystemError("setrlimit"))
            }
        }
        for signal in Int32(1)...64 {
            let isIgnored = self.ignoredSignals & 1 << UInt64(signal - 1) != 0
            _ = cpostern_set_signal_ignored(signal, isIgnored ? 1 : 0)
        }
        var mask = self.mask
        guard unsafe sigprocmask(SIG_SETMASK, &mask, nil) == 0 else { throw Failure(SystemError("sigprocmask")) }
    }
}

/// Checks that `number` is what a packet with descriptors can be sent on; says nothing on it yet.
package func checkPeer(_ number: Int32) throws(Failure) {
    let socket = Descriptor(owning: number)
    let domain = try? socket.option(SOL_SOCKET, SO_DOMAIN, "getsockopt")
    let type = try? socket.option(SOL_SOCKET, SO_TYPE, "getsockopt")
    _ = socket.release()
    guard domain == AF_UNIX, type == Int32(SOCK_SEQPACKET.rawValue) else {
        throw Failure(.usage, "--fd: not an open Unix SOCK_SEQPACKET socket")
    }
}
