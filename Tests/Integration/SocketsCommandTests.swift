import Foundation
import Testing

/// `postern sockets`, against the real broker, and against one that misbehaves.
@Suite("postern sockets", .works, .enabled(if: World.isHere, Comment(rawValue: World.reason)))
struct SocketsCommandTests {
    private static let policy = """
        smtp tcp *:25 get=postern,postern-app list=postern store=postern,postern-binder drop=postern bind=postern,postern-binder
        dns udp [::1]:53 reuseport=2 list=postern store=postern-binder bind=postern-binder
        web tcp [::]:80 v6only store=postern bind=postern list=postern

        """

    private func sockets(
        _ arguments: String..., in network: TestNetwork, as user: String = "postern", prefix: [String] = []
    ) throws -> (status: Int32, text: String) {
        let program = try network.start(prefix + [RelayWorld.postern, "sockets"] + arguments, as: user)
        return (try program.exitStatus(), program.text)
    }

    private func object(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any], "\(text)")
    }

    /// A network with a broker that has `smtp` and `dns`, from a binder.
    private func filled() throws -> (TestNetwork, RunningProgram) {
        let network = try TestNetwork(policy: Self.policy)
        let broker = try network.broker()
        let binder = try network.start([World.binder, "smtp", "dns", "--store"], as: "postern-binder")
        try #require(try binder.exitStatus() == 0, "\(binder.text)")
        return (network, broker)
    }

    @Test("list shows what the broker has and lacks, in columns")
    func list() throws {
        let (network, broker) = try self.filled()
        let (status, text) = try self.sockets("list", in: network)
        #expect(status == 0)
        #expect(
            text == """
                NAME  SOCKET              LEASES  QUEUE  STATE
                smtp  tcp *:25                 0      0  ok
                dns   udp [::1]:53             0      0  ok
                dns   udp [::1]:53             0      0  ok
                web   tcp [::]:80 v6only       0      0  missing
                """)
        withExtendedLifetime(broker) {}
    }

    @Test("list --json has numbers as numbers, and the broker's generation")
    func listJSON() throws {
        let (network, broker) = try self.filled()
        let (status, text) = try self.sockets("list", "--json", in: network)
        #expect(status == 0)
        let document = try self.object(text)
        #expect((document["generation"] as? String)?.count == 16)
        let sockets = try #require(document["sockets"] as? [[String: Any]])
        #expect(sockets.count == 4)
        #expect(
            sockets[0] as NSDictionary == [
                "name": "smtp", "transport": "tcp", "address": "*:25", "options": [String](), "leases": 0, "queue": 0,
                "missing": false, "spoiled": false, "exclusive": false,
            ])
        #expect(sockets[3]["options"] as? [String] == ["v6only"] && sockets[3]["missing"] as? Bool == true)
        withExtendedLifetime(broker) {}
    }

    /// Holds `smtp` from the broker until its input ends, having said so.
    private func hold(in network: TestNetwork) throws -> RunningProgram {
        let code = """
            import socket, sys
            broker = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            broker.connect("/run/postern/broker.sock")
            broker.send(b"PB1 GET a\\nname=smtp\\nmode=exclusive\\n")
            data, descriptors, flags, address = socket.recv_fds(broker, 16384, 4)
            print(data.decode().split()[1], len(descriptors), flush=True)
            sys.stdin.read()
            """
        let holder = try network.start(["python3", "-I", "-c", code], as: "postern-app", input: true)
        #expect(try holder.line { !$0.isEmpty } == "200 1")
        return holder
    }

    @Test("stat says who holds a name, and how")
    func stat() throws {
        let (network, broker) = try self.filled()
        let holder = try self.hold(in: network)
        let (status, text) = try self.sockets("stat", "smtp", in: network)
        #expect(status == 0)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        try #require(lines.count == 7, "\(text)")
        #expect(lines[1] == "smtp  tcp *:25       1      0  exclusive")
        #expect(lines[3] == "gets 1, denied 0, stores 1, heals 0, holders 1")
        #expect(lines[6].split(separator: " ").prefix(3) == ["\(holder.pid)", "postern-app", "exclusive"])
        let document = try self.object(try self.sockets("stat", "smtp", "--json", in: network).text)
        let holders = try #require(document["holders"] as? [[String: Any]])
        #expect(holders.count == 1)
        #expect(holders[0]["uid"] as? Int == 62526 && holders[0]["pid"] as? Int == Int(holder.pid))
        #expect(holders[0]["mode"] as? String == "exclusive" && holders[0]["milliseconds"] as? Int != nil)
        #expect(document["holderCount"] as? Int == 1 && document["gets"] as? Int == 1)
        withExtendedLifetime(broker) {}
    }

    @Test("Who may not is told so by the broker: 77; a name that is not there is 69")
    func refused() throws {
        let (network, broker) = try self.filled()
        for arguments in [["list"], ["stat", "smtp"], ["drop", "smtp"]] {
            let program = try network.start([RelayWorld.postern, "sockets"] + arguments, as: "postern-app")
            #expect(try program.exitStatus() == 77)
            #expect(program.text.contains("the broker refuses (403): "), "\(program.text)")
            #expect(program.text.contains("/etc/postern/sockets.conf says who may"))
        }
        let none = try self.sockets("stat", "none", in: network)
        #expect(none.status == 69)
        #expect(none.text.hasPrefix("postern sockets: stat \"none\": the broker refuses (404): "), "\(none.text)")
        withExtendedLifetime(broker) {}
    }

    @Test("drop closes the broker's copy, so that the port is free; a second one is 69")
    func drop() throws {
        let (network, broker) = try self.filled()
        #expect(try self.sockets("drop", "smtp", in: network) == (0, "dropped smtp: 1 socket"))
        #expect(throws: HarnessError.self) { try network.connect(25) }
        let again = try self.sockets("drop", "smtp", in: network)
        #expect(again.status == 69 && again.text.contains("(404)"), "\(again.text)")
        withExtendedLifetime(broker) {}
    }

    @Test("store gives the broker what LISTEN_FDS has under the name, spelled as the policy spells it")
    func store() throws {
        let network = try TestNetwork(policy: Self.policy)
        let broker = try network.broker()
        for (name, rest) in [("smtp", "tcp *:25"), ("web", "tcp [::]:80 v6only")] {
            let stored = try self.sockets("store", name, in: network, prefix: [World.binder, name, "--"])
            #expect(stored == (0, "stored \(name): 1 socket"))
            let listed = try self.sockets("list", in: network).text
            #expect(
                listed.split(separator: "\n").contains { $0.hasPrefix(name) && $0.contains(rest) && $0.hasSuffix("ok") }
            )
        }
        // The port outlives the program that had it from the binder.
        _ = try network.connect(25)
        withExtendedLifetime(broker) {}
    }

    @Test("Without a policy that it can read, store asks the socket itself, and finds the line")
    func storeBlind() throws {
        for socket in ["*:25", "[::]:25", "127.0.0.1:25", "[::1]:25 v6only"] {
            let network = try TestNetwork(
                policy: "smtp tcp \(socket) list=postern store=postern bind=postern\n")
            let broker = try network.broker()
            // (The broker has read it, and the binder, as root, still can.)
            let (status, text) = try network.run(["chmod", "600", "/etc/postern/sockets.conf"])
            try #require(status == 0, "\(text)")
            let program = try network.start([
                World.binder, "smtp", "--user", "postern", "--", RelayWorld.postern, "sockets", "store", "smtp",
            ])
            #expect(try program.exitStatus() == 0, "\(socket): \(program.text)")
            #expect(program.text == "stored smtp: 1 socket")
            withExtendedLifetime(broker) {}
        }
    }

    @Test("store refuses what is there already (69) unless it replaces it")
    func replace() throws {
        // (With reuseport= two sockets of one user can have the port; the broker does not take the same one twice.)
        let network = try TestNetwork(policy: "smtp tcp *:25 reuseport=1 bind=postern store=postern drop=postern\n")
        let broker = try network.broker()
        let binder = [World.binder, "smtp", "--"]
        #expect(try self.sockets("store", "smtp", in: network, prefix: binder) == (0, "stored smtp: 1 socket"))
        let again = try self.sockets("store", "smtp", in: network, prefix: binder)
        #expect(again.status == 69)
        #expect(
            again.text.hasPrefix("postern sockets: store \"smtp\" (tcp *:25): the broker refuses (409): "),
            "\(again.text)")
        let replaced = try self.sockets("store", "smtp", "--replace", in: network, prefix: binder)
        #expect(replaced == (0, "stored smtp: 1 socket"))
        withExtendedLifetime(broker) {}
    }

    @Test("store says what is wrong with what it was given")
    func storeRefusals() throws {
        let network = try TestNetwork(policy: Self.policy)
        let broker = try network.broker()
        let none = try self.sockets("store", "smtp", in: network)
        #expect(none.status == 64 && none.text.contains("no socket: start it with LISTEN_FDS"), "\(none.text)")
        let file = try self.sockets("store", "smtp", "--fd", "0", in: network)
        #expect(file == (64, "postern sockets: store \"smtp\": descriptor 0: not a socket"))
        let other = try self.sockets("store", "web", in: network, prefix: [World.binder, "smtp", "--"])
        #expect(other.status == 64 && other.text.contains("calls no socket so, but \"smtp\""), "\(other.text)")
        let wrong = try self.sockets("store", "web", "--fd", "3", in: network, prefix: [World.binder, "smtp", "--"])
        #expect(wrong.status == 69 && wrong.text.contains("(415)"), "\(wrong.text)")
        #expect(try self.sockets("stat", "no/name", in: network).status == 64)
        withExtendedLifetime(broker) {}
    }

    @Test("Sockets are given to no broker of a stranger's")
    func falseBroker() throws {
        let network = try TestNetwork(policy: Self.policy)
        let (status, text) = try network.run(["chmod", "777", "/run/postern"])
        try #require(status == 0, "\(text)")
        let broker = try network.scriptedBroker(["PB1 200 OK store\nstored=1\n"], as: "postern-app")
        let stored = try self.sockets(
            "store", "smtp", "--socket", broker.path, in: network, prefix: [World.binder, "smtp", "--"])
        #expect(stored.status == 77)
        #expect(stored.text.contains("neither root's nor postern-broker's"), "\(stored.text)")
        #expect(try broker.program.exitStatus() == 0)
        #expect(!broker.program.text.contains("STORE"), "\(broker.program.text)")
    }

    @Test("Without a broker it says so, and what to do: nothing there, nobody listening, no socket")
    func noBroker() throws {
        let network = try TestNetwork(policy: Self.policy)
        let none = try self.sockets("list", in: network)
        #expect(none.status == 69)
        #expect(
            none.text
                == "postern sockets: connect /run/postern/broker.sock: no broker there; is postern-broker running? "
                + "systemctl status postern-broker; postern doctor says more")
        let broker = try network.broker()
        broker.kill(SIGKILL)
        _ = try broker.exitStatus()
        let dead = try self.sockets("list", in: network)
        #expect(dead.status == 69 && dead.text.contains("nobody listens"), "\(dead.text)")
        #expect(try self.sockets("list", "--socket", "broker.sock", in: network).status == 64)
        let long = try self.sockets("list", "--socket", "/" + String(repeating: "x", count: 107), in: network)
        #expect(long.status == 64)
    }

    private func listScripted(_ replies: [String]) throws -> (status: Int32, text: String, broker: RunningProgram) {
        let network = try TestNetwork()
        let broker = try network.scriptedBroker(replies)
        let (status, text) = try network.run([RelayWorld.postern, "sockets", "list", "--socket", broker.path])
        return (status, text, broker.program)
    }

    @Test("list follows next=, page by page")
    func pages() throws {
        let (status, text, broker) = try self.listScripted([
            "PB1 200 OK list\nitem=a tcp *:1 leases=0 queue=0\nnext=1\n",
            "PB1 200 OK list\nnext=2\nitem=b tcp *:2 leases=0 queue=0\n",
            "PB1 200 OK list\nitem=c tcp *:3 leases=0 queue=0\n",
        ])
        #expect(status == 0)
        #expect(text.split(separator: "\n").dropFirst().map { $0.prefix(1) } == ["a", "b", "c"])
        #expect(try broker.exitStatus() == 0)
        #expect(
            broker.text.split(separator: "\n").dropFirst(2) == [
                "PB1 LIST list|", "PB1 LIST list|first=1|", "PB1 LIST list|first=2|",
            ])
    }

    @Test("Pages that do not lead on, or never end, are an error, not a loop")
    func endless() throws {
        let same = try self.listScripted(["PB1 200 OK list\nnext=1\n", "PB1 200 OK list\nnext=1\n"])
        #expect(same.status == 69 && same.text.contains("the answer cannot be read"), "\(same.text)")
        let endless = try self.listScripted((1...65).map { "PB1 200 OK list\nnext=\($0)\n" })
        #expect(endless.status == 69 && endless.text.contains("more than 64 pages"), "\(endless.text)")
    }

    @Test(
        "An answer that is none is 69, one of the system's errors 71",
        arguments: [
            ("hello", 69, "the answer cannot be read"), ("PB1 200 OK other\n", 69, "the answer cannot be read"),
            ("PB1 200 OK list\nitem=a tcp\n", 69, "the answer cannot be read"), ("", 69, "closed the connection"),
            ("PB1 500 INTERNAL list\ntext=dup\nerrno=24\n", 71, "the broker refuses (500): dup (errno 24)"),
            ("PB1 429 TOO-MANY 0\ntext=enough\n", 69, "the broker refuses (429): enough; try again"),
        ])
    func misbehaviour(reply: String, status: Int32, words: String) throws {
        let outcome = try self.listScripted([reply])
        #expect(outcome.status == status)
        #expect(outcome.text.contains(words), "\(outcome.text)")
    }
}
