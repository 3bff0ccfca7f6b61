import NIOCore
package import Routing
package import SMTPCore
import Synchronization

/// What all parts of a running relay share: what holds, and what is known of the backends.
///
/// Sessions do not ask it: each event loop has what it last saw (``LoopView``), and looks at ``generation`` alone.
package final class RelayState: Sendable {
    /// What holds at one time.
    struct Current {
        var snapshot: RelaySnapshot
        var tls: TLSContexts
        var knowledge = BackendKnowledge()
        var ownAddresses = OwnAddresses()
        /// The number of the change that it came with.
        var generation: UInt64 = 0
    }

    private struct Guarded {
        var current: Current
        var reloadHooks: [@Sendable () -> Void] = []
        var listeningHook: (@Sendable () -> Void)?
        var findingHook: (@Sendable () -> Void)?
    }

    private let guarded: Mutex<Guarded>
    private let latest = Atomic<UInt64>(0)
    /// The clients that are connected.
    let connections = Atomic<Int>(0)
    /// How often octets came in clear behind STARTTLS, from clients and from backends.
    let injections = Atomic<Int>(0)
    /// What all sessions keep of their messages.
    let replayBudget = ReplayBudget()
    /// Names the transactions of all sessions.
    let transactionIDs = TransactionIDs()
    /// The places that backends are connected to, and what is known of each.
    package let groups: GroupDirectory
    /// Checks the passwords of all sessions.
    let passwordChecker = PasswordChecker()

    /// Makes the state of a relay.
    package init(_ snapshot: RelaySnapshot) {
        self.groups = GroupDirectory(snapshot.configuration.allGroups)
        self.guarded = Mutex(Guarded(current: Current(snapshot: snapshot, tls: snapshot.tls)))
    }

    /// The number of the last change; who has seen the change with it has seen all. Takes no lock.
    var generation: UInt64 { self.latest.load(ordering: .acquiring) }

    /// What holds now, as a whole.
    var current: Current { self.guarded.withLock { $0.current } }

    /// What holds now; a transaction keeps the one that it began with.
    package var snapshot: RelaySnapshot { self.current.snapshot }

    /// Changes what holds; every event loop sees it with what it does next.
    private func change<Result>(_ body: (inout Current) -> (Result, isChange: Bool)) -> Result {
        self.guarded.withLock { guarded in
            let (result, isChange) = body(&guarded.current)
            if isChange {
                guarded.current.generation += 1
                // Behind the change, and within the lock: who sees the number finds what came with it, or more.
                self.latest.store(guarded.current.generation, ordering: .releasing)
            }
            return result
        }
    }

    /// The relay listens there, from now on.
    func listening(at addresses: [SocketAddress]) {
        self.change { current in
            current.ownAddresses = OwnAddresses(addresses)
            return ((), true)
        }
        let hook = self.guarded.withLock { $0.listeningHook }
        hook?()
    }

    /// Has `hook` called when the relay listens; there is one hook.
    func onListening(_ hook: @escaping @Sendable () -> Void) {
        self.guarded.withLock { $0.listeningHook = hook }
    }

    /// A backend that is a name, and had no address, has one.
    func found() {
        let hook = self.guarded.withLock { $0.findingHook }
        hook?()
    }

    /// Has `hook` called when a backend that is a name has its first address; there is one hook.
    func onFinding(_ hook: @escaping @Sendable () -> Void) {
        self.guarded.withLock { $0.findingHook = hook }
    }

    /// Whether to connect there is to connect to this relay.
    func isOurs(_ server: SocketAddress) -> Bool { self.current.ownAddresses.contains(server) }

    /// The certificates for connections that begin now.
    var tls: TLSContexts { self.current.tls }

    /// Replaces the certificates, where `snapshot` still holds; returns whether it does.
    func replace(_ tls: TLSContexts, of snapshot: RelaySnapshot) -> Bool {
        self.change { current in
            guard current.snapshot === snapshot else { return (false, false) }
            current.tls = tls
            return (true, true)
        }
    }

    /// Replaces what holds: for the transactions that begin from now on. What is known of backends that are still there
    /// stays known.
    package func replace(_ snapshot: RelaySnapshot) {
        // Before it holds: who begins with it finds its groups.
        self.groups.replace(snapshot.configuration.allGroups)
        self.change { current in
            current.snapshot = snapshot
            current.tls = snapshot.tls
            current.knowledge.keep(snapshot.backends)
            return ((), true)
        }
        let hooks = self.guarded.withLock { $0.reloadHooks }
        for hook in hooks { hook() }
    }

    /// Has `hook` called after each ``replace(_:)``, behind those from before.
    func onReplace(_ hook: @escaping @Sendable () -> Void) {
        self.guarded.withLock { $0.reloadHooks.append(hook) }
    }

    /// What holds for a client that connects now; ``LoopView/terms(at:)`` keeps it for the next.
    ///
    /// - Parameter listener: where it connects, by the place among the configuration's listeners.
    package func forNewSession(at listener: Int) -> SessionTerms {
        let current = self.current
        return SessionTerms(current.snapshot, current.knowledge, listener: listener)
    }

    /// Keeps what a backend said of itself; returns whether that is news. A backend of no group is passed over: a lookup
    /// may name any number of them.
    ///
    /// - Parameter isWhole: whether this is what all servers have that the backend stands for; of a name, one session hears of
    ///   one of them, and that one may only take away from what is known.
    package func learn(_ capabilities: ServerCapabilities, of backend: BackendAddress, isWhole: Bool = false) -> Bool {
        self.change { current in
            guard current.snapshot.backends.contains(backend) else { return (false, false) }
            let capabilities = isWhole ? capabilities : current.knowledge.narrowed(capabilities, of: backend)
            let isNews = current.knowledge.learn(capabilities, of: backend)
            return (isNews, isNews)
        }
    }

    /// What is known of the backends now.
    package var knowledge: BackendKnowledge { self.current.knowledge }
}
