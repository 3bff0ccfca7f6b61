import Foundation
import PosternClient
import Testing

/// A program that answers in the binder's place, as Python: `answer(text, sockets)` sends a packet on descriptor 3.
private func falseBinder(_ body: String) throws -> String {
    let path = FileManager.default.temporaryDirectory.appending(path: "binder-\(UUID().uuidString)").path
    let text = """
        #!/usr/bin/python3
        import array, os, socket, sys, time, signal
        peer = socket.socket(fileno=3)
        def tcp(port=0):
            s = socket.socket(); s.bind(("127.0.9.9", port)); s.listen(); return s
        def answer(text, sockets):
            fds = array.array("i", [s.fileno() for s in sockets])
            peer.sendmsg([text.encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)] if fds else [])
        s = tcp()
        port = s.getsockname()[1]
        \(body)
        """
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    return path
}

/// Asks a false binder; the error, or the listeners as `name transport address`.
private func ask(
    _ body: String, names: [String] = ["smtp"], timeout: Duration = .seconds(20)
) throws -> (error: ListenerError?, found: [String]) {
    let path = try falseBinder(body)
    defer { try? FileManager.default.removeItem(atPath: path) }
    // A child that another test forks at this moment may have the file open for writing: then it is tried again.
    for _ in 0..<100 {
        let outcome = askOnce(path, names, timeout)
        guard outcome.error?.errno == ETXTBSY else { return outcome }
    }
    return askOnce(path, names, timeout)
}

private func askOnce(_ path: String, _ names: [String], _ timeout: Duration) -> (error: ListenerError?, found: [String])
{
    do throws(ListenerError) {
        var listeners = try Listeners.obtain(names, broker: "/nonexistent/broker", binder: path, timeout: timeout)
        var found: [String] = []
        while let listener = try listeners.takeFirst() {
            found.append("\(listener.name) \(listener.transport) \(listener.address.prefix { $0 != ":" })")
        }
        return (nil, found)
    } catch {
        return (error, [])
    }
}

/// How many sockets of this process listen on that address, which is written as /proc/net/tcp writes it.
func listeners(on address: String) throws -> Int {
    let inodes = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap { name in
        try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(name)")
    }
    // (0A is LISTEN.)
    let table = try String(contentsOfFile: "/proc/net/tcp", encoding: .utf8).split(separator: "\n").filter {
        $0.contains(":0000 0A ") && $0.contains(" \(address):")
    }
    return table.filter { line in
        let fields = line.split(separator: " ")
        return fields.count > 9 && inodes.contains("socket:[\(fields[9])]")
    }.count
}

/// How many sockets of this process listen on a port that a false binder had.
private func leakedListeners() throws -> Int { try listeners(on: "0909007F") }

@Suite(.serialized) struct ListenersTests {
    @Test("A binder's listeners come by name, and a name can have several")
    func several() throws {
        let outcome = try ask(
            """
            t = tcp(); u = tcp()
            answer(f"PB1 200 OK binder\\nfds=3\\nfd.0=smtp tcp 127.0.9.9:{port}\\n"
                f"fd.1=http tcp 127.0.9.9:{t.getsockname()[1]}\\nfd.2=smtp tcp 127.0.9.9:{u.getsockname()[1]}\\n", [s, t, u])
            """, names: ["http", "smtp"])
        #expect(outcome.error == nil, "\(outcome.error?.message ?? "")")
        #expect(outcome.found == ["http tcp 127.0.9.9", "smtp tcp 127.0.9.9", "smtp tcp 127.0.9.9"])
    }

    @Test(
        "An answer that is not what was asked for is refused whole, and nothing of it stays open",
        arguments: [
            (
                "answer('PB1 200 OK binder\\nfds=2\\nfd.0=smtp tcp 127.0.9.9:%d\\n' % port, [s])",
                "without its line"
            ),
            (
                "answer('PB1 200 OK binder\\nfds=1\\nfd.0=smtp tcp 127.0.9.9:%d\\n' % port, [s, s])",
                "another number"
            ),
            ("answer('PB1 200 OK binder\\nfds=1\\nfd.0=http tcp 127.0.9.9:%d\\n' % port, [s])", "not asked for"),
            ("answer('PB1 200 OK binder\\nfds=1\\nfd.0=smtp tcp 127.0.0.2:%d\\n' % port, [s])", "bound elsewhere"),
            ("answer('PB1 200 OK binder\\nfds=1\\nfd.0=smtp tcp 127.0.9.9:1\\n', [s])", "bound elsewhere"),
            ("answer('PB1 200 OK binder\\nfds=1\\nfd.0=smtp udp 127.0.9.9:%d\\n' % port, [s])", "another kind"),
            ("answer('PB1 200 OK binder\\nfds=1\\nfd.0=smtp tcp *:%d\\n' % port, [s])", "bound elsewhere"),
            (
                "answer('PB1 200 OK binder\\nfds=1\\nfd.0=smtp tcp 127.0.9.9:%d x\\n' % port, [s])",
                "not a word of a spec"
            ),
            ("answer('PB1 200 OK binder\\nfds=1\\nfd.1=smtp tcp 127.0.9.9:%d\\n' % port, [s])", "without its line"),
            ("answer('PB1 200 OK other\\nfds=1\\nfd.0=smtp tcp 127.0.9.9:%d\\n' % port, [s])", "another request"),
            ("answer('PB1 403 DENIED binder\\n', [])", "a refusal in PB1"),
            ("answer('nonsense', [s])", "not a PB1 reply"),
            ("answer('PB1 200 OK binder\\nfds=0\\n', [])", "did not come"),
            ("peer.send(b'')", "no PB1 packet (closed)"),
            ("pass", "no PB1 packet (closed)"),
            (
                "s.shutdown(socket.SHUT_RDWR); answer('PB1 200 OK binder\\nfds=1\\nfd.0=smtp tcp 127.0.9.9:%d\\n' % port, [s])",
                "not listening"
            ),
            ("answer('x' * 20000, [s])", "no PB1 packet (malformed)"),
        ])
    func badAnswer(body: String, reason: String) throws {
        let outcome = try ask(body)
        #expect(outcome.error?.code == .badReply)
        #expect(outcome.error?.message.contains(reason) == true, "\(outcome.error?.message ?? "no error")")
        #expect(try leakedListeners() == 0)
    }

    @Test("A binder's exit status and its words, 4 KiB of them, are the error's")
    func refusal() throws {
        let outcome = try ask("sys.stderr.write('not you\\n'); sys.exit(77)")
        #expect(outcome.error?.code == .refused)
        #expect(outcome.error?.exitStatus == 77)
        #expect(outcome.error?.message.hasSuffix("exit status 77: not you") == true)
        let long = try ask("sys.stderr.write('y' * 100000); sys.exit(1)")
        #expect(long.error?.exitStatus == 1)
        #expect(1000...5000 ~= long.error?.message.utf8.count ?? 0)
        let killed = try ask("sys.stderr.write('bye'); sys.stderr.flush(); os.kill(os.getpid(), signal.SIGKILL)")
        #expect(killed.error?.exitStatus == 128 + SIGKILL)
    }

    @Test("A binder that hangs is killed and waited for")
    func hang() throws {
        let note = FileManager.default.temporaryDirectory.appending(path: "pid-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: note) }
        let outcome = try ask("open('\(note)', 'w').write(str(os.getpid())); signal.pause()", timeout: .seconds(3))
        #expect(outcome.error?.code == .timedOut)
        // A child that was not waited for would still be there, as a zombie.
        let child = try #require(pid_t(try String(contentsOfFile: note, encoding: .utf8)))
        #expect(kill(child, 0) == -1 && errno == ESRCH)
        #expect(try leakedListeners() == 0)
    }

    @Test("A child that a binder leaves behind does not keep the program waiting")
    func grandchild() throws {
        let start = ContinuousClock.now
        let outcome = try ask("os.fork() or time.sleep(30)")
        #expect(outcome.error != nil)
        #expect(ContinuousClock.now - start < .seconds(15))
    }

    @Test("A binder that is not there, or may not be started, is said so, with what to do")
    func notStarted() throws {
        do throws(ListenerError) {
            _ = try Listeners.obtain(["smtp"], broker: "/nonexistent/broker", binder: "/nonexistent/postern-binder")
            Issue.record("it was started")
        } catch {
            #expect(error.code == .notStarted)
            #expect(error.errno == ENOENT)
            #expect(error.message.contains("POSTERN_BINDER"))
        }
    }

    @Test(
        "A name that is none is refused before anything is started",
        arguments: [[], ["a/b"], ["a", "a"], ["-x"], [""]])
    func badName(names: [String]) {
        do throws(ListenerError) {
            _ = try Listeners.obtain(names, broker: "/nonexistent/broker", binder: "/nonexistent/postern-binder")
            Issue.record("it was started")
        } catch {
            #expect(error.code == .badName)
        }
    }

    @Test("A binder is given descriptor 3 and standard error, no environment and nothing else")
    func childState() throws {
        let outcome = try ask(
            """
            fds = sorted(int(f) for f in os.listdir("/proc/self/fd"))
            sys.stderr.write("%s %s %s" % ([f for f in fds if f < 4], sorted(k for k in os.environ if k != "LC_CTYPE"), sys.argv[1:]))
            sys.exit(9)
            """)
        #expect(
            outcome.error?.message.hasSuffix("[0, 1, 2, 3] [] ['smtp', '--fd', '3']") == true,
            "\(outcome.error?.message ?? "")")
    }
}
