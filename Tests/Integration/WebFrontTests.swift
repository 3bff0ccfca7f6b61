import Foundation
import Testing

/// docs/web-front.md: the article's web front and its like, on port 80, by a user of no privilege. The files are those of
/// docs/examples/web-front, the commands those that the page shows.
@Suite(
    "A web front on port 80",
    .works, .enabled(if: RelayWorld.isHere && World.isHere, "needs a world and peers: scripts/test as root"))
struct WebFrontTests {
    private static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    private static let examples = root.appending(path: "docs/examples/web-front")
    private static let user = "www-data"

    /// A network with a broker that has port 80, and a folder of the user's with the examples in it.
    private final class Front {
        let network: TestNetwork
        let folder: String
        private let broker: RunningProgram
        private let page: String

        init() throws {
            page = try String(contentsOf: root.appending(path: "docs/web-front.md"), encoding: .utf8)
            network = try TestNetwork(
                policy: String(contentsOf: examples.appending(path: "sockets.conf"), encoding: .utf8))
            folder = try RelayWorld.newFolder(owner: 33)
            for name in ["nginx.conf", "haproxy.cfg", "server.js", "server.py", "app.py"] {
                let text = try Data(contentsOf: examples.appending(path: name))
                try text.write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
            }
            // (env execs once more: what setpriv execs has the permitted capabilities of root still.)
            broker = try network.start(["env", "\(programs)/postern-broker"], as: "postern-broker")
            _ = try broker.line { $0.contains("event=start") }
            let binder = try network.start(["env", World.binder, "http", "--store"], as: "postern-binder")
            guard try binder.exitStatus() == 0 else { throw HarnessError("postern-binder: \(binder.text)") }
        }

        private let programs = ProcessInfo.processInfo.environment["POSTERN_BIN"] ?? "/nonexistent"

        /// Starts a command of the page as the user, in the folder; fails unless the page shows it so.
        func start(_ command: String) throws -> RunningProgram { try launch(command, "exec ") }

        /// Runs a command of the page to its end: what it printed.
        func run(_ command: String) throws -> String {
            let program = try launch(command, "")
            guard try program.exitStatus() == 0 else { throw HarnessError("\(command): \(program.text)") }
            return program.text
        }

        private func launch(_ command: String, _ before: String) throws -> RunningProgram {
            guard page.contains("\n$ \(command)\n") else { throw HarnessError("not in docs/web-front.md: \(command)") }
            let path = "\(programs):\(RelayWorld.peers)/bin:/usr/bin:/bin"
            return try network.start(
                ["env", "-i", "PATH=\(path)", "sh", "-c", "cd \(folder) && \(before)\(command)"], as: user)
        }

        func startApp() throws -> RunningProgram {
            let app = try start("python3 app.py")
            _ = try app.line { $0 == "listening" }
            return app
        }
    }

    /// The user, and nothing else: every thread of the program and of what it started.
    private func expectUnprivileged(_ program: RunningProgram, atLeast count: Int) throws {
        var (waiting, seen) = ([program.pid], 0)
        while let process = waiting.popLast() {
            for thread in try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task") {
                let folder = "/proc/\(process)/task/\(thread)"
                let status = try String(contentsOfFile: "\(folder)/status", encoding: .utf8)
                var fields: [Substring: [Substring]] = [:]
                for line in status.split(separator: "\n") {
                    let words = line.split { $0 == ":" || $0 == "\t" || $0 == " " }
                    fields[words[0]] = Array(words.dropFirst())
                }
                #expect(fields["Uid"] == ["33", "33", "33", "33"], "\(program.name)")
                #expect(fields["Gid"] == ["33", "33", "33", "33"], "\(program.name)")
                for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] as [Substring] {
                    #expect(fields[set] == ["0000000000000000"], "\(program.name): \(set)")
                }
                let children = try String(contentsOfFile: "\(folder)/children", encoding: .utf8)
                waiting += children.split(separator: " ").compactMap { pid_t($0) }
                seen += 1
            }
        }
        #expect(seen >= count, "\(program.name): \(seen) threads")
    }

    private func headers(_ text: String) -> [String] { text.split(separator: "\n").map(String.init) }

    private static let nginx =
        "postern-exec --speak nginx http -- nginx -e stderr -p \"$PWD\" -c \"$PWD/nginx.conf\" -g 'daemon off; pid nginx.pid;'"
    private static let stranger =
        "curl -s -o /dev/null -w '%{http_code}' -H 'Host: myapp.flxw.de' http://127.0.0.1/page"
    private static let me = "curl -s -u me:secret -H 'Host: myapp.flxw.de' http://127.0.0.1/page"

    private func prepareNginx(_ front: Front) throws {
        _ = try front.run("printf 'me:%s\\n' \"$(openssl passwd -apr1 secret)\" > htpasswd")
        _ = try front.run("mkdir -p tmp")
    }

    @Test("nginx with the article's virtual host: 401 without the password, the app's page with it, headers and all")
    func nginxFront() throws {
        let front = try Front()
        let app = try front.startApp()
        try prepareNginx(front)
        let nginx = try front.start(Self.nginx)
        try front.network.waitForPort(80, of: nginx)
        #expect(try front.run(Self.stranger) == "401")
        let page = headers(try front.run(Self.me))
        #expect(page.first == "app /page")
        for header in [
            "X-Real-IP: 127.0.0.1", "X-Forwarded-For: 127.0.0.1", "Host: myapp.flxw.de", "X-NginX-Proxy: true",
        ] {
            #expect(page.contains(header), "\(page)")
        }
        // A master and its workers, at least the one that answered; none was ever anybody else.
        try expectUnprivileged(nginx, atLeast: 2)
        try quit(nginx)
        withExtendedLifetime(app) {}
    }

    /// The master and all of its workers end: none waits for a connection that another has taken.
    private func quit(_ nginx: RunningProgram) throws {
        nginx.kill(SIGQUIT)
        #expect(try nginx.exitStatus() == 0, "\(nginx.text)")
    }

    @Test("A new nginx takes over from the old one, and one that is stopped first is missed by nobody either")
    func nginxRestart() throws {
        let front = try Front()
        let app = try front.startApp()
        try prepareNginx(front)
        let first = try front.start(Self.nginx)
        try front.network.waitForPort(80, of: first)
        let clients = try Visitors(front.network)
        // The second starts beside the first, which is then told to end.
        let second = try front.start(
            "postern-exec --speak nginx http -- nginx -e stderr -p \"$PWD\" -c \"$PWD/nginx.conf\" -g 'daemon off; pid next.pid;'"
        )
        _ = try second.line { $0.contains("start worker process") }
        try quit(first)
        // Between these two nobody serves: clients wait in the listener's queue, which the broker keeps.
        try quit(second)
        let third = try front.start(Self.nginx)
        _ = try third.line { $0.contains("start worker process") }
        try clients.expectAllServed()
        try expectUnprivileged(third, atLeast: 2)
        try quit(third)
        withExtendedLifetime(app) {}
    }

    @Test("HAProxy with the same duties")
    func haproxyFront() throws {
        let front = try Front()
        let app = try front.startApp()
        let haproxy = try front.start("postern-exec http -- haproxy -db -f haproxy.cfg")
        try front.network.waitForPort(80, of: haproxy)
        #expect(try front.run(Self.stranger) == "401")
        let page = headers(try front.run(Self.me))
        #expect(page.first == "app /page")
        #expect(page.contains { $0.lowercased() == "x-real-ip: 127.0.0.1" }, "\(page)")
        #expect(page.contains { $0.lowercased() == "x-forwarded-for: 127.0.0.1" }, "\(page)")
        try expectUnprivileged(haproxy, atLeast: 1)
        haproxy.stop()
        withExtendedLifetime(app) {}
    }

    @Test(
        "Node and Python, by the number of the listener's descriptor",
        arguments: [
            ("postern-exec http -- node server.js {fd:http}", "node"),
            ("postern-exec http -- python3 server.py {fd:http}", "python"),
        ])
    func server(command: String, answer: String) throws {
        let front = try Front()
        let server = try front.start(command)
        #expect(try server.line { $0.hasPrefix("listening") } == "listening on port 80")
        #expect(try front.run("curl -s http://127.0.0.1/page").hasPrefix(answer))
        try expectUnprivileged(server, atLeast: 1)
        // (These inherit the blocked signals of the thread that started them, and do not unblock SIGTERM.)
        server.kill(SIGKILL)
        #expect(try server.exitStatus() == 128 + SIGKILL)
    }

    @Test("Another user is refused, and told why")
    func anotherUser() throws {
        let front = try Front()
        let programs = ProcessInfo.processInfo.environment["POSTERN_BIN"] ?? "/nonexistent"
        let program = try front.network.start(
            ["env", "\(programs)/postern-exec", "--from", "broker", "http", "--", "true"], as: "postern-app")
        #expect(try program.exitStatus() == 77)
        #expect(program.text.contains("get \"http\" from"), "\(program.text)")
    }
}

/// Somebody who asks port 80 for a page, again and again.
private struct Visitors {
    private let program: RunningProgram
    private let stop: String

    init(_ network: TestNetwork) throws {
        let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Systemd/machine.py")
        let script = try RelayWorld.file("machine.py", String(contentsOf: source, encoding: .utf8))
        stop = script + ".stop"
        program = try network.start(
            ["/usr/bin/python3", "-I", script, "knock", "80", stop, "GET / HTTP/1.0\r\n\r\n"])
        _ = try program.line { $0 == "knocking" }
    }

    /// Ends them; fails unless each was answered, and they were not a few.
    func expectAllServed(sourceLocation: SourceLocation = #_sourceLocation) throws {
        try Data().write(to: URL(fileURLWithPath: stop))
        #expect(try program.exitStatus() == 0, sourceLocation: sourceLocation)
        let counts = try program.line { $0.hasPrefix("greeted=") }
        let numbers = counts.split { !$0.isNumber }.compactMap { Int($0) }
        #expect(
            numbers.count == 3 && numbers[0] >= 20 && numbers[1] == 0 && numbers[2] == 0, "\(program.text)",
            sourceLocation: sourceLocation)
    }
}
