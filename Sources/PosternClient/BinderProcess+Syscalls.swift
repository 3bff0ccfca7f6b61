internal import BrokerCore
internal import BrokerIO
internal import CPosternSys

/// How a binder ended, and our end of the socket that it answered on.
struct BinderOutcome: ~Copyable {
    /// Our end, which does not block.
    let socket: Descriptor
    /// The exit status, 128 and the signal's number if a signal ended it; nil if somebody else has waited for it.
    let exitStatus: Int32?
    /// What it wrote to standard error, 4 KiB at most, without the line end.
    let complaint: String
}

extension Binder {
    /// Where the binder is: POSTERN_BINDER in the environment, or /usr/bin/postern-binder.
    static var defaultPath: String {
        guard let path = unsafe cpostern_secure_getenv("POSTERN_BINDER") else { return "/usr/bin/postern-binder" }
        return unsafe String(cString: path)
    }
}

/// Runs a binder to its end, and waits for it whatever happens: with its answer's socket as descriptor 3, nothing to
/// read, and no environment.
func runBinder(
    _ path: String, arguments: [String], timeout: Duration
) throws(ListenerError) -> BinderOutcome {
    let sockets = try unsafe Pair("socketpair") { ends in
        unsafe socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, ends)
    }
    let pipe = try unsafe Pair("pipe2") { unsafe cpostern_pipe($0) }
    let (socket, output) = (sockets.first.rawValue, pipe.first.rawValue)
    for own in [socket, output] {
        guard cpostern_fcntl(own, F_SETFL, Int(O_NONBLOCK)) == 0 else { throw systemError("fcntl F_SETFL") }
    }
    let pid = try spawn(path, arguments, socket: sockets.second.rawValue, output: pipe.second.rawValue)
    // What is left of the child's ends is the child's: its end must be the end of them.
    let answer = sockets.keepFirst()
    let errors = pipe.keepFirst()
    let process = Descriptor(owning: cpostern_pidfd_open(pid))
    let deadline = ContinuousClock.now + timeout
    var complaint: [UInt8] = []
    var isOutputOpen = true
    var isRunning = process.rawValue >= 0
    while isRunning {
        let left = (deadline - ContinuousClock.now) / .milliseconds(1)
        guard left > 0 else { break }
        var waiting = [
            pollfd(fd: process.rawValue, events: Int16(POLLIN), revents: 0),
            pollfd(fd: isOutputOpen ? output : -1, events: Int16(POLLIN), revents: 0),
        ]
        _ = unsafe poll(&waiting, 2, Int32(min(left.rounded(.up), 60_000)))
        if waiting[1].revents != 0 { isOutputOpen = readSome(output, into: &complaint) }
        isRunning = waiting[0].revents == 0
    }
    if isRunning || process.rawValue < 0 {
        // By its descriptor where there is one: the number could be another process's by now.
        if process.rawValue >= 0 { _ = cpostern_pidfd_kill(process.rawValue, SIGKILL) } else { _ = kill(pid, SIGKILL) }
    }
    var status: Int32 = 0
    var waited: pid_t
    repeat { waited = unsafe waitpid(pid, &status, 0) } while waited < 0 && cpostern_errno() == EINTR
    // What a pipe holds, and no more: a child that the binder left behind may write for ever.
    for _ in 0..<64 where !readSome(output, into: &complaint) { break }
    while complaint.last == UInt8(ascii: "\n") { complaint.removeLast() }
    let words = String(decoding: complaint, as: UTF8.self)
    guard process.rawValue >= 0 else { throw ListenerError(.system, "pidfd_open of the binder: a kernel before 5.3?") }
    guard !isRunning else {
        throw ListenerError(
            .timedOut, "run \(path): not done after \(timeout), and killed\(words.isEmpty ? "" : ": \(words)")")
    }
    // (Where SIGCHLD is ignored, or somebody else waited, the status is lost; the answer still counts.)
    let exitStatus = waited == pid ? cpostern_exit_status(status) : nil
    _ = consume errors
    return BinderOutcome(socket: answer, exitStatus: exitStatus, complaint: words)
}

/// Two descriptors that are connected, both above 9, so that placing one for the child overwrites no other.
private struct Pair: ~Copyable {
    let first: Descriptor
    let second: Descriptor

    init(_ operation: String, _ make: (UnsafeMutablePointer<Int32>) -> Int32) throws(ListenerError) {
        var ends: [Int32] = [-1, -1]
        guard unsafe make(&ends) == 0 else { throw systemError(operation) }
        let (low, high) = (ends[0], ends[1])
        defer {
            close(low)
            close(high)
        }
        let first = Descriptor(owning: cpostern_fcntl(low, F_DUPFD_CLOEXEC, 10))
        let second = Descriptor(owning: cpostern_fcntl(high, F_DUPFD_CLOEXEC, 10))
        guard first.rawValue >= 0, second.rawValue >= 0 else { throw systemError("fcntl F_DUPFD_CLOEXEC") }
        self.first = first
        self.second = second
    }

    /// Closes the second.
    consuming func keepFirst() -> Descriptor { self.first }
}

private func spawn(
    _ path: String, _ arguments: [String], socket: Int32, output: Int32
) throws(ListenerError) -> pid_t {
    var actions = unsafe posix_spawn_file_actions_t()
    guard unsafe posix_spawn_file_actions_init(&actions) == 0 else {
        throw systemError("posix_spawn_file_actions_init")
    }
    defer { _ = unsafe posix_spawn_file_actions_destroy(&actions) }
    let added = unsafe [
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0),
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0),
        posix_spawn_file_actions_adddup2(&actions, output, 2),
        posix_spawn_file_actions_adddup2(&actions, socket, 3),
    ]
    guard added == [0, 0, 0, 0] else { throw systemError("posix_spawn_file_actions") }
    var vector = unsafe ([path] + arguments).map { unsafe strdup($0) }
    unsafe vector.append(nil)
    defer {
        for index in unsafe vector.indices { unsafe free(vector[index]) }
    }
    var environment: [UnsafeMutablePointer<CChar>?] = unsafe [nil]
    var pid: pid_t = 0
    let error = unsafe posix_spawn(&pid, path, &actions, nil, vector, &environment)
    guard error == 0 else {
        let advice =
            switch error {
            case ENOENT: "; install it, or say where it is (POSTERN_BINDER)"
            case EACCES: "; is this program's user in the group postern-bind?"
            default: ""
            }
        let cause = unsafe String(cString: cpostern_error_text(error))
        throw ListenerError(.notStarted, errno: error, "start \(path): \(cause)\(advice)")
    }
    return pid
}

/// Reads what there is; false at the end, or if nothing is there. What is above 4 KiB is read and forgotten.
private func readSome(_ descriptor: Int32, into bytes: inout [UInt8]) -> Bool {
    var buffer = [UInt8](repeating: 0, count: 1024)
    let count = unsafe read(descriptor, &buffer, buffer.count)
    guard count > 0 else { return count < 0 && cpostern_errno() == EINTR }
    bytes += buffer[..<min(count, 4096 - bytes.count)]
    return true
}

private func systemError(_ operation: String) -> ListenerError {
    let error = cpostern_errno()
    return ListenerError(.system, errno: error, "\(operation): \(unsafe String(cString: cpostern_error_text(error)))")
}
