import NIOCore
import Routing
import SMTPCore

/// What holds, as one event loop last saw it; confined to that loop.
///
/// Whoever asks gets what holds now, and takes no lock for it while nothing changes.
package final class LoopView {
    private let state: RelayState
    private var seen: RelayState.Current
    /// How the clients of each listener are met, which follows from that; made as it is asked for.
    private var terms: [SessionTerms?] = []

    init(_ state: RelayState) {
        self.state = state
        self.seen = state.current
    }

    /// Looks whether anything was replaced since: a word that all loops read and hardly anybody writes. Only where it was
    /// does it wait for others.
    private func refresh() {
        guard self.state.generation != self.seen.generation else { return }
        self.seen = self.state.current
        self.terms = []
    }

    /// What holds now; a transaction keeps the one that it began with.
    package var snapshot: RelaySnapshot {
        self.refresh()
        return self.seen.snapshot
    }

    /// The certificates for connections that begin now.
    var tls: TLSContexts {
        self.refresh()
        return self.seen.tls
    }

    /// What holds for a client that connects now, which its session keeps: a client that says EHLO twice is told the same.
    ///
    /// - Parameter listener: where it connects, by the place among the configuration's listeners.
    package func terms(at listener: Int) -> SessionTerms {
        self.refresh()
        while self.terms.count <= listener { self.terms.append(nil) }
        if let terms = self.terms[listener] { return terms }
        let terms = SessionTerms(self.seen.snapshot, self.seen.knowledge, listener: listener)
        self.terms[listener] = terms
        return terms
    }

    /// Keeps what a backend said of itself, for all loops; returns whether that is news.
    func learn(_ capabilities: ServerCapabilities, of backend: BackendAddress) -> Bool {
        self.refresh()
        let narrowed = self.seen.knowledge.narrowed(capabilities, of: backend)
        guard self.seen.knowledge.isNews(narrowed, of: backend) else { return false }
        return self.state.learn(capabilities, of: backend)
    }

    /// Whether to connect there is to connect to this relay.
    func isOurs(_ server: SocketAddress) -> Bool {
        self.refresh()
        return self.seen.ownAddresses.contains(server)
    }
}
