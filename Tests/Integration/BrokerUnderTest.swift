import Foundation

/// postern-broker as a test starts it, as the user postern-broker, at /run/postern/broker.sock of a test's network.
///
/// As under systemd, somebody else keeps the sockets: what is in `sockets` is bound once, by a process that starts the
/// broker with LISTEN_FDS, and starts it again when it is told to.
final class BrokerUnderTest: Sendable {
    let network: TestNetwork
    private let manager: RunningProgram

    private static let program = """
        import os, socket, sys, time
        broker, *entries = sys.argv[1:]
        names, sockets = [], []
        for entry in entries:
            name, host, port = entry.split(",")
            made = socket.socket()
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if entries.count(entry) > 1:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            made.bind((host, int(port)))
            made.listen(64)
            names.append(name)
            sockets.append(made)
        def start():
            child = os.fork()
            if child == 0:
                # Out of the way first, or one could be put over another.
                high = [os.dup(made.fileno()) for made in sockets]
                high = [os.dup2(number, 100 + index) for index, number in enumerate(high)]
                for index, number in enumerate(high):
                    os.dup2(number, 3 + index)
                os.closerange(3 + len(high), 200)
                environment = {"LISTEN_FDS": str(len(high)), "LISTEN_PID": str(os.getpid()),
                               "LISTEN_FDNAMES": ":".join(names)} if high else {}
                os.setgroups([62528]); os.setresgid(62528, 62528, 62528); os.setresuid(62528, 62528, 62528)
                os.execve(broker, [broker], environment)
            for _ in range(2000):
                probe = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                try:
                    probe.connect("/run/postern/broker.sock")
                    break
                except OSError:
                    time.sleep(0.005)
                finally:
                    probe.close()
            else:
                sys.exit("the broker does not listen")
            # (In one write: the broker has the same pipe, and says something at this moment.)
            os.write(1, b"broker %d\\n" % child)
            return child
        child = start()
        for line in sys.stdin:
            if line == "kill\\n":
                if child:
                    os.kill(child, 9)
                    os.waitpid(child, 0)
                    child = 0
                os.write(1, b"killed\\n")
            else:
                child = start()
        """

    /// - Parameters:
    ///   - sockets: a name, an address and a port of each; empty where binders store. One that stands there several times
    ///     is several that share the port.
    init(in network: TestNetwork, sockets: [(name: String, host: String, port: UInt16)] = []) throws {
        self.network = network
        self.manager = try network.start(
            ["python3", "-c", Self.program, "\(RelayWorld.programs)/postern-broker"]
                + sockets.map { "\($0.name),\($0.host),\($0.port)" }, input: true)
        _ = try self.manager.line { $0.hasPrefix("broker ") }
    }

    deinit {
        try? self.kill()
    }

    /// Ends the broker with SIGKILL; returns once it is gone.
    func kill() throws {
        let before = Self.kills(self.manager.text)
        try self.tell("kill")
        let after = self.manager.value(within: .seconds(30), of: Self.kills, until: { $0 > before })
        guard after > before else { throw HarnessError("the broker did not end:\n\(self.manager.text)") }
    }

    /// Starts it again; returns once it listens.
    func start() throws {
        let before = Self.starts(self.manager.text)
        try self.tell("start")
        let after = self.manager.value(within: .seconds(30), of: Self.starts, until: { $0 > before })
        guard after > before else { throw HarnessError("the broker did not start again:\n\(self.manager.text)") }
    }

    private static func starts(_ text: String) -> Int { text.split(separator: "\n").count { $0.hasPrefix("broker ") } }

    private static func kills(_ text: String) -> Int { text.split(separator: "\n").count { $0 == "killed" } }

    private func tell(_ word: String) throws {
        try self.manager.input?.write(contentsOf: Data("\(word)\n".utf8))
    }

    /// What LIST says of a name to the user postern-app, asked until `test` is content or the time is over.
    func item(_ name: String, until test: (String) -> Bool) throws -> String {
        let deadline = ContinuousClock.now + .seconds(20)
        while true {
            let text = try self.python("print(*[i for i in Broker().list() if i.startswith('\(name) ')], sep='\\n')")
            if test(text) || ContinuousClock.now > deadline { return text }
        }
    }

    /// Runs a line of Python that has the client's names, as the user postern-app; what it printed.
    func python(_ line: String) throws -> String {
        let module = try RelayWorld.file("postern.py", Clients.text("Sources/clients/python/postern.py"))
        let folder = URL(fileURLWithPath: module).deletingLastPathComponent().path
        let program = try self.network.start(
            ["python3", "-B", "-c", "import sys; sys.path.insert(0, '\(folder)')\nfrom postern import *\n\(line)"],
            as: "postern-app")
        _ = try program.exitStatus()
        return program.text
    }
}

/// The clients of the other languages, as files.
enum Clients {
    static var root: URL {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "../..").standardizedFileURL
    }

    static func text(_ path: String) throws -> String {
        try String(contentsOf: self.root.appending(path: path), encoding: .utf8)
    }

    /// Compiles a C program with the client's header; its path, which every user of the world may run.
    static func compile(_ path: String, _ options: [String]) throws -> String {
        let program = try RelayWorld.newFolder() + "/program"
        let (status, text) = try RunningProgram.run(
            ["cc", "-Wall", "-Wextra", "-Werror", "-g"] + options + [
                "-I", self.root.appending(path: "Sources/clients/c").path, "-o", program,
                self.root.appending(path: path).path,
            ])
        guard status == 0 else { throw HarnessError("cc \(path): \(text)") }
        return program
    }
}
