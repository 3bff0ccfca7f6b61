internal import BrokerCore

/// What is known of the broker.
package struct BrokerFacts: Sendable {
    /// The socket's path.
    package var path: String
    /// Kind, mode and owner of the socket.
    package var socket: Result<FileStatus, Unreadable>
    /// The same of its folder.
    package var folder: Result<FileStatus, Unreadable>
    /// The uid of postern-broker; nil if there is no such user.
    package var brokerUID: UInt32?
    /// What it said; nil if it was not asked.
    package var answer: Result<BrokerAnswer, BrokerFailure>?

    /// Makes facts.
    package init(
        path: String, socket: Result<FileStatus, Unreadable>, folder: Result<FileStatus, Unreadable>,
        brokerUID: UInt32?, answer: Result<BrokerAnswer, BrokerFailure>?
    ) {
        self.path = path
        self.socket = socket
        self.folder = folder
        self.brokerUID = brokerUID
        self.answer = answer
    }
}

/// What the broker said.
package struct BrokerAnswer: Sendable {
    /// Who listens on the socket, as the kernel says; nil if it does not.
    package var uid: UInt32?
    /// Which start of the broker this is.
    package var generation: String
    /// What it can do.
    package var features: [String]
    /// What it has, if the caller may know.
    package var sockets: Result<[BrokerSocket], BrokerFailure>

    /// Makes an answer.
    package init(
        uid: UInt32?, generation: String, features: [String], sockets: Result<[BrokerSocket], BrokerFailure>
    ) {
        self.uid = uid
        self.generation = generation
        self.features = features
        self.sockets = sockets
    }
}

/// Whether the broker is there, is who it should be, and has the names.
package enum BrokerCheck {
    /// The names whose sockets the broker says that it has, all of them.
    package static func held(_ facts: BrokerFacts) -> Set<String> {
        guard case .success(let answer)? = facts.answer, case .success(let sockets) = answer.sockets else { return [] }
        return Set(sockets.map(\.name)).subtracting(sockets.filter(\.missing).map(\.name))
    }

    /// The names of which the broker, which answers, does not say whether it has them.
    package static func unlisted(_ facts: BrokerFacts, of accesses: [Access]) -> Set<String> {
        guard case .success(let answer)? = facts.answer else { return [] }
        let wanted = Set(accesses.filter { $0.rights.contains(.get) }.map(\.name))
        guard case .success(let sockets) = answer.sockets else { return wanted }
        return wanted.subtracting(sockets.map(\.name))
    }

    /// Judges the facts; where `isNeeded` is false its absence is a note.
    package static func findings(_ facts: BrokerFacts, of accesses: [Access], isNeeded: Bool) -> [Finding] {
        switch facts.socket {
        case .failure(let error) where error.isMissing:
            return [
                Finding.problem(
                    .broker, facts.path, "no broker there",
                    "is postern-broker running? systemctl status postern-broker",
                    status: 69
                ).unless(isNeeded)
            ]
        case .failure(let error): return [.unknown(.broker, facts.path, error.text)]
        case .success(let status) where !status.isSocket:
            return [
                Finding.problem(
                    .broker, facts.path, "no socket", "remove it, then start postern-broker again", status: 69
                ).unless(isNeeded)
            ]
        case .success: break
        }
        var findings = [self.folder(facts)]
        switch facts.answer {
        case .none: findings.append(.unknown(.broker, facts.path, "it was not asked"))
        case .failure(let failure):
            findings.append(
                Finding.problem(
                    .broker, facts.path, "\(failure.operation): \(failure.cause)", failure.advice, status: failure.worst
                ).unless(isNeeded))
        case .success(let answer):
            findings.append(self.peer(facts, answer))
            findings += self.names(answer, accesses)
        }
        return findings
    }

    private static func folder(_ facts: BrokerFacts) -> Finding {
        let path = facts.path.split(separator: "/").dropLast().reduce(into: "") { $0 += "/\($1)" }
        switch facts.folder {
        case .failure(let error): return .unknown(.broker, path, error.text)
        case .success(let status):
            let found = "\(status.octal), uid \(status.uid)"
            guard !status.isWritableByOthers, status.uid == 0 || status.uid == facts.brokerUID else {
                return .problem(
                    .broker, path, "\(found): another than postern-broker could put a socket of its own there",
                    "chown it to postern-broker or root, and chmod go-w", status: 78)
            }
            return .ok(.broker, path, found)
        }
    }

    private static func peer(_ facts: BrokerFacts, _ answer: BrokerAnswer) -> Finding {
        let found = "answers HELLO; generation \(answer.generation), features \(answer.features.joined(separator: " "))"
        guard let uid = answer.uid else {
            return .unknown(.broker, facts.path, "\(found); whose it is, the kernel does not say")
        }
        // (A socket that systemd made is root's to the kernel.)
        if uid == 0 || uid == facts.brokerUID { return .ok(.broker, facts.path, found) }
        if facts.brokerUID == nil {
            return .note(
                .broker, facts.path, "\(found); of uid \(uid)", "there is no user postern-broker to compare it with")
        }
        return .problem(
            .broker, facts.path, "\(found); but of uid \(uid), not postern-broker",
            "it may be a false broker: ss -lxp shows whose it is", status: 78)
    }

    private static func names(_ answer: BrokerAnswer, _ accesses: [Access]) -> [Finding] {
        let wanted = accesses.filter { $0.rights.contains(.get) }
        guard !wanted.isEmpty else { return [] }
        let sockets: [BrokerSocket]
        switch answer.sockets {
        case .success(let found): sockets = found
        case .failure(let failure):
            return wanted.map { .unknown(.broker, $0.name, "whether the broker has it: \(failure.cause)") }
        }
        return wanted.map { access in
            let own = sockets.filter { $0.name == access.name }
            if own.isEmpty {
                return .unknown(
                    .broker, access.name, "the broker does not list it to you", "list= in the policy lets a user see it"
                )
            }
            let missing = own.filter { $0.missing || $0.spoiled }
            guard missing.isEmpty else {
                let text = missing.map { "\($0.socket) is \($0.state)" }.joined(separator: ", ")
                return Finding.problem(
                    .broker, access.name, text,
                    "store it: postern-binder \(access.name) --store, as a user of store=, or start its .socket unit",
                    status: 69
                ).unless(access.needsBroker)
            }
            let leases = own.map(\.leases).max() ?? 0
            return .ok(.broker, access.name, "held; leases \(leases)")
        }
    }
}

extension BrokerFailure {
    /// The status as the doctor has it: 69, 77 or 78.
    fileprivate var worst: UInt8 { self.status == 77 ? 77 : 69 }
}
