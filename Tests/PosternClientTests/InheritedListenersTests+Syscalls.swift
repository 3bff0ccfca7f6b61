import Foundation
import Testing

@testable import PosternClient

/// What a process of its own needs to pretend that systemd started it.
private enum Pretence {
    /// Puts TCP listeners on descriptors 200 up (3 is the test runner's), and the variables into the environment.
    static func start(count: Int, names: String?, pid: Int32 = getpid(), pidfd: String? = nil, fds: String? = nil) {
        var listeners: [Int32] = []
        for _ in 0..<count {
            let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            guard listen(socket, 5) == 0 else { exit(90) }
            listeners.append(fcntl(socket, F_DUPFD, 300))
            close(socket)
        }
        for (index, listener) in listeners.enumerated() { dup2(listener, Int32(200 + index)) }
        for listener in listeners { close(listener) }
        unsafe setenv("LISTEN_PID", "\(pid)", 1)
        unsafe setenv("LISTEN_FDS", fds ?? "\(count)", 1)
        if let names { unsafe setenv("LISTEN_FDNAMES", names, 1) }
        if let pidfd { unsafe setenv("LISTEN_PIDFDID", pidfd, 1) }
    }

    /// Asks, where no binder is: the names and descriptors that came, or the error's code.
    static func ask(_ names: [String]) -> (found: [String], code: ListenerError.Code?) {
        do throws(ListenerError) {
            try InheritedListeners.shared.takeFromEnvironment(first: 200)
            var listeners = try Listeners.obtain(names, broker: "/nonexistent", binder: "/nonexistent")
            var found: [String] = []
            while let listener = try listeners.takeFirst() {
                let isCloseOnExec = fcntl(listener.descriptor, F_GETFD) == FD_CLOEXEC
                found.append("\(listener.name) \(listener.descriptor) \(isCloseOnExec) \(listener.backlog)")
            }
            return (found, nil)
        } catch {
            return ([], error.code)
        }
    }

    /// Ends the process with a status that says which check failed first.
    static func finish(_ checks: [Bool]) -> Never {
        exit(checks.firstIndex(of: false).map { Int32($0 + 1) } ?? EXIT_SUCCESS)
    }

    static var isClean: Bool {
        ProcessInfo.processInfo.environment.keys.allSatisfy { !$0.hasPrefix("LISTEN_") }
    }
}

/// Each in a process of its own: the listeners of LISTEN_FDS are taken once a process.
@Suite struct InheritedListenersTests {
    @Test("LISTEN_FDS comes first, by name, close-on-exec, with its backlog; what nobody asked for yet waits")
    func byName() async {
        await #expect(processExitsWith: .success) {
            Pretence.start(count: 3, names: "smtp:http:smtp")
            let (http, smtp) = (Pretence.ask(["http"]), Pretence.ask(["smtp"]))
            Pretence.finish([
                http.found == ["http 201 true 5"], smtp.found == ["smtp 200 true 5", "smtp 202 true 5"],
                Pretence.isClean,
                Pretence.ask(["http"]).code == .notStarted,
            ])
        }
    }

    @Test("All or none: if the rest cannot be had, what LISTEN_FDS gave can be asked for again")
    func allOrNone() async {
        await #expect(processExitsWith: .success) {
            Pretence.start(count: 1, names: "smtp")
            Pretence.finish([
                Pretence.ask(["smtp", "http"]).code == .notStarted, Pretence.ask(["smtp"]).found == ["smtp 200 true 5"],
            ])
        }
    }

    @Test("Without LISTEN_FDNAMES every name is unknown")
    func unnamed() async {
        await #expect(processExitsWith: .success) {
            Pretence.start(count: 1, names: nil)
            Pretence.finish([Pretence.ask(["unknown"]).found == ["unknown 200 true 5"]])
        }
    }

    @Test("Another process's LISTEN_PID, or its LISTEN_PIDFDID, is not ours; the variables go all the same")
    func otherProcess() async {
        await #expect(processExitsWith: .success) {
            Pretence.start(count: 1, names: "smtp", pid: 1)
            Pretence.finish([Pretence.ask(["smtp"]).code == .notStarted, Pretence.isClean])
        }
        await #expect(processExitsWith: .success) {
            Pretence.start(count: 1, names: "smtp", pidfd: "1")
            Pretence.finish([Pretence.ask(["smtp"]).code == .notStarted, Pretence.isClean])
        }
    }

    @Test("Variables that contradict each other are an error, once; the variables go all the same")
    func contradictions() async {
        await #expect(processExitsWith: .success) {
            Pretence.start(count: 1, names: "smtp:http")
            Pretence.finish([Pretence.ask(["smtp"]).code == .badEnvironment, Pretence.isClean])
        }
        await #expect(processExitsWith: .success) {
            Pretence.start(count: 1, names: "smtp", fds: "0")
            Pretence.finish([Pretence.ask(["smtp"]).code == .badEnvironment, Pretence.isClean])
        }
        await #expect(processExitsWith: .success) {
            Pretence.start(count: 1, names: "smtp", fds: "one")
            Pretence.finish([Pretence.ask(["smtp"]).code == .badEnvironment, Pretence.isClean])
        }
        await #expect(processExitsWith: .success) {
            Pretence.start(count: 0, names: "a:b", fds: "2")
            close(201)
            Pretence.finish([Pretence.ask(["a"]).code == .badEnvironment, Pretence.isClean])
        }
    }
}
