import Foundation
import Testing

/// `postern doctor` where something is wrong, each in a network of its own.
@Suite("postern doctor", .works, .enabled(if: World.isHere, Comment(rawValue: World.reason)))
struct DoctorTests {
    private static let policy = """
        smtp tcp *:25 bind=postern
        app tcp 127.0.0.1:81 get=postern-app

        """

    private struct Diagnosis {
        var status: Int32
        var text: String

        /// The lines of a verdict, without it and without the space before it.
        func lines(_ verdict: String) -> [String] {
            self.text.split(separator: "\n").compactMap { line in
                line.hasPrefix("  \(verdict) ") ? line.dropFirst(11).description : nil
            }
        }
        var problems: [String] { self.lines("problem") }
    }

    /// Runs the doctor to its end; `prefix` starts it.
    private func examine(
        _ arguments: String..., in network: TestNetwork, as user: String? = "postern", prefix: [String] = [],
        binder: String = World.binder
    ) throws -> Diagnosis {
        let program = try network.start(
            prefix + [RelayWorld.postern, "doctor"] + arguments, as: user, environment: ["POSTERN_BINDER": binder])
        return Diagnosis(status: try program.exitStatus(), text: program.text)
    }

    /// Runs a script in a network as root; fails unless it succeeds.
    private func prepare(_ script: String, in network: TestNetwork) throws {
        let (status, text) = try network.run(["sh", "-ec", script])
        try #require(status == 0, "\(text)")
    }

    /// A program that has port 25 of 127.0.0.1, and says so.
    private func occupy(in network: TestNetwork, as user: String? = nil) throws -> RunningProgram {
        let code = """
            import signal, socket
            listener = socket.socket()
            listener.bind(("127.0.0.1", 25))
            listener.listen()
            print("listening", flush=True)
            signal.pause()
            """
        let start = "echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start"
        if user != nil { try self.prepare(start, in: network) }
        let program = try network.start(["python3", "-I", "-c", code], as: user)
        _ = try program.line { $0 == "listening" }
        return program
    }

    @Test("Where nothing is wrong it is 0, and the broker's absence a note for whom the binder serves")
    func healthy() throws {
        let network = try TestNetwork(policy: Self.policy)
        let diagnosis = try self.examine(in: network)
        #expect(diagnosis.status == 0, "\(diagnosis.text)")
        #expect(diagnosis.problems.isEmpty)
        #expect(diagnosis.lines("ok").contains("file capability: cap_net_bind_service=p"))
        #expect(diagnosis.lines("ok").contains("smtp tcp *:25: free"))
        #expect(diagnosis.lines("note").contains { $0.hasPrefix("/run/postern/broker.sock: no broker there; ") })
        #expect(!diagnosis.text.contains("app"))
    }

    @Test("As JSON it is the same findings, the status of each problem a number")
    func json() throws {
        let network = try TestNetwork(policy: Self.policy)
        let text = try self.examine("app", in: network)
        let diagnosis = try self.examine("app", "--json", in: network)
        let findings = try #require(
            try JSONSerialization.jsonObject(with: Data(diagnosis.text.utf8)) as? [[String: Any]])
        #expect(diagnosis.status == 77)
        let lines = text.text.split(separator: "\n").filter { $0.hasPrefix("  ") }
        #expect(lines.count == findings.count)
        for (line, finding) in zip(lines, findings) {
            let words = ["verdict", "what", "finding"].compactMap { finding[$0] as? String }
            try #require(words.count == 3)
            let whole = [words[2], finding["advice"] as? String].compactMap(\.self).joined(separator: "; ")
            #expect(line.hasPrefix("  \(words[0]) ") && line.hasSuffix(" \(words[1]): \(whole)"))
        }
        let problem = try #require(findings.first { $0["verdict"] as? String == "problem" })
        #expect(problem["status"] as? Int == 77 && problem["group"] as? String == "policy")
    }

    @Test("A binder that was copied has lost its capability")
    func copied() throws {
        let network = try TestNetwork(policy: Self.policy)
        let copy = try RelayWorld.newFolder() + "/postern-binder"
        try self.prepare("cp \(World.binder) \(copy); chown root:postern-bind \(copy); chmod 750 \(copy)", in: network)
        let diagnosis = try self.examine("smtp", in: network, binder: copy)
        #expect(diagnosis.status == 77)
        #expect(
            diagnosis.problems == [
                "file capability: none (a copy, a chown or an edit loses it); as root: setcap cap_net_bind_service=p \(copy)"
            ])
    }

    @Test(
        "A capability of another kind is told",
        arguments: [
            ("cap_net_bind_service=ep", "cap_net_bind_service=ep: with `e`"),
            ("cap_net_raw=p", "cap 13=p, without cap_net_bind_service"),
            ("cap_net_bind_service,cap_net_raw=p", "cap_net_bind_service,cap 13=p: more than it needs"),
        ])
    func otherCapability(capability: String, words: String) throws {
        let network = try TestNetwork(policy: Self.policy)
        let copy = try RelayWorld.newFolder() + "/postern-binder"
        try self.prepare(
            "install -o root -g postern-bind -m 750 \(World.binder) \(copy); setcap \(capability) \(copy)", in: network)
        let diagnosis = try self.examine("smtp", in: network, binder: copy)
        #expect(diagnosis.status == 77)
        #expect(diagnosis.problems.count == 1)
        #expect(diagnosis.problems.first?.hasPrefix("file capability: \(words)") == true, "\(diagnosis.text)")
    }

    @Test("A binder of another user namespace's root is told")
    func otherNamespace() throws {
        let network = try TestNetwork(policy: Self.policy)
        let copy = try RelayWorld.newFolder() + "/postern-binder"
        try self.prepare(
            "install -o root -g postern-bind -m 750 \(World.binder) \(copy); setcap -n 100000 cap_net_bind_service=p \(copy)",
            in: network)
        let diagnosis = try self.examine("smtp", in: network, binder: copy)
        #expect(diagnosis.status == 77)
        #expect(diagnosis.problems.first?.contains("whose root is uid 100000 here") == true, "\(diagnosis.text)")
    }

    @Test("A binder on a file system mounted nosuid does not get its capability")
    func nosuid() throws {
        let network = try TestNetwork(policy: Self.policy)
        let folder = try RelayWorld.newFolder()
        let copy = folder + "/postern-binder"
        try self.prepare(
            """
            mount -t tmpfs -o nosuid,mode=755 tmpfs \(folder)
            install -o root -g postern-bind -m 750 \(World.binder) \(copy); setcap cap_net_bind_service=p \(copy)
            """, in: network)
        let diagnosis = try self.examine("smtp", in: network, binder: copy)
        #expect(diagnosis.status == 77)
        #expect(diagnosis.problems.count == 1)
        #expect(diagnosis.problems.first?.contains("mounted nosuid") == true, "\(diagnosis.text)")
    }

    @Test("A binder that is not there is 69, one that anybody can change 78, one of another group 77")
    func file() throws {
        let network = try TestNetwork(policy: Self.policy)
        let copy = try RelayWorld.newFolder() + "/postern-binder"
        #expect(try self.examine("smtp", in: network, binder: copy).status == 69)
        try self.prepare(
            "install -o root -g postern-bind -m 777 \(World.binder) \(copy); setcap cap_net_bind_service=p \(copy)",
            in: network)
        let open = try self.examine("smtp", in: network, binder: copy)
        #expect(open.status == 78)
        #expect(open.problems.first?.contains("others than root can change it") == true, "\(open.text)")
        try self.prepare(
            "chgrp postern-app \(copy); chmod 750 \(copy); setcap cap_net_bind_service=p \(copy)", in: network)
        let closed = try self.examine("smtp", in: network, binder: copy)
        #expect(closed.status == 77)
        #expect(
            closed.problems.first?.hasPrefix("start: uid 62525 (postern) may not start it") == true, "\(closed.text)")
    }

    @Test("no_new_privs is told")
    func noNewPrivileges() throws {
        let network = try TestNetwork(policy: Self.policy)
        let diagnosis = try self.examine("smtp", in: network, prefix: ["setpriv", "--no-new-privs", "--"])
        #expect(diagnosis.status == 77)
        #expect(diagnosis.problems.count == 1)
        #expect(diagnosis.problems.first?.hasPrefix("no_new_privs: set here") == true, "\(diagnosis.text)")
    }

    @Test("A bounding set without the capability is told")
    func boundingSet() throws {
        let network = try TestNetwork(policy: Self.policy)
        let diagnosis = try self.examine(
            "smtp", in: network, as: nil,
            prefix: [
                "setpriv", "--bounding-set", "-net_bind_service", "--reuid", "postern", "--regid", "postern",
                "--init-groups", "--",
            ])
        #expect(diagnosis.status == 77)
        #expect(diagnosis.problems.count == 1)
        #expect(diagnosis.problems.first?.hasPrefix("bounding set: lacks") == true, "\(diagnosis.text)")
    }

    @Test("Who has the port is named, where that can be seen; else its uid, and how to see it")
    func taken() throws {
        let network = try TestNetwork(policy: Self.policy)
        let other = try self.occupy(in: network)
        let asRoot = try self.examine("smtp", "--user", "postern", in: network, as: nil)
        #expect(asRoot.status == 69)
        #expect(
            asRoot.problems == [
                "smtp tcp *:25: taken (127.0.0.1:25) by python3 (pid \(other.pid), uid 0); stop it, or have another port in the policy"
            ])
        let asUser = try self.examine("smtp", in: network)
        #expect(asUser.status == 69)
        #expect(
            asUser.problems == [
                "smtp tcp *:25: taken (127.0.0.1:25) by a socket that uid 0 made, of a process that cannot be seen from here; "
                    + "as root: ss -lnp 'sport = :25'"
            ])
    }

    @Test("The user's own process on the port is a note")
    func own() throws {
        let network = try TestNetwork(policy: Self.policy)
        let own = try self.occupy(in: network, as: "postern")
        let diagnosis = try self.examine("smtp", in: network)
        #expect(diagnosis.status == 0, "\(diagnosis.text)")
        #expect(diagnosis.lines("note").contains { $0.contains("python3 (pid \(own.pid), uid 62525)") })
        #expect(diagnosis.lines("note").contains { $0.hasPrefix("net.ipv4.ip_unprivileged_port_start: 0: anybody") })
    }

    @Test("A policy that cannot be used is 78: a wrong line, an owner, a mode, none")
    func policyFile() throws {
        let path = "/etc/postern/sockets.conf"
        for (script, words) in [
            ("printf 'smtp tpc *:25\\n' >\(path)", "\(path):1:6: \"tpc\": a socket is tcp or udp"),
            ("chown postern \(path)", "\(path): not owned by root: chown root"),
            ("chmod 666 \(path)", "\(path): writable by others than root: chmod go-w"),
            ("chown postern /etc/postern", "/etc/postern: not owned by root: chown root"),
            ("rm \(path)", "\(path): no such file or directory"),
            ("chmod 600 \(path)", "\(path): permission denied"),
        ] {
            let network = try TestNetwork(policy: Self.policy)
            try self.prepare(script, in: network)
            let diagnosis = try self.examine("smtp", in: network)
            #expect(diagnosis.status == 78, "\(diagnosis.text)")
            #expect(diagnosis.problems.first?.hasPrefix(words) == true, "\(diagnosis.text)")
        }
    }

    @Test("Who may not have a name is told so, and what the line would say")
    func notPermitted() throws {
        let network = try TestNetwork(policy: Self.policy)
        let diagnosis = try self.examine("app", in: network)
        #expect(diagnosis.status == 77)
        #expect(diagnosis.problems.count == 1)
        #expect(
            diagnosis.problems.first?.hasPrefix(
                "app: uid 62525 (postern) may neither bind nor get it; add bind=postern")
                == true, "\(diagnosis.text)")
        let nobody = try self.examine(in: network, as: "postern-binder")
        #expect(nobody.status == 77)
        #expect(nobody.problems.first?.contains("uid 62529 (postern-binder) may have no name at all") == true)
        #expect(try self.examine("none", in: network).status == 78)
    }

    @Test("Whom only the broker serves has a problem without one, and with one that lacks the name")
    func noBroker() throws {
        let network = try TestNetwork(policy: Self.policy + "web tcp *:80 get=postern-app list=postern-app\n")
        let diagnosis = try self.examine(in: network, as: "postern-app")
        #expect(diagnosis.status == 69)
        #expect(
            diagnosis.problems == [
                "/run/postern/broker.sock: no broker there; is postern-broker running? systemctl status postern-broker"
            ])
        let broker = try network.broker()
        let empty = try self.examine(in: network, as: "postern-app")
        #expect(empty.status == 69)
        #expect(empty.problems.count == 1, "\(empty.text)")
        #expect(empty.problems.first?.hasPrefix("web: tcp *:80 is missing; store it: ") == true, "\(empty.text)")
        withExtendedLifetime(broker) {}
    }

    @Test("A broker that holds the name is ok, for whom may list it; who may not is told that it may be so")
    func held() throws {
        let network = try TestNetwork(
            policy: "smtp tcp *:25 get=postern,postern-app list=postern store=postern-binder bind=postern-binder\n")
        let broker = try network.broker()
        let binder = try network.start([World.binder, "smtp", "--store"], as: "postern-binder")
        #expect(try binder.exitStatus() == 0, "\(binder.text)")
        let lister = try self.examine(in: network)
        #expect(lister.status == 0, "\(lister.text)")
        #expect(lister.lines("ok").contains("smtp tcp *:25: held by the broker"))
        #expect(lister.lines("ok").contains("smtp: held; leases 0"))
        let other = try self.examine(in: network, as: "postern-app")
        #expect(other.status == 0, "\(other.text)")
        #expect(other.lines("note").contains { $0.contains("a socket that uid 62529 made, maybe the broker's") })
        let root = try self.examine("--user", "postern", in: network, as: nil)
        #expect(root.status == 0, "\(root.text)")
        #expect(
            root.lines("ok").contains(
                "smtp tcp *:25: held by the broker: postern-broker (pid \(broker.pid), uid 62528)"))
        withExtendedLifetime(broker) {}
    }

    @Test("A folder where anybody can put a socket is 78, and so is a broker of somebody else")
    func falseBroker() throws {
        let network = try TestNetwork(policy: "smtp tcp *:25 get=postern\n")
        try self.prepare("chmod 777 /run/postern", in: network)
        let broker = try network.scriptedBroker(["PB1 403 DENIED list\ntext=no\n"], as: "postern-app")
        let diagnosis = try self.examine("--socket", broker.path, in: network)
        #expect(diagnosis.status == 78)
        #expect(diagnosis.problems.count == 2, "\(diagnosis.text)")
        #expect(diagnosis.problems.first?.contains("could put a socket of its own there") == true)
        #expect(diagnosis.problems.last?.contains("but of uid 62526, not postern-broker") == true)
        #expect(try broker.program.exitStatus() == 0)
    }

    @Test("In a user namespace and without /proc/sys it says what it cannot tell and does not fail")
    func confined() throws {
        let network = try TestNetwork(policy: Self.policy)
        let namespace = try self.examine(
            "smtp", in: network, as: nil, prefix: ["unshare", "--user", "--map-user=0", "--map-group=0", "--"])
        #expect(namespace.text.contains("user namespace: one of its own; root in here is uid 0 outside"))
        let blind = try self.examine(
            "smtp", in: network, as: nil,
            prefix: ["unshare", "--mount", "--", "sh", "-c", "mount -t tmpfs tmpfs /proc/sys && exec \"$@\"", "sh"])
        for what in ["net.ipv4.ip_unprivileged_port_start", "net.core.somaxconn", "file capabilities"] {
            #expect(blind.lines("note").contains { $0.hasPrefix("\(what): cannot tell: ") }, "\(blind.text)")
        }
        #expect(blind.problems.isEmpty && blind.status == 0, "\(blind.text)")
    }

    @Test("A user that does not exist is a mistake of the command line")
    func noSuchUser() throws {
        let network = try TestNetwork(policy: Self.policy)
        let diagnosis = try self.examine("--user", "nobody-at-all", in: network)
        #expect(diagnosis.status == 64)
        #expect(diagnosis.text == "postern doctor: --user nobody-at-all: not in /etc/passwd")
    }
}
