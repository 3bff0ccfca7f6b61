import Foundation
import Testing

@testable import PosternClient

/// Asks a scripted broker, and no binder that could be started.
private func ask(
    _ script: String, names: [String] = ["smtp"], binder: String = "/nonexistent/postern-binder",
    timeout: Duration = .seconds(20)
) throws -> (error: ListenerError?, found: [String]) {
    let broker = try ScriptedBroker(script)
    do throws(ListenerError) {
        var listeners = try Listeners.obtain(names, broker: broker.path, binder: binder, timeout: timeout)
        return (nil, try describe(&listeners))
    } catch {
        return (error, [])
    }
}

/// Takes every listener: `name transport source address`, without ports.
func describe(_ listeners: inout Listeners) throws(ListenerError) -> [String] {
    var found: [String] = []
    while let listener = try listeners.takeFirst() {
        found.append(
            "\(listener.name) \(listener.transport) \(listener.source) \(listener.address.prefix { $0 != ":" })")
    }
    return found
}

/// How many sockets of this process listen on a port of a scripted broker's.
func leakedGrants() throws -> Int { try listeners(on: "0A09007F") }

@Suite(.serialized) struct BrokerTests {
    @Test("HELLO, then one GET for every name; the listeners come by name, and with them the lease")
    func grant() throws {
        let broker = try ScriptedBroker(
            """
            client = Client().hello("fedcba9876543210")
            a, b, c = tcp(), tcp(), tcp()
            tell(repr(client.grant(("smtp", a), ("http", b), ("smtp", c))))
            tell("left" if client.read() == "" else "more")
            """)
        do {
            var listeners = try Listeners.obtain(
                ["http", "smtp"], mode: .exclusive, wait: .milliseconds(1500), broker: broker.path,
                binder: "/nonexistent")
            #expect(broker.line() == "'PB1 GET get\\nname=http\\nname=smtp\\nmode=exclusive\\nwait=1500\\n'")
            let taken = listeners.takeLease()
            let lease = try required(taken)
            let (names, mode, generation, isHeld) = (lease.names, lease.mode, lease.generation, lease.isHeld)
            #expect(names == ["http", "smtp"])
            #expect(mode == .exclusive)
            #expect(generation == "fedcba9876543210")
            #expect(isHeld)
            let flags = fcntl(lease.descriptor, F_GETFD)
            #expect(flags == FD_CLOEXEC)
            let cookies = lease.cookies
            #expect(Set(cookies).count == 3 && !cookies.contains(0))
            var found: Set<UInt64> = []
            while let listener = try listeners.takeFirst() { found.insert(listener.cookie) }
            #expect(found == Set(cookies))
        }
        #expect(broker.line() == "left")
        #expect(try leakedGrants() == 0)
    }

    @Test("The lease that nobody took goes with the listeners; the descriptor that was given up keeps it")
    func end() throws {
        let broker = try ScriptedBroker(
            """
            for round in range(2):
                client = Client().hello()
                client.grant(("smtp", tcp()))
                tell(repr(client.read()))
            """)
        do { _ = try Listeners.obtain(["smtp"], broker: broker.path) }
        #expect(broker.line() == "''")
        let kept: CInt
        do {
            var listeners = try Listeners.obtain(["smtp"], broker: broker.path)
            let taken = listeners.takeLease()
            kept = try required(taken).releaseDescriptor()
        }
        // The connection is open: what is said on it arrives.
        try FileHandle(fileDescriptor: kept, closeOnDealloc: true).write(contentsOf: Data("x".utf8))
        #expect(broker.line() == "'x'")
    }

    @Test(
        "A reply that is not what was asked for is refused whole, and nothing of it stays open",
        arguments: [
            ("Client().hello().reply('PB1 200 OK TAG\\nfds=1\\nfd.0=' + line('smtp', s), s, s)", "another number"),
            ("Client().hello().reply('PB1 200 OK TAG\\nfds=2\\nfd.0=' + line('smtp', s), s, s)", "without its line"),
            ("Client().hello().reply('PB1 200 OK TAG\\nfds=1\\nfd.0=' + line('smtp', s))", "another number"),
            ("Client().hello().reply('PB1 200 OK TAG\\nfd.0=' + line('smtp', s), s)", "another number"),
            ("Client().hello().reply('PB1 200 OK TAG\\nfds=0')", "did not come"),
            ("Client().hello().grant(('http', s))", "not asked for: \"http\""),
            ("Client().hello().grant(('smtp', s), ('http', s))", "not asked for: \"http\""),
            ("Client().hello().reply('PB1 200 OK TAG\\nfds=1\\nfd.0=' + line('smtp', tcp()), s)", "bound elsewhere"),
            ("s.shutdown(2); Client().hello().grant(('smtp', s))", "not listening"),
            ("Client().hello().reply('PB1 200 OK other\\nfds=1\\nfd.0=' + line('smtp', s), s)", "another request"),
            ("Client().hello().reply('PB1 200 OK 0\\nfds=1\\nfd.0=' + line('smtp', s), s)", "another request"),
            (
                "Client().hello().reply('PB1 200 OK TAG\\nfds=1\\nfd.0=' + line('smtp', s) + 20000 * '\\n', s)",
                "cut off"
            ),
            ("Client().hello().reply('nonsense', s)", "not a PB1 reply"),
            ("Client().hello().reply('PB1 403 DENIED TAG\\ntext=no', s)", "another number"),
            ("Client().grant(('smtp', s))", "bad"),
            ("Client().reply('PB1 200 OK TAG\\nversion=1')", "without generation="),
        ])
    func badReply(body: String, reason: String) throws {
        let outcome = try ask("s = tcp()\n\(body)")
        #expect(outcome.error?.code == .badReply)
        let message = try #require(outcome.error?.message)
        #expect(reason == "bad" || message.contains(reason), "\(message)")
        #expect(try leakedGrants() == 0)
    }

    @Test("A broker that goes without an answer is unavailable, and one that says nothing runs out of time")
    func silence() throws {
        let gone = try ask("Client().hello().read()")
        #expect(gone.error?.code == .unavailable)
        #expect(gone.error?.message.hasSuffix("the broker closed the connection") == true)
        let silent = try ask("client = Client().hello(); client.read(); input()", timeout: .milliseconds(300))
        #expect(silent.error?.code == .timedOut)
        #expect(silent.error?.errno == ETIMEDOUT)
    }

    @Test(
        "A refusal is an error with the broker's words, and no binder is asked",
        arguments: [
            (403, ListenerError.Code.denied), (409, .busy), (408, .unavailable), (429, .unavailable),
            (503, .unavailable), (400, .refused), (413, .refused), (500, .refused), (501, .refused), (505, .refused),
            (999, .refused),
        ])
    func refusal(replyCode: Int, code: ListenerError.Code) throws {
        for answer in ["Client().hello()", "Client()"] {
            let outcome = try ask("\(answer).reply('PB1 \(replyCode) WORD TAG\\ntext=for no good reason')")
            #expect(outcome.error?.code == code)
            #expect(outcome.error?.replyCode == replyCode)
            let message = try #require(outcome.error?.message)
            #expect(message.hasSuffix(": \(replyCode): for no good reason"), "\(message)")
        }
    }

    @Test("A refusal before any request, with the tag 0, is one")
    func early() throws {
        let outcome = try ask("Client().reply('PB1 429 TOO-MANY 0\\ntext=64 connections')")
        #expect(outcome.error?.replyCode == 429)
    }

    @Test("A broker that is not there, or has nothing under a name, is followed by the binder, for all names")
    func fallback() throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "binder-\(UUID().uuidString)").path
        try Data("#!/bin/sh\necho \"$@\" >&2; exit 77\n".utf8).write(to: URL(fileURLWithPath: path))
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
        defer { try? FileManager.default.removeItem(atPath: path) }

        let missing = try ask(
            "Client().hello().reply('PB1 404 MISSING TAG\\ntext=none')", names: ["smtp", "http"], binder: path)
        #expect(missing.error?.exitStatus == 77)
        let message = try #require(missing.error?.message)
        #expect(message.contains("exit status 77: smtp http --fd 3; and before: get"), "\(message)")
        #expect(message.hasSuffix(": 404: none"), "\(message)")

        // Nobody listens there any more, and then nothing is there any more.
        let broker = try ScriptedBroker("listener.close(); tell('closed'); input()")
        #expect(broker.line() == "closed")
        #expect(self.error(asking: broker.path, binder: path)?.exitStatus == 77)
        #expect(self.error(asking: "/nonexistent/broker.sock", binder: path)?.exitStatus == 77)
        let neither = try #require(self.error(asking: "/nonexistent/broker.sock", binder: "/nonexistent/binder"))
        #expect(neither.code == .notStarted)
        #expect(neither.message.contains("/nonexistent/broker.sock: no such file"), "\(neither.message)")
    }

    private func error(
        asking path: String, binder: String, from sources: Set<Listener.Source> = [.broker, .binder]
    ) -> ListenerError? {
        do throws(ListenerError) {
            _ = try Listeners.obtain(["smtp"], from: sources, broker: path, binder: binder)
            return nil
        } catch {
            return error
        }
    }

    @Test("Who is not to be asked is not asked")
    func sources() throws {
        #expect(self.error(asking: "/nonexistent/b", binder: "/nonexistent/c", from: [.broker])?.code == .noBroker)
        #expect(self.error(asking: "/nonexistent/b", binder: "/nonexistent/c", from: [.binder])?.code == .notStarted)
        #expect(self.error(asking: "/nonexistent/b", binder: "/nonexistent/c", from: [.environment])?.code == .missing)
        #expect(self.error(asking: "/nonexistent/b", binder: "/nonexistent/c", from: [])?.code == .missing)
    }

    @Test("A path that is too long, or a folder that may not be entered, is an error and no fallback")
    func path() {
        let long = "/tmp/" + String(repeating: "x", count: 103)
        #expect(self.error(asking: long, binder: "/nonexistent/c")?.errno == ENAMETOOLONG)
        #expect(self.error(asking: "/dev/null/broker.sock", binder: "/nonexistent/c")?.code == .system)
    }
}
