import BrokerCore
import Inspection
import Testing

@Suite struct PortCheckTests {
    private static let patient = Patient(Identity(uid: 7, gid: 7), name: "postern", isInBindGroup: true)

    private static func access(_ spec: String, backlog: Int32 = 4096, rights: Set<Right> = [.bind]) throws -> Access {
        let bytes = Array(spec.utf8)
        var socket = try SocketSpec(wireAt: TextRange(0, bytes.count), in: bytes.span)
        socket.backlog = backlog
        return Access("smtp", [.init(spec, socket)], rights)
    }

    private static func listener(
        _ host: Host = Host(family: .ipv4), port: UInt16 = 25, uid: UInt32 = 0, inode: UInt64 = 1
    ) -> BoundSocket {
        BoundSocket(transport: .tcp, host: host, port: port, uid: uid, inode: inode)
    }

    private func finding(
        _ sockets: [BoundSocket], _ holders: [UInt64: [Holder]] = [:], _ spec: String = "tcp 0.0.0.0:25",
        rights: Set<Right> = [.bind],
        broker: PortCheck.BrokerView = .init()
    ) throws -> Finding {
        let findings = PortCheck.findings(
            PortFacts(sockets: .success(sockets), holders: holders, somaxconn: .success(4096)),
            of: [try Self.access(spec, rights: rights)], patient: Self.patient, broker: broker)
        #expect(findings.count == 2)
        return findings[0]
    }

    @Test("A port that nobody has is free")
    func free() throws {
        #expect(try self.finding([]) == .ok(.ports, "smtp tcp 0.0.0.0:25", "free"))
        #expect(try self.finding([Self.listener(port: 26)]).finding == "free")
    }

    @Test("Who has it is named, by program, pid and uid, each once")
    func taken() throws {
        let nginx = Holder(pid: 4711, program: "nginx", uid: 0)
        let finding = try self.finding([Self.listener()], [1: [nginx, nginx, .init(pid: 5, program: "sh", uid: nil)]])
        #expect(finding.finding == "taken by nginx (pid 4711, uid 0), sh (pid 5)")
        #expect(finding.status == 69)
    }

    @Test("A holder that cannot be seen is told by its uid, and how to see it")
    func unseen() throws {
        let finding = try self.finding([Self.listener(uid: 33)])
        #expect(finding.finding == "taken by a socket that uid 33 made, of a process that cannot be seen from here")
        #expect(finding.advice == "as root: ss -lnp 'sport = :25'")
        #expect(finding.status == 69)
    }

    @Test("Another address that is in the way is said; one that need not be in the way is a note")
    func elsewhere() throws {
        let loopback = Self.listener(Host(family: .ipv4, low: 0x7F00_0001))
        #expect(try self.finding([loopback]).finding.hasPrefix("taken (127.0.0.1:25) by"))
        let dual = try self.finding([Self.listener(Host(family: .ipv6))], [:], "tcp 127.0.0.1:25")
        #expect(dual.verdict == .note)
        #expect(dual.finding.hasSuffix("unless that is IPV6_V6ONLY or of another device"))
    }

    @Test(
        "What the broker says that it has, or what its uid holds, is ok for whom it serves, and not for whom it does not"
    )
    func broker() throws {
        let own: [UInt64: [Holder]] = [1: [.init(pid: 9, program: "postern-broker", uid: 5)]]
        for view in [PortCheck.BrokerView(held: ["smtp"]), .init(held: ["smtp"], uid: 5), .init(uid: 5)] {
            #expect(
                try self.finding([Self.listener()], own, rights: [.get], broker: view)
                    == .ok(.ports, "smtp tcp 0.0.0.0:25", "held by the broker: postern-broker (pid 9, uid 5)"))
            #expect(try self.finding([Self.listener()], own, rights: [.store, .bind], broker: view).verdict == .ok)
            #expect(try self.finding([Self.listener()], own, rights: [.bind], broker: view).status == 69)
        }
        let held = PortCheck.BrokerView(held: ["smtp"])
        #expect(try self.finding([Self.listener()], rights: [.get], broker: held).finding == "held by the broker")
    }

    @Test("What is called postern-broker and is not the broker's uid is a problem")
    func falseBroker() throws {
        let holders: [UInt64: [Holder]] = [1: [.init(pid: 9, program: "postern-broker", uid: 6)]]
        for view in [PortCheck.BrokerView(), .init(held: ["http"], uid: 5), .init(unlisted: ["smtp"], uid: 5)] {
            let half = try self.finding(
                [Self.listener(), Self.listener(inode: 2)], [1: [.init(pid: 9, program: "postern-broker", uid: 5)]],
                rights: [.get], broker: view)
            #expect(half.status == 69)
            #expect(try self.finding([Self.listener()], holders, rights: [.get], broker: view).status == 69)
        }
    }

    @Test("What may be the broker's is a note, unless somebody else is seen to have it")
    func maybe() throws {
        let unseen = try self.finding([Self.listener(uid: 33)], broker: .init(unlisted: ["smtp"]))
        #expect(unseen.verdict == .note)
        #expect(unseen.finding == "taken by a socket that uid 33 made, maybe the broker's")
        let seen = try self.finding(
            [Self.listener()], [1: [.init(pid: 1, program: "x", uid: 0)]], broker: .init(unlisted: ["smtp"]))
        #expect(seen.verdict == .problem)
    }

    @Test("The user's own process is a note")
    func own() throws {
        let own = Holder(pid: 9, program: "postern", uid: 7)
        #expect(try self.finding([Self.listener(uid: 7)], [1: [own]]).verdict == .note)
        let mixed = try self.finding([Self.listener(uid: 7)], [1: [own, .init(pid: 10, program: "x", uid: 8)]])
        #expect(mixed.verdict == .problem)
        let half = try self.finding([Self.listener(uid: 7), Self.listener(uid: 8, inode: 2)], [1: [own]])
        #expect(half.verdict == .problem)
        #expect(half.finding.hasSuffix(", and a socket that uid 8 made, which cannot be seen from here"))
    }

    @Test("A backlog above net.core.somaxconn is a note, by the largest")
    func backlog() throws {
        func finding(_ backlogs: [Int32], _ limit: Result<Int, Unreadable>) throws -> Finding? {
            PortCheck.findings(
                PortFacts(sockets: .success([]), holders: [:], somaxconn: limit),
                of: try backlogs.map { try Self.access("tcp *:25", backlog: $0) }, patient: Self.patient,
                broker: .init()
            ).last
        }
        #expect(try finding([128, 4096], .success(4096))?.verdict == .ok)
        #expect(try finding([128, 4097], .success(4096))?.advice?.contains("net.core.somaxconn=4097") == true)
        #expect(try finding([1], .failure(Unreadable(errno: 13)))?.finding == "cannot tell: permission denied")
        let udp = PortCheck.findings(
            PortFacts(sockets: .success([]), holders: [:], somaxconn: .success(1)), of: [try Self.access("udp *:53")],
            patient: Self.patient, broker: .init())
        #expect(udp.count == 1)
    }

    @Test("Without /proc/net nothing can be told, and without names nothing is asked")
    func blind() throws {
        let facts = PortFacts(sockets: .failure(Unreadable(errno: 2)), holders: [:], somaxconn: .success(4096))
        let findings = PortCheck.findings(
            facts, of: [try Self.access("tcp *:25")], patient: Self.patient, broker: .init())
        #expect(findings.map(\.verdict) == [.note, .ok])
        #expect(PortCheck.findings(facts, of: [], patient: Self.patient, broker: .init()).isEmpty)
    }

    @Test("Only sockets that are in somebody's way are looked for")
    func conflicts() throws {
        let sockets = [Self.listener(), Self.listener(port: 80), Self.listener(Host(family: .ipv6), inode: 2)]
        #expect(PortCheck.conflicts(sockets, with: [try Self.access("tcp *:25")]).map(\.inode) == [1, 2])
    }
}
