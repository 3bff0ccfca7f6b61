internal import BrokerCore

/// A process that has a socket open.
package struct Holder: Equatable, Sendable {
    /// Its number.
    package var pid: Int
    /// The program's name, 15 bytes at most.
    package var program: String
    /// Its real uid.
    package var uid: UInt32?

    /// Makes a holder.
    package init(pid: Int, program: String, uid: UInt32?) {
        (self.pid, self.program, self.uid) = (pid, program, uid)
    }

    /// `nginx (pid 4711, uid 0)`.
    var text: String { "\(self.program) (pid \(self.pid)" + (self.uid.map { ", uid \($0)" } ?? "") + ")" }
}

/// What is known of the ports.
package struct PortFacts: Sendable {
    /// Every socket that has a port in this network namespace.
    package var sockets: Result<[BoundSocket], Unreadable>
    /// Who holds which inode, as far as could be seen.
    package var holders: [UInt64: [Holder]]
    /// net.core.somaxconn.
    package var somaxconn: Result<Int, Unreadable>

    /// Makes facts.
    package init(
        sockets: Result<[BoundSocket], Unreadable>, holders: [UInt64: [Holder]], somaxconn: Result<Int, Unreadable>
    ) {
        self.sockets = sockets
        self.holders = holders
        self.somaxconn = somaxconn
    }
}

/// Whether the ports are free, and if not, who has them.
package enum PortCheck {
    /// The sockets that are in the way of one of the names.
    package static func conflicts(_ sockets: [BoundSocket], with accesses: [Access]) -> [BoundSocket] {
        sockets.filter { socket in
            accesses.contains { $0.sockets.contains { socket.conflict(with: $0.spec) != .none } }
        }
    }

    /// What the broker has to do with the ports.
    package struct BrokerView: Sendable {
        /// The names that it says it has.
        package var held: Set<String>
        /// The names that the patient may have from it, and of which it does not say whether it has them.
        package var unlisted: Set<String>
        /// Its uid.
        package var uid: UInt32?

        /// Makes a view.
        package init(held: Set<String> = [], unlisted: Set<String> = [], uid: UInt32? = nil) {
            self.held = held
            self.unlisted = unlisted
            self.uid = uid
        }
    }

    /// Judges the facts.
    package static func findings(
        _ facts: PortFacts, of accesses: [Access], patient: Patient, broker: BrokerView
    ) -> [Finding] {
        guard !accesses.isEmpty else { return [] }
        var findings: [Finding] = []
        switch facts.sockets {
        case .failure(let error):
            findings.append(.unknown(.ports, "/proc/net", error.text, "ss -lnp shows who has a port"))
        case .success(let sockets):
            for access in accesses {
                for socket in access.sockets {
                    let others = sockets.filter { $0.conflict(with: socket.spec) != .none }
                    findings.append(
                        others.isEmpty
                            ? .ok(.ports, "\(access.name) \(socket.text)", "free")
                            : self.taken(access, socket, others, facts, patient, broker))
                }
            }
        }
        return findings + self.backlogs(facts, accesses)
    }

    private static func taken(
        _ access: Access, _ socket: Access.Socket, _ others: [BoundSocket], _ facts: PortFacts, _ patient: Patient,
        _ broker: BrokerView
    ) -> Finding {
        let what = "\(access.name) \(socket.text)"
        let holders = others.flatMap { facts.holders[$0.inode] ?? [] }
        var names: [String] = []
        for holder in holders where !names.contains(holder.text) && names.count < 4 { names.append(holder.text) }
        let unseen = others.filter { facts.holders[$0.inode] == nil }
        let uids = Set(unseen.map(\.uid)).sorted().map { "uid \($0)" }.joined(separator: ", ")
        // A program's name can be anybody's: what tells the broker is that it says so, or its uid.
        let isBrokers = unseen.isEmpty && broker.uid != nil && holders.allSatisfy { $0.uid == broker.uid }
        if broker.held.contains(access.name) || isBrokers {
            let text = "held by the broker" + (names.isEmpty ? "" : ": \(names.joined(separator: ", "))")
            if patient.isRoot || !access.rights.isDisjoint(with: [.get, .store]) { return .ok(.ports, what, text) }
            return .problem(
                .ports, what, "\(text), and \(patient.text) may not get it there",
                "add get=\(patient.word) to each of the name's lines, or have it dropped: postern sockets drop \(access.name)",
                status: 69)
        }
        let filter = "sport = :\(socket.spec.port)"
        let (addresses, isCertain) = self.describe(others, socket)
        guard !names.isEmpty else {
            if broker.unlisted.contains(access.name) {
                return .note(
                    .ports, what, "taken\(addresses) by a socket that \(uids) made, maybe the broker's",
                    "list= in the policy would tell; as root: ss -lnp '\(filter)'")
            }
            return self.verdict(
                what, "taken\(addresses) by a socket that \(uids) made, of a process that cannot be seen from here",
                "as root: ss -lnp '\(filter)'", isCertain: isCertain)
        }
        let rest = unseen.isEmpty ? "" : ", and a socket that \(uids) made, which cannot be seen from here"
        let text = "taken\(addresses) by \(names.joined(separator: ", "))\(rest)"
        if unseen.isEmpty, holders.allSatisfy({ $0.uid == patient.identity.uid }), !patient.isRoot {
            return .note(.ports, what, text, "it is the user's own; end it if another is to have the port")
        }
        return self.verdict(what, text, "stop it, or have another port in the policy", isCertain: isCertain)
    }

    /// Where the others are bound, if that is elsewhere than the line says, and whether one is surely in the way.
    private static func describe(_ others: [BoundSocket], _ socket: Access.Socket) -> (String, isCertain: Bool) {
        var addresses: [String] = []
        for other in others where other.host != socket.spec.host {
            let text = other.addressText
            if !addresses.contains(text), addresses.count < 4 { addresses.append(text) }
        }
        let isCertain = others.contains { $0.conflict(with: socket.spec) == .certain }
        return (addresses.isEmpty ? "" : " (\(addresses.joined(separator: ", ")))", isCertain)
    }

    private static func verdict(_ what: String, _ text: String, _ advice: String, isCertain: Bool) -> Finding {
        guard isCertain else {
            return .note(.ports, what, "\(text), unless that is IPV6_V6ONLY or of another device", advice)
        }
        return .problem(.ports, what, text, advice, status: 69)
    }

    private static func backlogs(_ facts: PortFacts, _ accesses: [Access]) -> [Finding] {
        let what = "net.core.somaxconn"
        let limit: Int
        switch facts.somaxconn {
        case .success(let number): limit = number
        case .failure(let error): return [.unknown(.ports, what, error.text)]
        }
        let wanted = accesses.flatMap { access in
            access.sockets.filter { $0.spec.transport == .tcp }.map { (access.name, Int($0.spec.backlog)) }
        }
        guard let (name, most) = wanted.max(by: { $0.1 < $1.1 }) else { return [] }
        guard most > limit else { return [.ok(.ports, what, "\(limit), enough for backlog=\(most)")] }
        return [
            .note(
                .ports, what, "\(limit): the kernel shortens backlog=\(most) of \(name) to it",
                "sysctl net.core.somaxconn=\(most), or a smaller backlog=")
        ]
    }
}
