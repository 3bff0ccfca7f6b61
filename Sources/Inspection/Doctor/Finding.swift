/// What one check found, and what to do about it.
package struct Finding: Equatable, Sendable, Encodable {
    /// How it is.
    package enum Verdict: String, Sendable, Encodable {
        /// As it should be.
        case ok
        /// To be known; also what cannot be told.
        case note
        /// Why a port is not to be had.
        case problem
    }

    /// What it is about.
    package enum Group: String, Sendable, Encodable, CaseIterable {
        /// /etc/postern/sockets.conf, and what it lets the user do.
        case policy
        /// postern-binder's file.
        case binder
        /// This process, and with it whatever is started from here.
        case process
        /// The ports themselves.
        case ports
        /// postern-broker.
        case broker
        /// What the kernel can do.
        case kernel
    }

    /// What it is about.
    package var group: Group
    /// How it is.
    package var verdict: Verdict
    /// The object: a path, a name, a setting.
    package var what: String
    /// What was found.
    package var finding: String
    /// What to do; nil where there is nothing to do.
    package var advice: String?
    /// The exit status of a problem, as the binder or a client of the broker's would end with it (sysexits(3)).
    package var status: UInt8?

    /// All is as it should be.
    package static func ok(_ group: Group, _ what: String, _ finding: String) -> Finding {
        Finding(group: group, verdict: .ok, what: what, finding: finding)
    }

    /// Something to be known.
    package static func note(_ group: Group, _ what: String, _ finding: String, _ advice: String? = nil) -> Finding {
        Finding(group: group, verdict: .note, what: what, finding: finding, advice: advice)
    }

    /// Something that could not be looked at.
    package static func unknown(_ group: Group, _ what: String, _ cause: String, _ advice: String? = nil) -> Finding {
        .note(group, what, "cannot tell: \(cause)", advice)
    }

    /// Why a port is not to be had.
    package static func problem(
        _ group: Group, _ what: String, _ finding: String, _ advice: String, status: UInt8
    ) -> Finding {
        Finding(group: group, verdict: .problem, what: what, finding: finding, advice: advice, status: status)
    }

    /// The same as a note where it does not stop anybody.
    func unless(_ isRelevant: Bool) -> Finding {
        guard self.verdict == .problem, !isRelevant else { return self }
        return .note(self.group, self.what, self.finding, self.advice)
    }

    /// `ok|note|problem  WHAT: finding; what to do`.
    package var line: String {
        let space = String(repeating: " ", count: 9 - self.verdict.rawValue.count)
        return "\(self.verdict.rawValue)\(space)\(self.what): \(self.finding)" + (self.advice.map { "; \($0)" } ?? "")
    }
}
