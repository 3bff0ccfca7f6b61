import AdminProtocol
import Inspection

/// What `postern backend` prints.
enum BackendTable {
    /// A row for each place of each group.
    static func text(_ groups: [GroupAnswer]) -> String {
        var table = Table([
            .left("GROUP"), .left("BACKEND"), .left("STATE"), .right("WEIGHT"), .right("CONNECTIONS"),
            .right("FAILURES"), .left("NOTES"),
        ])
        for group in groups {
            for backend in group.backends {
                table.append([
                    group.name, backend.backend, self.state(backend), "\(backend.weight)",
                    self.count(backend.connections, of: backend.maxConnections), "\(backend.failures)",
                    self.notes(backend, of: group),
                ])
            }
        }
        return table.text
    }

    /// What became of a backend.
    static func text(_ answer: DrainAnswer?) -> String {
        guard let answer else { return "no answer" }
        let sessions = "\(answer.connections) \(answer.connections == 1 ? "connection" : "connections")"
        return answer.isDrained
            ? "\(answer.group) \(answer.backend): drained; \(sessions) to end"
            : "\(answer.group) \(answer.backend): in use; \(sessions)"
    }

    private static func state(_ backend: BackendAnswer) -> String {
        guard let left = backend.ejectedFor, backend.state == .ejected else { return backend.state.rawValue }
        return left > 0 ? "ejected \((left + 999) / 1000)s" : "ejected, due"
    }

    private static func count(_ connections: Int, of limit: Int) -> String {
        limit == 0 ? "\(connections)" : "\(connections)/\(limit)"
    }

    private static func notes(_ backend: BackendAnswer, of group: GroupAnswer) -> String {
        var notes: [String] = []
        if backend.isBackup { notes.append("backup") }
        if backend.address != backend.backend { notes.append("at \(backend.address)") }
        if group.maxConnections != 0 {
            notes.append("group \(self.count(group.connections, of: group.maxConnections))")
        }
        return notes.joined(separator: ", ")
    }
}
