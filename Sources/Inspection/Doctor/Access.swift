package import BrokerCore

/// Whom the doctor asks about.
package struct Patient: Sendable {
    /// The uid, gid and groups.
    package var identity: Identity
    /// The user's name, if there is one.
    package var name: String?
    /// Whether the groups have postern-bind among them.
    package var isInBindGroup: Bool

    /// Makes a patient.
    package init(_ identity: Identity, name: String?, isInBindGroup: Bool) {
        self.identity = identity
        self.name = name
        self.isInBindGroup = isInBindGroup
    }

    /// `uid 62525 (postern)`.
    package var text: String { "uid \(self.identity.uid)" + (self.name.map { " (\($0))" } ?? "") }
    /// Whether it is root itself, who has no rights and whom the binder leaves to --user.
    package var isRoot: Bool { self.identity.uid == 0 }
}

/// A name of the policy, its sockets, and what the policy lets the patient do with it.
package struct Access: Sendable {
    /// One of the name's lines.
    package struct Socket: Sendable {
        /// `tcp [::]:25 v6only`, as the line spells it.
        package var text: String
        /// The socket.
        package var spec: SocketSpec

        /// Makes a socket.
        package init(_ text: String, _ spec: SocketSpec) {
            self.text = text
            self.spec = spec
        }
    }

    /// The name.
    package var name: String
    /// The name's lines.
    package var sockets: [Socket]
    /// What every one of the lines gives: who wants the name needs the right on each.
    package var rights: Set<Right>

    /// Makes an access.
    package init(_ name: String, _ sockets: [Socket], _ rights: Set<Right>) {
        self.name = name
        self.sockets = sockets
        self.rights = rights
    }

    /// Reads a policy, whole; `number` looks a user or a group up.
    package static func read<Failure: Error>(
        _ policy: [UInt8], for identity: Identity, number: (Subject) throws(Failure) -> UInt32?
    ) throws(ReadingError<Failure>) -> [Access] {
        let text = policy.span
        var result: [Access] = []
        var parser = PolicyParser()
        while true {
            var next: PolicyEntry?
            do throws(PolicyError) {
                next = try parser.next(in: text)
            } catch {
                throw .policy(String(writing: { error.append(to: &$0, in: text) }))
            }
            guard let entry = next else { return result }
            var rights: Set<Right> = []
            do throws(Failure) {
                for right in [.get, .bind, .store, .drop, .list] as [Right]
                where try entry.permits(right, to: identity, in: text, number: number) {
                    rights.insert(right)
                }
            } catch {
                throw .accounts(error)
            }
            let name = String(text, entry.name)
            let socket = Socket(String(writing: { entry.appendSpec(to: &$0, in: text) }), entry.socket)
            if let index = result.firstIndex(where: { $0.name == name }) {
                result[index].sockets.append(socket)
                result[index].rights.formIntersection(rights)
            } else {
                result.append(Access(name, [socket], rights))
            }
        }
    }

    /// Why a policy could not be read.
    package enum ReadingError<Failure: Error>: Error {
        /// A line of it is wrong: `LINE:COLUMN: "WORD": what is wrong`.
        case policy(String)
        /// A name could not be looked up.
        case accounts(Failure)
    }
}
