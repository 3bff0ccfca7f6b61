import Foundation
import Testing

/// The clients in C and Python: against a broker that lies, and against postern-broker.
@Suite("The clients", .works, .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct ClientTests {
    /// What a client printed that asked a scripted broker for "smtp".
    private func ask(_ command: [String], _ script: String) throws -> [String] {
        let path = try RelayWorld.newFolder() + "/broker.sock"
        let broker = try RunningProgram([
            "python3", Clients.root.appending(path: "Tests/Vectors/scripted_broker.py").path, path, script,
        ])
        _ = try broker.line { $0 == "ready" }
        let (status, text) = try RunningProgram.run(command + ["ask", path, "smtp"])
        #expect(status == 0)
        return text.split(separator: "\n").map(String.init)
    }

    /// Each client as a command, by its language.
    private func clients() throws -> [[String]] {
        let check = try Clients.compile(
            "Tests/Vectors/check.c", ["-std=c99", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"])
        return [[check], ["python3", Clients.root.appending(path: "Tests/Vectors/check.py").path]]
    }

    @Test("A grant is checked and used; a reply that lies is refused whole, and no descriptor of it stays open")
    func hostile() throws {
        let cases: [(script: String, answer: String)] = [
            ("hello().grant(('smtp', s))", "smtp 127.0.9.10:"),
            (
                "hello().reply('PB1 200 OK TAG\\nfds=1\\nfd.0=' + line('smtp', s), s, s)",
                "another number of descriptors"
            ),
            ("hello().reply('PB1 200 OK TAG\\nfds=1\\nfd.0=' + line('smtp', s))", "another number of descriptors"),
            ("hello().reply('PB1 200 OK TAG\\nfds=2\\nfd.0=' + line('smtp', s), s, s)", "without its line"),
            ("hello().grant(('http', s))", "a name that was not asked for"),
            ("hello().reply('PB1 200 OK TAG\\nfds=1\\nfd.0=' + line('smtp', tcp()), s)", "bound elsewhere"),
            (
                "hello().reply('PB1 200 OK TAG\\nfds=1\\nfd.0=' + line('smtp', s).replace('tcp', 'udp'), s)",
                "another kind"
            ),
            ("hello().reply('PB1 200 OK TAG\\nfds=1\\nfd.0=' + line('smtp', s) + ' device=lo', s)", "another device"),
            ("hello().reply('PB1 200 OK TAG\\nfds=1\\nfd.0=smtp tcp [::]:25', open('/dev/null'))", "not a socket"),
            ("hello().reply('PB1 200 OK TAG\\nfds=1\\nfd.0=smtp tcp [::]:25', c.socket)", "neither IPv4 nor IPv6"),
            ("hello(); s.shutdown(2); c.grant(('smtp', s))", "not listening"),
            ("hello().reply('PB1 200 OK other\\nfds=1\\nfd.0=' + line('smtp', s), s)", "another request"),
            ("hello().reply('PB1 200 OK TAG\\nfds=1' + 20000 * '\\n', s)", "cut off"),
            ("hello().reply('PB1 200 OK TAG\\nfds=64', *[s] * 65)", "cut off"),
            ("hello().reply('PB1 200 OK TAG\\nfds=64', *[s] * 200)", "cut off"),
            ("hello().reply('nonsense', s)", "not a PB1 reply"),
            ("hello().reply('PB1 403 DENIED TAG\\ntext=no', s)", "a refusal with descriptors"),
            ("hello().reply('PB1 403 DENIED TAG\\ntext=not for you')", "403: not for you"),
            ("hello().read()", "closed"),
            ("reply('PB1 200 OK TAG\\nversion=1')", "without generation="),
            ("reply('PB1 200 OK TAG\\ngeneration=0123456789abcdef', s)", "do not belong there"),
            ("reply('PB1 429 TOO-MANY 0\\ntext=64 connections')", "429: 64 connections"),
        ]
        for client in try self.clients() {
            for (script, answer) in cases {
                let lines = try self.ask(client, "s = tcp(); c = Client(); c.\(script)")
                #expect(lines.count == 2 && lines[0].contains(answer), "\(client) \(script): \(lines)")
                #expect(lines.last == "open 0", "\(client) \(script): \(lines)")
            }
        }
    }

    @Test("Nobody listening is said so")
    func nobody() throws {
        for client in try self.clients() {
            let (status, text) = try RunningProgram.run(client + ["ask", "/nonexistent/broker.sock", "smtp"])
            #expect(status == 0)
            #expect(text.contains("connect to the broker /nonexistent/broker.sock: No such file"), "\(text)")
        }
    }

    private static let policy =
        "hello tcp 127.0.0.1:70 get=postern-app store=postern-binder drop=postern-app list=postern-app\n"

    @Test("The examples serve a listener that a binder stored, and hold its lease", arguments: ["c", "py"])
    func examples(language: String) throws {
        let network = try TestNetwork(policy: Self.policy)
        let broker = try BrokerUnderTest(in: network)
        let binder = try network.start(["env", World.binder, "hello", "--store"], as: "postern-binder")
        #expect(try binder.exitStatus() == 0, "\(binder.text)")
        #expect(try broker.item("hello") { _ in true } == "hello tcp 127.0.0.1:70 leases=0 queue=0")

        let command: [String]
        if language == "c" {
            command = [try Clients.compile("docs/examples/client.c", [])]
        } else {
            let module = try RelayWorld.file("postern.py", Clients.text("Sources/clients/python/postern.py"))
            let folder = URL(fileURLWithPath: module).deletingLastPathComponent().path
            try Clients.text("docs/examples/client.py").write(
                toFile: "\(folder)/client.py", atomically: true, encoding: .utf8)
            command = ["python3", "\(folder)/client.py"]
        }
        let program = try network.start(command, as: "postern-app")
        _ = try program.line { $0.hasPrefix("listening on ") }
        let connection = try network.connect(70)
        let greeting = try connection.receive(until: .now + .seconds(20))
        #expect(greeting == Array("hello\r\n".utf8))
        #expect(try broker.item("hello") { _ in true }.contains("leases=1 "))
        program.kill(SIGKILL)
        _ = try program.exitStatus()
        #expect(try broker.item("hello") { $0.contains("leases=0 ") }.contains("leases=0 "))

        let stranger = try network.start(command, as: "postern")
        #expect(try stranger.exitStatus() != 0)
        #expect(stranger.text.contains(": 403: "), "\(stranger.text)")
    }

    @Test("Python: exclusive and shared, release, list, stat, store, drop, renewal")
    func python() throws {
        let policy = """
            hello tcp 127.0.0.1:7000 get=postern-app store=postern-app drop=postern-app list=postern-app
            other tcp 127.0.0.1:7001 get=postern-app list=postern-app

            """
        let network = try TestNetwork(policy: policy)
        let broker = try BrokerUnderTest(in: network, sockets: [("other", "127.0.0.1", 7001)])
        let text = try broker.python(
            """
            import socket
            s = socket.socket(); s.bind(("127.0.0.1", 7000)); s.listen()
            b = Broker()
            b.store("hello", "tcp 127.0.0.1:7000", [s])
            print(b.list())
            for attempt in [lambda: b.store("hello", "tcp 127.0.0.1:7000", [s]), lambda: b.stat("none"),
                            lambda: b.release("hello"), lambda: b.drop("other"),
                            lambda: b.store("other", "tcp 127.0.0.1:7001", [s])]:
                try: attempt(); print("granted")
                except PosternError as error: print(type(error).__name__, error.code)
            with get(["hello", "other"], mode="exclusive") as lease:
                print({name: [m.getsockname() for m in made] for name, made in lease.sockets.items()})
                try: get("hello")
                except Busy: print("busy")
                lease.release("hello")
                shared = get("hello", wait=1)
                print(dict(b.stat("other"))["holders"], lease.is_held, shared.renew())
                shared.close()
            print(b.drop("hello"))
            print(b.list())
            """)
        #expect(
            text.split(separator: "\n") == [
                "['hello tcp 127.0.0.1:7000 leases=0 queue=0', 'other tcp 127.0.0.1:7001 leases=0 queue=0']",
                "Busy 409", "Missing 404", "Missing 404", "Denied 403", "Denied 403",
                "{'hello': [('127.0.0.1', 7000)], 'other': [('127.0.0.1', 7001)]}", "busy", "1 True {}", "1",
                "['hello tcp 127.0.0.1:7000 leases=0 queue=0 missing', 'other tcp 127.0.0.1:7001 leases=0 queue=0']",
            ], "\(text)")
    }
}
