package import AuthHTTP
package import Routing
package import SMTPCore

// What the relay says of itself in its reply to EHLO.

extension ServerExtensions {
    /// What this relay serves by itself, whatever its backends have.
    package static let ofRelay: ServerExtensions = [
        .pipelining, .size, .eightBitMIME, .enhancedStatusCodes, .chunking, .limits,
    ]
    /// What this relay serves where its backends do: it can pass it on, and do nothing about it itself.
    package static let ofBackends: ServerExtensions = [.smtpUTF8, .dsn]
}

extension RelayConfiguration {
    /// Every group that mail may go to, those inside of routes, too; a group may be there twice.
    package var allGroups: [BackendGroup] {
        self.groups + self.routes.compactMap(\.group) + (self.postmaster.map { [$0] } ?? [])
    }

    /// Every backend of every group, each once, in the order of the configuration.
    package var allBackends: [BackendAddress] {
        var seen: Set<BackendAddress> = []
        return self.allGroups.flatMap(\.backends).map(\.address).filter { seen.insert($0).inserted }
    }

    /// The most octets of a message that any destination takes, announced as SIZE; 0 for no bound. A destination that takes
    /// less says so at its recipients.
    package var largestMessage: UInt64 {
        let limit = UInt64(self.limits.messageSize)
        var policies = self.allGroups.map(\.policy)
        if !self.allLookups.isEmpty {
            policies.append(self.lookupPolicy)
        }
        return policies.map { $0.size ?? limit }.max { $0 &- 1 < $1 &- 1 } ?? limit  // (no bound is the largest)
    }

    /// Which extensions to announce to a client, and to serve.
    ///
    /// - Parameters:
    ///   - knowledge: what is known of the backends. What depends on them is announced where every backend of every group
    ///     is known to have it; where a lookup names further ones, it is not.
    ///   - configured: what a listener is to announce in place of what was learnt; nil where it is not configured.
    ///   - lookup: who is asked where the client connects; nil where nobody is.
    ///   - own: what the relay serves by itself.
    ///   - passedOn: what it serves where its backends do.
    package func extensions(
        knowledge: BackendKnowledge, configured: ServerExtensions? = nil, lookup: LookupConfiguration?,
        own: ServerExtensions = .ofRelay,
        passedOn: ServerExtensions = .ofBackends
    ) -> ServerExtensions {
        // What is configured is still bound by what the relay can serve at all.
        if let configured { return configured.intersection(own.union(passedOn)) }
        return own.union(lookup == nil ? knowledge.shared(by: self.allBackends, of: passedOn) : [])
    }
}
