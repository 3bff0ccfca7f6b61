import AdminProtocol
import Logging
import Routing

// How the backends are, and the commands that take one out of use.

extension AdminDesk {
    func backends(now: UInt64 = GroupDirectory.now) -> AdminAnswer {
        AdminAnswer(
            groups: self.state.groups.table.entries.map { entry in
                GroupAnswer(
                    name: entry.group.name, balance: entry.group.balance.rawValue,
                    connections: entry.load.connections, maxConnections: entry.group.maxConnections,
                    backends: entry.members.map { Self.answer($0, now) })
            })
    }

    func drain(_ isDraining: Bool, _ group: String, _ backend: String) -> AdminAnswer {
        guard let entry = self.state.groups.table[group] else {
            return AdminAnswer(error: "no group is named \"\(group)\"")
        }
        let wanted = (try? BackendAddress(parsing: backend))?.description ?? backend
        let members = entry.members.filter {
            $0.endpoint.configured.description == wanted || $0.endpoint.name == wanted
        }
        guard !members.isEmpty else {
            let names = entry.group.backends.map(\.address.description).joined(separator: ", ")
            return AdminAnswer(error: "group \"\(group)\" has no backend \"\(backend)\"; it has \(names)")
        }
        for member in members {
            guard self.state.groups.drain(member.endpoint, isDraining) else { continue }
            let what = isDraining ? "backend-drained" : "backend-undrained"
            self.logger.notice(
                "\(what) group=\(group) backend=\(member.endpoint.name) connections=\(member.endpoint.connections)")
        }
        return AdminAnswer(
            drained: DrainAnswer(
                group: group, backend: wanted, isDrained: isDraining,
                connections: members.reduce(0) { $0 + $1.endpoint.connections }))
    }

    private static func answer(_ member: EndpointTable.Member, _ now: UInt64) -> BackendAnswer {
        let (endpoint, backend) = (member.endpoint, member.backend)
        let health = endpoint.health
        let connections = endpoint.connections
        let state: BackendAnswer.State =
            switch health.phase {
            case _ where endpoint.isDraining: connections > 0 ? .draining : .drained
            case .up: .up
            case .ejected: .ejected
            case .onTrial: .trial
            }
        return BackendAnswer(
            backend: endpoint.configured.description, address: endpoint.name, state: state, weight: backend.weight,
            isBackup: backend.isBackup, connections: connections, maxConnections: backend.maxConnections,
            failures: health.failures, ejections: health.ejections,
            ejectedFor: health.phase == .ejected ? Int(max(health.time, now) - now) : nil)
    }
}
