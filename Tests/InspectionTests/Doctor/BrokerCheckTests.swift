import BrokerCore
import Inspection
import Testing

@Suite struct BrokerCheckTests {
    private static let path = "/run/postern/broker.sock"

    private static func access(_ rights: Set<Right>) throws -> Access {
        let bytes = Array("tcp *:25".utf8)
        return Access(
            "smtp", [.init("tcp *:25", try SocketSpec(wireAt: TextRange(0, bytes.count), in: bytes.span))], rights)
    }

    private static func answer(_ items: [String], uid: UInt32? = 5) -> BrokerAnswer {
        BrokerAnswer(
            uid: uid, generation: "9f1c07a2b35d4e68", features: ["wait", "store"],
            sockets: .success(items.compactMap { BrokerSocket(item: $0) }))
    }

    private static func facts(_ change: (inout BrokerFacts) -> Void = { _ in }) -> BrokerFacts {
        var facts = BrokerFacts(
            path: Self.path, socket: .success(FileStatus(mode: 0o140666, uid: 5, gid: 5)),
            folder: .success(FileStatus(mode: 0o040755, uid: 5, gid: 5)), brokerUID: 5,
            answer: .success(Self.answer(["smtp tcp *:25 leases=1 queue=0"])))
        change(&facts)
        return facts
    }

    private func findings(
        _ rights: Set<Right> = [.get], isNeeded: Bool = true, _ change: (inout BrokerFacts) -> Void = { _ in }
    ) throws -> [Finding] {
        BrokerCheck.findings(Self.facts(change), of: [try Self.access(rights)], isNeeded: isNeeded)
    }

    @Test("A broker that has the name is ok")
    func good() throws {
        #expect(
            try self.findings() == [
                .ok(.broker, "/run/postern", "0755, uid 5"),
                .ok(.broker, Self.path, "answers HELLO; generation 9f1c07a2b35d4e68, features wait store"),
                .ok(.broker, "smtp", "held; leases 1"),
            ])
        #expect(BrokerCheck.held(Self.facts()) == ["smtp"])
    }

    @Test("No broker is a problem of whom only the broker serves, and a note for the others")
    func absent() throws {
        for (isNeeded, verdict) in [(true, .problem), (false, .note)] as [(Bool, Finding.Verdict)] {
            let findings = try self.findings(isNeeded: isNeeded) {
                $0.socket = .failure(Unreadable(errno: 2))
                $0.answer = nil
            }
            #expect(findings.map(\.verdict) == [verdict])
            #expect(findings[0].advice?.contains("systemctl status postern-broker") == true)
        }
        #expect(try self.findings { $0.socket = .failure(Unreadable(errno: 13)) }.map(\.verdict) == [.note])
        #expect(
            try self.findings { $0.socket = .success(FileStatus(mode: 0o100644, uid: 0, gid: 0)) }.map(\.status) == [69]
        )
    }

    @Test("A folder in which somebody else could put a socket, and a broker of another uid, are problems always")
    func strangers() throws {
        for folder in [FileStatus(mode: 0o040777, uid: 0, gid: 0), FileStatus(mode: 0o040755, uid: 9, gid: 9)] {
            let findings = try self.findings([.bind], isNeeded: false) { $0.folder = .success(folder) }
            #expect(findings.first?.status == 78)
        }
        #expect(try self.findings { $0.folder = .failure(Unreadable(errno: 13)) }.first?.verdict == .note)
        for (uid, known, verdict) in [
            (5, 5, .ok), (0, 5, .ok), (9, 5, .problem), (9, nil, .note), (nil, 5, .note),
        ] as [(UInt32?, UInt32?, Finding.Verdict)] {
            let findings = try self.findings {
                $0.answer = .success(Self.answer([], uid: uid))
                $0.folder = .success(FileStatus(mode: 0o040755, uid: 0, gid: 0))
                $0.brokerUID = known
            }
            #expect(findings[1].verdict == verdict)
            #expect(findings[1].finding.contains("9f1c07a2b35d4e68"))
        }
    }

    @Test("A broker that does not answer is a problem, with what to do")
    func silent() throws {
        for (status, expected) in [(69, 69), (71, 69), (77, 77)] as [(UInt8, UInt8)] {
            let findings = try self.findings {
                $0.answer = .failure(BrokerFailure("connect x", "refused", advice: "start it", status: status))
            }
            #expect(findings.map(\.status) == [nil, expected])
            #expect(findings[1].line == "problem  \(Self.path): connect x: refused; start it")
            #expect(BrokerCheck.held(Self.facts { $0.answer = nil }) == [])
        }
    }

    @Test("A name that the broker lacks is a problem of whom only the broker serves; what it does not show is not told")
    func names() throws {
        let missing = ["smtp tcp *:25 leases=0 queue=0 missing"]
        let only = try self.findings { $0.answer = .success(Self.answer(missing)) }
        #expect(only.last?.status == 69)
        #expect(only.last?.finding == "tcp *:25 is missing")
        #expect(try self.findings([.get, .bind]) { $0.answer = .success(Self.answer(missing)) }.last?.verdict == .note)
        #expect(try self.findings([.bind]) { $0.answer = .success(Self.answer(missing)) }.count == 2)
        #expect(BrokerCheck.held(Self.facts { $0.answer = .success(Self.answer(missing)) }).isEmpty)
        let other = try self.findings { $0.answer = .success(Self.answer(["http tcp *:80 leases=0 queue=0"])) }
        #expect(other.last?.finding == "cannot tell: the broker does not list it to you")
        let denied = try self.findings {
            var answer = Self.answer([])
            answer.sockets = .failure(BrokerFailure("list", "refused", status: 77))
            $0.answer = .success(answer)
        }
        #expect(denied.last?.verdict == .note)
    }

    @Test("A name that may be got and is not listed may be held all the same, if the broker answers")
    func unlisted() throws {
        func unlisted(_ rights: Set<Right>, _ answer: Result<BrokerAnswer, BrokerFailure>?) throws -> Set<String> {
            BrokerCheck.unlisted(Self.facts { $0.answer = answer }, of: [try Self.access(rights)])
        }
        let failure = BrokerFailure("list", "refused", status: 77)
        var denied = Self.answer([])
        denied.sockets = .failure(failure)
        #expect(try unlisted([.get], .success(denied)) == ["smtp"])
        #expect(try unlisted([.get], .success(Self.answer(["http tcp *:80 leases=0 queue=0"]))) == ["smtp"])
        #expect(try unlisted([.get], .success(Self.answer(["smtp tcp *:25 leases=0 queue=0 missing"]))).isEmpty)
        #expect(try unlisted([.bind], .success(denied)).isEmpty)
        #expect(try unlisted([.get], .failure(failure)).isEmpty)
        #expect(try unlisted([.get], nil).isEmpty)
    }
}
