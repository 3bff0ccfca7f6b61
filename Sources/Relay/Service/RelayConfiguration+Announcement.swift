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
        self.groups + self.routes.map(\.group) + (self.postmaster.map { [$0] } ?? [])
    }

    /// Every backend of every group, each once, in the order of the configuration.
    package var allBackends: [BackendAddress] {
        var seen: Set<BackendAddress> = []
        return self.allGroups.flatMap(\.backends).map(\.address).filter { seen.insert($0).inserted }
    }

    /// Whether two domains may lead to different destinations, so that a transaction for both must be split: RFC 9422
    /// lets a server say so beforehand, by LIMITS RCPTDOMAINMAX=1.
    ///
    /// A lookup alone does not count: mostly it names one server, and who listens would split every message.
    package var mayLeadApart: Bool {
        self.routeTable.hasSeveralGroups || self.lookup != nil && !self.routes.isEmpty
    }

    /// What to announce to a client.
    ///
    /// - Parameters:
    ///   - knowledge: what is known of the backends. What depends on them is announced where every backend of every group
    ///     is known to have it; where a lookup names further ones, it is not.
    ///   - configured: what a listener is to announce in place of what was learnt; nil where it is not configured.
    package func announcement(
        serverName: String, knowledge: BackendKnowledge, configured: ServerExtensions? = nil
    ) -> EHLOAnnouncement {
        let learnt = self.lookup == nil ? knowledge.shared(by: self.allBackends, of: .ofBackends) : []
        return EHLOAnnouncement(
            serverName: serverName,
            // What is configured is still bound by what the relay can serve at all.
            extensions: configured?.intersection([.ofRelay, .ofBackends]) ?? [.ofRelay, learnt],
            size: UInt64(self.limits.messageSize),
            limits: .init(
                recipientMaximum: UInt64(self.limits.recipients), domainMaximum: self.mayLeadApart ? 1 : nil))
    }
}
