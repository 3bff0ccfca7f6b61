import Logging
import SMTPCore
import Synchronization

/// The users files that were read, each read anew when it has changed.
///
/// A file that cannot be read any more, or has a mistake in it, changes nothing: what was read before stays, and the log says
/// so once.
final class UserFiles: Sendable {
    private struct Entry {
        var table: UserTable?
        var status: UserFile.Status?
        /// What the log said last of this file.
        var complaint: String?
    }

    private let entries = Mutex<[String: Entry]>([:])

    /// The users of a file as it is now; nil where it could never be read. It blocks on the disk, so that no event loop may
    /// call it.
    func table(_ path: String, logger: Logger) -> UserTable? {
        self.entries.withLock { entries in
            var entry = entries[path] ?? Entry()
            defer { entries[path] = entry }
            do {
                if let status = entry.status, try UserFile.status(path) == status { return entry.table }
                let (octets, status) = try UserFile.read(path)
                // Whatever is in it, it is not read again before it changes.
                entry.status = status
                let isFirst = entry.table == nil
                entry.table = try UserTable(octets)
                entry.complaint = nil
                if !isFirst { logger.notice("users-reloaded file=\(path) users=\(entry.table?.count ?? 0)") }
            } catch let error as UserFile.ReadError {
                Self.complain(error.message, &entry, logger)
            } catch let problem as UserTable.Problem {
                Self.complain("\(path):\(problem.line): \(problem.message)", &entry, logger)
            } catch {
                Self.complain("\(path): \(error)", &entry, logger)
            }
            return entry.table
        }
    }

    private static func complain(_ message: String, _ entry: inout Entry, _ logger: Logger) {
        guard entry.complaint != message else { return }
        entry.complaint = message
        let consequence = entry.table == nil ? "nobody can authenticate here" : "the users read before stay"
        logger.error("users-refused \(message): \(consequence)")
    }
}
