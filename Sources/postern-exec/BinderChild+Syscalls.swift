internal import CPosternSys

/// How a binder ended, and our end of the socket that it answered on, which does not block.
struct BinderOutcome: ~Copyable {
    let socket: Descriptor
    /// The exit status, 128 and the signal's number if a signal ended it; nil if SIGCHLD is ignored.
    let exitStatus: Int32?
}

/// The binder's path as the caller gave it, who could as well start another program, or its own place.
@unsafe private func binderFile() -> UnsafePointer<CChar> {
    if let path = unsafe cpostern_secure_getenv(("POSTERN_BINDER" as StaticString).cString), unsafe path.pointee != 0 {
        return unsafe UnsafePointer(path)
    }
    return unsafe ("/usr/bin/postern-binder" as StaticString).cString
}

/// The binder's path for a message.
func binderPath() -> TextBuffer<128> {
    var path = TextBuffer<128>()
    unsafe path.append(cString: binderFile())
    return path
}

/// Runs a binder to its end for the names at the places of `wanted`, a bit each; kills it if that takes too long
/// (ETIMEDOUT). It has its socket as descriptor 3, standard error as it is here, and no environment.
func runBinder(
    _ options: Options, _ arguments: Arguments, for wanted: UInt32, milliseconds: Int32
) throws(SystemError) -> BinderOutcome {
    var ends = InlineArray<2, Int32>(repeating: -1)
    let type = Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
    let made = unsafe withUnsafeMutableBytes(of: &ends) { bytes in
        unsafe socketpair(AF_UNIX, type, 0, bytes.assumingMemoryBound(to: Int32.self).baseAddress)
    }
    guard made == 0 else { throw SystemError("socketpair") }
    let ours = Descriptor(owning: ends[0])
    let theirs = Descriptor(owning: ends[1])
    let pid = try spawnBinder(options, arguments, wanted, socket: theirs.rawValue)
    // Open up to here, for the child to be given it.
    _ = consume theirs
    let process = Descriptor(owning: cpostern_pidfd_open(pid))
    var failure: SystemError? = process.rawValue < 0 ? SystemError("pidfd_open") : nil
    if failure == nil {
        do throws(SystemError) { try process.waitForInput(milliseconds, "wait for its end") } catch { failure = error }
    }
    if failure != nil {
        // By its descriptor where there is one: the number could be another process's by now.
        _ = process.rawValue >= 0 ? cpostern_pidfd_kill(process.rawValue, SIGKILL) : kill(pid, SIGKILL)
    }
    var status: Int32 = 0
    var waited: pid_t
    repeat { waited = unsafe waitpid(pid, &status, 0) } while waited < 0 && cpostern_errno() == EINTR
    if let failure { throw failure }
    return BinderOutcome(socket: ours, exitStatus: waited == pid ? cpostern_exit_status(status) : nil)
}

private func spawnBinder(
    _ options: Options, _ arguments: Arguments, _ wanted: UInt32, socket: Int32
) throws(SystemError) -> pid_t {
    var actions = unsafe posix_spawn_file_actions_t()
    var error = unsafe posix_spawn_file_actions_init(&actions)
    guard error == 0 else { throw SystemError("posix_spawn_file_actions_init", errno: error) }
    defer { _ = unsafe posix_spawn_file_actions_destroy(&actions) }
    error = unsafe posix_spawn_file_actions_adddup2(&actions, socket, 3)
    guard error == 0 else { throw SystemError("posix_spawn_file_actions_adddup2", errno: error) }
    // Its name, 32 NAMEs, --fd 3, and nil.
    var vector = unsafe InlineArray<36, UnsafeMutablePointer<CChar>?>(repeating: nil)
    unsafe vector[0] = unsafe UnsafeMutablePointer(mutating: binderFile())
    var count = 1
    for place in 0..<options.nameCount where wanted & 1 << UInt32(place) != 0 {
        unsafe vector[count] = unsafe arguments.vector?[options.names[place]]
        count += 1
    }
    unsafe vector[count] = unsafe UnsafeMutablePointer(mutating: ("--fd" as StaticString).cString)
    unsafe vector[count + 1] = unsafe UnsafeMutablePointer(mutating: ("3" as StaticString).cString)
    var pid: pid_t = 0
    error = unsafe withUnsafeBytes(of: &vector) { bytes in
        guard let vector = unsafe bytes.assumingMemoryBound(to: UnsafeMutablePointer<CChar>?.self).baseAddress else {
            return EINVAL
        }
        // Behind the last argument there is a nil: an empty environment.
        return unsafe posix_spawn(&pid, binderFile(), &actions, nil, vector, vector + count + 2)
    }
    guard error == 0 else { throw SystemError("start it", errno: error) }
    return pid
}
