package import BrokerCore

/// Whether the policy can be used, and what it lets the patient do.
package struct PolicyCheck: Sendable {
    /// What was found.
    package private(set) var findings: [Finding] = []
    /// The names that matter: those asked for; without any, those that the patient may have (root: all).
    package private(set) var concerned: [Access] = []
    /// Whether the policy could be read at all.
    package private(set) var isKnown = false

    /// The policy's text, or what keeps it from being read.
    package enum Source: Sendable {
        /// The text.
        case text([UInt8])
        /// It or a folder of it: the place, what is wrong with it, and whether that is a lack of permission.
        case unreadable(place: String, cause: String, isDenied: Bool)
    }

    private static let path = "/etc/postern/sockets.conf"

    /// - Parameters:
    ///   - names: the names asked for; none for every name of the policy.
    ///   - number: looks a user or a group up, or says in words why it cannot.
    package init(
        _ source: Source, names: [String], patient: Patient, number: (Subject) throws(LookupFailure) -> UInt32?
    ) {
        let text: [UInt8]
        switch source {
        case .text(let bytes): text = bytes
        case .unreadable(let place, let cause, let isDenied):
            // The binder reads it as who starts it.
            self.findings = [
                isDenied && !patient.isInBindGroup
                    ? .unknown(.policy, place, cause)
                    : .problem(.policy, place, cause, "as it is, nobody gets a port from it", status: 78)
            ]
            return
        }
        let all: [Access]
        do throws(Access.ReadingError<LookupFailure>) {
            all = try Access.read(text, for: patient.identity, number: number)
        } catch {
            let finding: Finding =
                switch error {
                case .policy(let message):
                    .problem(
                        .policy, "\(Self.path):\(message)", "the whole policy is invalid", "correct this line",
                        status: 78)
                case .accounts(let failure):
                    .problem(
                        .policy, "/etc/passwd or /etc/group", failure.text,
                        "the policy's names are looked up there, and nowhere else", status: 78)
                }
            self.findings = [finding]
            return
        }
        self.isKnown = true
        let sockets = all.reduce(0) { $0 + $1.sockets.count }
        self.findings.append(
            .ok(.policy, Self.path, "valid, root's; \(all.count) names, \(sockets) lines"))
        self.findings += names.isEmpty ? self.judge(all, patient) : self.judge(all, names, patient)
    }

    /// Why a name could not be looked up.
    package struct LookupFailure: Error {
        /// In words.
        package var text: String

        /// Makes a failure.
        package init(_ text: String) { self.text = text }
    }

    /// Every name: one that is somebody else's is no problem.
    private mutating func judge(_ all: [Access], _ patient: Patient) -> [Finding] {
        self.concerned = patient.isRoot ? all : all.filter(\.isOfUse)
        if patient.isRoot {
            return all.map { $0.isOfUse ? Self.permitted($0, patient) : Self.rootsOwn($0) }
        }
        if self.concerned.isEmpty {
            let advice =
                "bind=\(patient.word) on a line lets it start postern-binder for it, get=\(patient.word) ask the broker"
            return [.problem(.policy, Self.path, "\(patient.text) may have no name at all", advice, status: 77)]
        }
        return self.concerned.map { Self.permitted($0, patient) }
    }

    /// The names that were asked for.
    private mutating func judge(_ all: [Access], _ names: [String], _ patient: Patient) -> [Finding] {
        names.map { name in
            guard let access = all.first(where: { $0.name == name }) else {
                return .problem(
                    .policy, name, "no such name", "add a line for it: \(name) tcp *:PORT bind=\(patient.word)",
                    status: 78)
            }
            self.concerned.append(access)
            if access.isOfUse { return Self.permitted(access, patient) }
            if patient.isRoot { return Self.rootsOwn(access) }
            return .problem(
                .policy, name, "\(patient.text) may neither bind nor get it",
                "add bind=\(patient.word) (from postern-binder) or get=\(patient.word) (from the broker) to each of its lines",
                status: 77)
        }
    }

    private static func permitted(_ access: Access, _ patient: Patient) -> Finding {
        let words = ([(.bind, "bind"), (.get, "get"), (.store, "store")] as [(Right, String)])
            .filter { access.rights.contains($0.0) }.map(\.1)
        let sockets = access.sockets.map(\.text).joined(separator: ", ")
        return .ok(.policy, access.name, "\(patient.text) may \(words.joined(separator: ", ")) it: \(sockets)")
    }

    private static func rootsOwn(_ access: Access) -> Finding {
        .note(
            .policy, access.name, "root has no right by itself: \(access.sockets.map(\.text).joined(separator: ", "))",
            "ask about the user who is to have it: postern doctor --user USER")
    }
}

extension PolicyCheck {
    /// Whether what is wrong with the binder keeps the patient from a port.
    package var needsBinder: Bool {
        !self.isKnown
            || self.concerned.contains { $0.rights.contains(.bind) || $0.rights.contains(.store) || !$0.isOfUse }
    }

    /// Whether what is wrong with the broker keeps the patient from a port.
    package var needsBroker: Bool { self.concerned.contains(where: \.needsBroker) }
}

extension Access {
    /// Whether the patient can do anything with it that gives a listener.
    package var isOfUse: Bool { !self.rights.isDisjoint(with: [.bind, .get, .store]) }
    /// Whether the broker is the only one to have it from.
    package var needsBroker: Bool { self.rights.contains(.get) && !self.rights.contains(.bind) }
}

extension Patient {
    /// As the policy would name it.
    var word: String { self.name ?? "\(self.identity.uid)" }
}
