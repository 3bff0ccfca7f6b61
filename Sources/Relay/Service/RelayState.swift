import NIOCore
package import Routing
package import SMTPCore
import Synchronization

/// What all parts of a running relay share: what holds, and what is known of the backends.
package final class RelayState: Sendable {
    private struct Current {
        var snapshot: RelaySnapshot
        var tls: TLSContexts
        var knowledge = BackendKnowledge()
        /// How the clients of each listener are met, which follows from both; made as it is asked for.
        var terms: [Int: SessionTerms] = [:]
        var reloadHooks: [@Sendable () -> Void] = []
        var listeningHook: (@Sendable () -> Void)?
        var findingHook: (@Sendable () -> Void)?
    }

    private let current: Mutex<Current>
    private let ownAddresses = Mutex(OwnAddresses())
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
        self.current = Mutex(Current(snapshot: snapshot, tls: snapshot.tls))
    }

    /// What holds now; a transaction keeps the one that it began with.
    package var snapshot: RelaySnapshot { self.current.withLock { $0.snapshot } }

    /// The relay listens there, from now on.
    func listening(at addresses: [SocketAddress]) {
        self.ownAddresses.withLock { $0 = OwnAddresses(addresses) }
        let hook = self.current.withLock { $0.listeningHook }
        hook?()
    }

    /// Has `hook` called when the relay listens; there is one hook.
    func onListening(_ hook: @escaping @Sendable () -> Void) {
        self.current.withLock { $0.listeningHook = hook }
    }

    /// A backend that is a name, and had no address, has one.
    func found() {
        let hook = self.current.withLock { $0.findingHook }
        hook?()
    }

    /// Has `hook` called when a backend that is a name has its first address; there is one hook.
    func onFinding(_ hook: @escaping @Sendable () -> Void) {
        self.current.withLock { $0.findingHook = hook }
    }

    /// Whether to connect there is to connect to this relay.
    func isOurs(_ server: SocketAddress) -> Bool {
        self.ownAddresses.withLock { $0 }.contains(server)
    }

    /// The certificates for connections that begin now.
    var tls: TLSContexts { self.current.withLock { $0.tls } }

    /// Replaces the certificates, where `snapshot` still holds; returns whether it does.
    func replace(_ tls: TLSContexts, of snapshot: RelaySnapshot) -> Bool {
        self.current.withLock { current in
            guard current.snapshot === snapshot else { return false }
            current.tls = tls
            return true
        }
    }

    /// Replaces what holds: for the transactions that begin from now on. What is known of backends that are still there
    /// stays known.
    package func replace(_ snapshot: RelaySnapshot) {
        // Before it holds: who begins with it finds its groups.
        self.groups.replace(snapshot.configuration.allGroups)
        let hooks = self.current.withLock { current in
            current.snapshot = snapshot
            current.tls = snapshot.tls
            current.knowledge.keep(snapshot.backends)
            current.terms = [:]
            return current.reloadHooks
        }
        for hook in hooks { hook() }
    }

    /// Has `hook` called after each ``replace(_:)``, behind those from before.
    func onReplace(_ hook: @escaping @Sendable () -> Void) {
        self.current.withLock { $0.reloadHooks.append(hook) }
    }

    /// What holds for a client that connects now, which its session keeps: a client that says EHLO twice is told the same.
    ///
    /// - Parameter listener: where it connects, by the place among the configuration's listeners.
    package func forNewSession(at listener: Int) -> SessionTerms {
        self.current.withLock { current in
            if let terms = current.terms[listener] { return terms }
            let terms = SessionTerms(current.snapshot, current.knowledge, listener: listener)
            current.terms[listener] = terms
            return terms
        }
    }

    /// Keeps what a backend said of itself; returns whether that is news. A backend of no group is passed over: a lookup
    /// may name any number of them.
    ///
    /// - Parameter isWhole: whether this is what all servers have that the backend stands for; of a name, one session hears of
    ///   one of them, and that one may only take away from what is known.
    package func learn(_ capabilities: ServerCapabilities, of backend: BackendAddress, isWhole: Bool = false) -> Bool {
        self.current.withLock { current in
            guard current.snapshot.backends.contains(backend) else { return false }
            var capabilities = capabilities
            if backend.isName, !isWhole, let known = current.knowledge.capabilities(of: backend) {
                capabilities.extensions.formIntersection(known.extensions)
            }
            guard current.knowledge.learn(capabilities, of: backend) else { return false }
            current.terms = [:]
            return true
        }
    }

    /// What is known of the backends now.
    package var knowledge: BackendKnowledge { self.current.withLock { $0.knowledge } }
}
