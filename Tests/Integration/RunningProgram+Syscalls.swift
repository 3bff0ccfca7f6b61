import Foundation
import Glibc

/// A program that a test started: its output as lines, its end, and what /proc says of it.
///
/// It is killed with the last reference to it. Standard input is a pipe that the test may write to, or empty.
final class RunningProgram: Sendable {
    let name: String
    let pid: pid_t
    /// Where the test writes; nil without `input: true`.
    let input: FileHandle?
    private let output = Watched<Output>(Output())

    private struct Output {
        var lines: [String] = []
        var partial: [UInt8] = []
        var atEnd = false
        var status: Int32?
    }

    /// Starts `command`, found on PATH.
    init(_ command: [String], environment: [String: String] = [:], input wantsInput: Bool = false) throws {
        self.name = command.joined(separator: " ")
        let (ours, theirs) = try RunningProgram.pair()
        defer { _ = close(theirs) }
        let stdin: (ours: Int32, theirs: Int32)
        if wantsInput {
            stdin = try RunningProgram.pair()
        } else {
            stdin = (-1, unsafe open("/dev/null", O_RDONLY | O_CLOEXEC))
        }
        defer { _ = close(stdin.theirs) }
        self.input = wantsInput ? FileHandle(fileDescriptor: stdin.ours, closeOnDealloc: true) : nil

        var actions = unsafe posix_spawn_file_actions_t()
        _ = unsafe posix_spawn_file_actions_init(&actions)
        defer { _ = unsafe posix_spawn_file_actions_destroy(&actions) }
        _ = unsafe posix_spawn_file_actions_adddup2(&actions, stdin.theirs, 0)
        _ = unsafe posix_spawn_file_actions_adddup2(&actions, theirs, 1)
        _ = unsafe posix_spawn_file_actions_adddup2(&actions, theirs, 2)
        let variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }.map { "\($0)=\($1)" }
        var child: pid_t = 0
        let failure = unsafe withCStrings(command) { arguments in
            unsafe withCStrings(variables) { variables in
                unsafe posix_spawnp(&child, command[0], &actions, nil, arguments, variables)
            }
        }
        guard failure == 0 else {
            _ = close(ours)
            throw HarnessError("start \(name)", errno: failure)
        }
        self.pid = child

        let output = self.output
        Thread.detachNewThread {
            RunningProgram.collect(from: ours, into: output)
            _ = close(ours)
        }
        let started = child
        Thread.detachNewThread {
            var status: Int32 = 0
            while unsafe waitpid(started, &status, 0) < 0 && errno == EINTR {}
            let ended = status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + status & 0x7F
            output.change { $0.status = ended }
        }
    }

    deinit { kill(SIGKILL) }

    /// Everything that it has printed, on standard output and standard error.
    var text: String { output.read { $0.lines.joined(separator: "\n") + String(decoding: $0.partial, as: UTF8.self) } }

    var isRunning: Bool { output.read { $0.status == nil } }

    /// Sends a signal, unless it has ended.
    func kill(_ signal: Int32) {
        if isRunning { _ = Glibc.kill(pid, signal) }
    }

    /// The first line that `test` accepts, among those printed already and those that come within the time.
    func line(within patience: Duration = .seconds(30), _ test: (String) -> Bool) throws -> String {
        let found = output.wait(patience) { state -> String?? in
            if let line = state.lines.first(where: test) { return .some(line) }
            return state.atEnd ? .some(nil) : nil
        }
        guard let line = found ?? nil else {
            throw HarnessError("\(name): the line waited for did not come; it printed:\n\(text)")
        }
        return line
    }

    /// A number read from the output so far, once it satisfies `test`; the last one seen when the time is over.
    func value(within patience: Duration, of extract: (String) -> Int, until test: (Int) -> Bool) -> Int {
        let found = output.wait(patience) { state -> Int? in
            let number = extract(state.lines.joined(separator: "\n") + String(decoding: state.partial, as: UTF8.self))
            return test(number) ? number : nil
        }
        return found ?? extract(text)
    }

    /// Waits for its end: the exit status, or 128 plus the signal. Everything it printed is in `text` then.
    func exitStatus(within patience: Duration = .seconds(60)) throws -> Int32 {
        guard let status = output.wait(patience, until: { $0.atEnd ? $0.status : nil }) else {
            throw HarnessError("\(name): still running after \(patience); it printed:\n\(text)")
        }
        return status
    }

    /// Ends it with SIGTERM, or with SIGKILL if it does not go.
    func stop() {
        kill(SIGTERM)
        if (try? exitStatus(within: .seconds(15))) == nil { kill(SIGKILL) }
    }

    /// Runs a program to its end.
    static func run(_ command: [String], within patience: Duration = .seconds(60)) throws -> (Int32, String) {
        let program = try RunningProgram(command)
        let status = try program.exitStatus(within: patience)
        return (status, program.text)
    }

    private static func collect(from descriptor: Int32, into output: Watched<Output>) {
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            if count <= 0 { break }
            let bytes = buffer[..<count]
            output.change { state in
                for byte in bytes {
                    if byte == UInt8(ascii: "\n") {
                        state.lines.append(String(decoding: state.partial, as: UTF8.self))
                        state.partial.removeAll(keepingCapacity: true)
                    } else {
                        state.partial.append(byte)
                    }
                }
            }
        }
        output.change { $0.atEnd = true }
    }

    /// Two connected sockets, in place of a pipe: they can be made close-on-exec from the start.
    private static func pair() throws -> (Int32, Int32) {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard unsafe socketpair(AF_UNIX, kind, 0, &ends) == 0 else { throw HarnessError("socketpair", errno: errno) }
        return (ends[0], ends[1])
    }
}

private func withCStrings<Value>(
    _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Value
) -> Value {
    let pointers = unsafe strings.map { unsafe strdup($0) }
    defer { unsafe pointers.forEach { unsafe free($0) } }
    return unsafe body(pointers + [nil])
}
