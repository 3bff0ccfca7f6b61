package import SMTPCore

/// What is known of backends: what each said of itself when it was last asked, by a probe or by a session in passing.
///
/// A backend that dies is not forgotten: an extension that it had it will have again, and what we announce to clients
/// does not change for its sake.
package struct BackendKnowledge: Equatable, Sendable {
    private var learnt: [BackendAddress: ServerCapabilities] = [:]

    /// Knows nothing.
    package init() {}

    /// What the backend last said of itself; nil where it has never been asked.
    package func capabilities(of backend: BackendAddress) -> ServerCapabilities? { self.learnt[backend] }

    /// Keeps what a backend said of itself; returns whether its extensions are others than before.
    ///
    /// STARTTLS and AUTH do not count: a backend announces them before a handshake, or behind it, and a probe in clear
    /// and a session under TLS would take turns.
    @discardableResult
    package mutating func learn(_ capabilities: ServerCapabilities, of backend: BackendAddress) -> Bool {
        let isNews = self.isNews(capabilities, of: backend)
        self.learnt[backend] = capabilities
        return isNews
    }

    /// Whether ``learn(_:of:)`` would say that it is news.
    package func isNews(_ capabilities: ServerCapabilities, of backend: BackendAddress) -> Bool {
        let changing: ServerExtensions = [.startTLS, .auth]
        let earlier = self.learnt[backend]
        return earlier?.extensions.subtracting(changing) != capabilities.extensions.subtracting(changing)
    }

    /// What is known of a backend once one of its servers has said this: a name may stand for several, which differ, and
    /// one of them may only take away from what is known of all.
    package func narrowed(_ capabilities: ServerCapabilities, of backend: BackendAddress) -> ServerCapabilities {
        guard backend.isName, let known = self.learnt[backend] else { return capabilities }
        var capabilities = capabilities
        capabilities.extensions.formIntersection(known.extensions)
        return capabilities
    }

    /// Forgets every backend but these: a configuration has others now.
    package mutating func keep(_ backends: Set<BackendAddress>) {
        self.learnt = self.learnt.filter { backends.contains($0.key) }
    }

    /// The extensions among `candidates` that every one of these backends is known to have; none where there is no
    /// backend.
    package func shared(by backends: some Collection<BackendAddress>, of candidates: ServerExtensions)
        -> ServerExtensions
    {
        guard !backends.isEmpty else { return [] }
        return backends.reduce(candidates) { $0.intersection(self.learnt[$1]?.extensions ?? []) }
    }
}
