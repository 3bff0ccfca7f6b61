internal import CPosternSys

/// Refuses to be what it must never be: root, or a process with a capability.
func refusePrivileges() throws(Failure) {
    guard getuid() != 0 else {
        throw Failure(.permission, "started as root: it needs no privilege; start it as a user of its own")
    }
    // capget(2), version 3: the header, then effective, permitted and inheritable, twice 32 bits each.
    var header: InlineArray<2, UInt32> = [0x2008_0522, 0]
    var sets = InlineArray<6, UInt32>(repeating: 0)
    let result = unsafe withUnsafeMutableBytes(of: &header) { header in
        unsafe withUnsafeMutableBytes(of: &sets) { sets in
            cpostern_syscall(
                Int(SYS_capget), Int(bitPattern: header.baseAddress), Int(bitPattern: sets.baseAddress), 0, 0, 0)
        }
    }
    guard result == 0 else { throw Failure(SystemError("capget")) }
    for index in 0..<6 where sets[index] != 0 {
        throw Failure(.permission, "started with a capability: it needs none (AmbientCapabilities=, capsh, setpriv)")
    }
}

/// Makes the process sane: standard descriptors open, no core dump, as many descriptors as it may have, signals that
/// are read and not caught, no folder of anybody's in use. What LISTEN_FDS gave stays.
func prepareProcess() throws(Failure) {
    do throws(SystemError) {
        try openStandardDescriptors()
        _ = umask(0o077)
        guard unsafe chdir(("/" as StaticString).cString) == 0 else { throw SystemError("chdir /") }
        guard cpostern_set_signal_ignored(SIGPIPE, 1) == 0, cpostern_stop_timers() == 0 else {
            throw SystemError("sigaction")
        }
        var limit = rlimit()
        guard unsafe cpostern_getrlimit(Int32(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            throw SystemError("getrlimit")
        }
        // Descriptors in flight are counted against this, too: it is raised as far as it goes.
        limit.rlim_cur = limit.rlim_max
        guard limit.rlim_max >= 1024 else {
            throw SystemError("hard limit of open files below 1024 (ulimit -Hn, LimitNOFILE=)", errno: EMFILE)
        }
        guard unsafe cpostern_setrlimit(Int32(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            throw SystemError("setrlimit")
        }
        limit = rlimit(rlim_cur: 0, rlim_max: 0)
        guard unsafe cpostern_setrlimit(Int32(RLIMIT_CORE.rawValue), &limit) == 0 else {
            throw SystemError("setrlimit")
        }
    } catch {
        throw Failure(error)
    }
}

/// Closes what leaked in from whoever started this: it would be kept for as long as the broker lives.
func closeDescriptors(above last: Int32) throws(Failure) {
    guard cpostern_close_range(UInt32(last) + 1, .max, 0) == 0 else { throw Failure(SystemError("close_range")) }
}

/// A descriptor from which SIGHUP, SIGTERM and SIGINT are read; they are blocked from now on.
func openSignals() throws(Failure) -> Descriptor {
    var set = sigset_t()
    guard unsafe sigemptyset(&set) == 0, unsafe sigaddset(&set, SIGHUP) == 0, unsafe sigaddset(&set, SIGTERM) == 0,
        unsafe sigaddset(&set, SIGINT) == 0, unsafe sigprocmask(SIG_SETMASK, &set, nil) == 0
    else { throw Failure(SystemError("sigprocmask")) }
    // (A signal that is ignored interrupts nothing.)
    _ = signal(SIGALRM) { _ in }
    let raw = unsafe signalfd(-1, &set, Int32(SFD_CLOEXEC) | Int32(SFD_NONBLOCK))
    guard raw >= 0 else { throw Failure(SystemError("signalfd")) }
    return Descriptor(owning: raw)
}

/// Has SIGALRM interrupt what blocks, every `milliseconds` from now on; 0 ends that.
///
/// No call of the broker waits but poll(2); yet the last close of a peer's socket may, for as long as the peer said with
/// SO_LINGER, be it ours or the kernel's, of what was sent along unasked.
func interruptCalls(everyMilliseconds milliseconds: Int) {
    let time = timeval(tv_sec: 0, tv_usec: milliseconds * 1000)
    var timer = itimerval(it_interval: time, it_value: time)
    _ = unsafe withUnsafeMutableBytes(of: &timer) {
        cpostern_syscall(Int(SYS_setitimer), 0, Int(bitPattern: $0.baseAddress), 0, 0, 0)
    }
}

extension Descriptor {
    /// The next signal that came; nil if there is none.
    func nextSignal() -> Int32? {
        var information = signalfd_siginfo()
        let size = MemoryLayout<signalfd_siginfo>.size
        let count = unsafe withUnsafeMutableBytes(of: &information) { unsafe read(self.rawValue, $0.baseAddress, size) }
        return count == size ? Int32(information.ssi_signo) : nil
    }
}

/// Gives back the pages of the stack below the caller's: reading the policy and making the tables used them once, and
/// the kernel would keep them for good.
@inline(never)
func releaseStack() {
    var here: UInt8 = 0
    unsafe withUnsafeMutableBytes(of: &here) { bytes in
        // What this call itself uses is left alone, to 32 KiB; pages that were never used cost nothing.
        let end = (Int(bitPattern: bytes.baseAddress) - 32768) & ~4095
        _ = cpostern_syscall(Int(SYS_madvise), end - (2 << 20), 2 << 20, Int(MADV_DONTNEED), 0, 0)
    }
}

/// 64 random bits, as 16 hexadecimal digits: another at each start.
func randomGeneration() throws(Failure) -> TextBuffer<16> {
    var bytes = InlineArray<8, UInt8>(repeating: 0)
    let count = unsafe withUnsafeMutableBytes(of: &bytes) { bytes in
        cpostern_syscall(Int(SYS_getrandom), Int(bitPattern: bytes.baseAddress), 8, 0, 0, 0)
    }
    guard count == 8 else { throw Failure(SystemError("getrandom")) }
    var text = TextBuffer<16>()
    for index in 0..<8 {
        for digit in 0..<2 {
            let value = digit == 0 ? bytes[index] >> 4 : bytes[index] & 15
            text.append(value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10)
        }
    }
    return text
}
