import Logging
import NIOCore
import NIOPosix
import Routing
import SMTPCore
import SMTPNIO

/// Makes one connection to a destination: for a group, to its backends in the balancer's order until one answers.
///
/// Confined to its event loop, which is the client's: both legs of a session are on one.
struct BackendConnector {
    /// Why there is no connection.
    enum Refusal: Error {
        /// No backend could be reached, or the attempt was given up.
        case unreachable
        /// Every backend that could be reached had as many sessions as it may, for as long as was waited.
        case busy
    }

    /// What is under way for one session, which may lose interest. Confined to its event loop.
    final class Attempt {
        private var channels: [any Channel] = []
        private(set) var isGivenUp = false
        /// How to leave the line of those who wait for a place; nil where it waits for none.
        private var leaveLine: (() -> Void)?

        /// Ends it: a client that came and left would otherwise hold a descriptor for as long as its backends are silent.
        func giveUp() {
            self.isGivenUp = true
            let channels = self.channels
            self.channels = []
            for channel in channels { channel.close(promise: nil) }
            self.leaveLine?()
            self.leaveLine = nil
        }

        /// It waits for a place.
        fileprivate func waits(leave: @escaping () -> Void) {
            self.leaveLine = leave
        }

        /// It waits no more.
        fileprivate func left() {
            self.leaveLine = nil
        }

        /// A channel is being connected; a name has one for each address.
        fileprivate func began(_ channel: any Channel) {
            if self.isGivenUp { channel.close(promise: nil) } else { self.channels.append(channel) }
        }

        /// No more is to be closed: a backend was reached, or is not to be had.
        fileprivate func ended() {
            self.channels = []
        }
    }

    let context: LoopContext
    let snapshot: RelaySnapshot
    /// On whose behalf; nil for a connection that is made before anybody needs it.
    let client: ClientFacts?
    let deadline: NIODeadline
    /// Whether a connection of its own has to be made: one that had served before turned out to be of no use.
    var isFresh = false
    let attempt = Attempt()

    /// Connects, and calls `completion` once, on the event loop. Who gave the attempt up may not be told.
    ///
    /// The handler's session begins at once, and tells `delegate`.
    ///
    /// - Parameter tried: the places of a group that failed for the same transaction.
    func connect(
        to destination: Destination, excluding tried: [Endpoint] = [],
        delegate: any SMTPClientDelegate, completion: @escaping (Result<BackendConnection, Refusal>) -> Void
    ) {
        switch destination {
        case .group(let group):
            self.connect(to: group, tried: tried, delegate: delegate, completion: completion)
        case .server(let address, _, _):
            let shelf = BackendPool.Shelf.server(address)
            if self.reuse(shelf, delegate, completion) { return }
            let policy = self.snapshot.configuration.lookupPolicy
            let handler = self.makeHandler(policy, delegate)
            self.reach(.socketAddress(address), policy, handler) { error in
                if let error {
                    self.report(error, address.hostAndPort)
                    return completion(.failure(.unreachable))
                }
                let endpoint = address.port.map { (host: address.ipAddress ?? "", port: $0) }
                completion(
                    .success(
                        BackendConnection(
                            handler: handler, address: address.hostAndPort, policy: policy, endpoint: endpoint,
                            backend: nil, place: nil, shelf: shelf, snapshot: self.snapshot)))
            }
        }
    }

    private func connect(
        to group: BackendGroup, tried: [Endpoint], mayBorrow: Bool = true, delegate: any SMTPClientDelegate,
        completion: @escaping (Result<BackendConnection, Refusal>) -> Void
    ) {
        guard NIODeadline.now() < self.deadline, !self.attempt.isGivenUp else {
            return completion(.failure(.unreachable))
        }
        let choice = self.context.groups.choose(group, excluding: tried, mayBorrow: mayBorrow)
        guard case .full = choice else {
            return self.connect(choice, of: group, tried: tried, delegate: delegate, completion: completion)
        }
        let waiter = self.context.groups.wait(for: group, excluding: tried, atMost: self.deadline - .now()) { choice in
            self.attempt.left()
            self.connect(choice, of: group, tried: tried, delegate: delegate, completion: completion)
        }
        guard let waiter else { return self.refuse(.busy, group, completion) }
        self.attempt.waits { [groups = self.context.groups] in groups.leave(waiter, group) }
    }

    private func connect(
        _ choice: GroupState.Choice, of group: BackendGroup, tried: [Endpoint], delegate: any SMTPClientDelegate,
        completion: @escaping (Result<BackendConnection, Refusal>) -> Void
    ) {
        switch choice {
        case .place(let place):
            let shelf = BackendPool.Shelf.endpoint(ObjectIdentifier(place.endpoint))
            // A backend that is being tried has to greet.
            if place.role == .ordinary, self.reuse(shelf, delegate, completion) { return place.end() }
            guard place.isCounted else {
                // The connection that waits there is not for this session, which asks for its place like anybody else: it
                // may be free at once, or when TLS is closed, or be another event loop's by then.
                self.context.pool.giveWay(shelf)
                return self.connect(
                    to: group, tried: tried, mayBorrow: false, delegate: delegate, completion: completion)
            }
            self.connect(at: place, delegate: delegate) { connection in
                if let connection { return completion(.success(connection)) }
                // Nobody is to wait for one dead backend after the other.
                guard place.role != .earlyTrial else { return self.refuse(.unreachable, group, completion) }
                self.connect(
                    to: group, tried: tried + [place.endpoint], delegate: delegate, completion: completion)
            }
        case .full: self.refuse(.busy, group, completion)
        case .unavailable: self.refuse(.unreachable, group, completion)
        }
    }

    /// Has a connection from the pool, where one waits there: it was ready before.
    private func reuse(
        _ shelf: BackendPool.Shelf, _ delegate: any SMTPClientDelegate,
        _ completion: (Result<BackendConnection, Refusal>) -> Void
    ) -> Bool {
        guard !self.isFresh, let connection = self.context.pool.take(shelf, for: self.snapshot) else { return false }
        self.reuse(connection, delegate, completion)
        return true
    }

    private func reuse(
        _ connection: BackendConnection, _ delegate: any SMTPClientDelegate,
        _ completion: (Result<BackendConnection, Refusal>) -> Void
    ) {
        connection.serve(delegate)
        completion(.success(connection))
        // (Who wanted it may have gone.)
        if connection.handler.isConnected { delegate.clientReady() }
    }

    /// Connects to this place, which is given back where there is no connection; then the completion has nil.
    func connect(
        at place: EndpointPlace, delegate: any SMTPClientDelegate, completion: @escaping (BackendConnection?) -> Void
    ) {
        let endpoint = place.endpoint
        let policy = place.policy
        let handler = self.makeHandler(policy, delegate)
        handler.onClose { place.end() }
        self.reach(.endpoint(endpoint), policy, handler) { error in
            guard let error else {
                return completion(
                    BackendConnection(
                        handler: handler, address: endpoint.name, policy: policy, endpoint: endpoint.resolved,
                        backend: endpoint.configured, place: place, shelf: .endpoint(ObjectIdentifier(endpoint)),
                        snapshot: self.snapshot))
            }
            self.report(error, endpoint.name)
            if !self.attempt.isGivenUp { place.failed() }
            place.end()
            completion(nil)
        }
    }

    private func refuse(
        _ refusal: Refusal, _ group: BackendGroup, _ completion: (Result<BackendConnection, Refusal>) -> Void
    ) {
        if !self.attempt.isGivenUp {
            self.context.logger.warning("group-\(refusal) group=\(group.name) client=\(self.client?.name ?? "-")")
        }
        completion(.failure(refusal))
    }

    private enum Target: CustomStringConvertible {
        case socketAddress(SocketAddress)
        case endpoint(Endpoint)

        /// The name that the configuration has, wherever it led.
        var hostName: String? {
            switch self {
            case .socketAddress: nil
            case .endpoint(let endpoint): endpoint.configured.hostName
            }
        }

        var description: String {
            switch self {
            case .socketAddress(let address): address.hostAndPort
            case .endpoint(let endpoint): endpoint.name
            }
        }
    }

    /// Begins TLS on a connection; where there is none to be had, the handler's session fails.
    func beginTLS(
        on channel: any Channel, _ settings: BackendTLS, _ handler: SMTPClientHandler, hostName: String?,
        address: String
    ) {
        let logger = self.context.logger
        func report(_ reason: String) {
            logger.warning("backend-tls-failed backend=\(address) error=\(TransactionLog.value(reason))")
        }
        do {
            guard let context = self.context.tls.client(settings) ?? self.snapshot.tls.client(settings) else {
                report("no such settings")
                return handler.tlsFailed()
            }
            try BackendTLSWatcher.begin(
                on: channel, settings, context, for: handler, hostName: hostName, report: report)
        } catch {
            report("\(error)")
            handler.tlsFailed()
        }
    }

    private func makeHandler(_ policy: DeliveryPolicy, _ delegate: any SMTPClientDelegate) -> SMTPClientHandler {
        SMTPClientHandler(
            name: self.snapshot.hop.name, policy: .init(eightBit: policy.refusesEightBit ? .refuse : .pass),
            requiresStartTLS: policy.tls.mode == .startTLS,
            timeouts: self.snapshot.clientTimeouts, sweep: self.context.sweep, flushes: self.context.flushes,
            delegate: delegate)
    }

    private func reach(
        _ target: Target, _ policy: DeliveryPolicy, _ handler: SMTPClientHandler,
        completion: @escaping ((any Error)?) -> Void
    ) {
        let header = policy.identity.sendsHeader ? self.client.map { policy.identity.octets($0.proxyHeader) } ?? [] : []
        let timeout = min(self.snapshot.configuration.timeouts.connect, self.deadline - .now())
        let attempt = NIOLoopBound(self.attempt, eventLoop: self.context.eventLoop)
        let bootstrap = ClientBootstrap(group: self.context.eventLoop)
            .connectTimeout(max(timeout, .milliseconds(1)))
            .channelOption(.writeBufferWaterMark, value: .init(low: 32 << 10, high: 64 << 10))
            .channelInitializer { channel in
                attempt.value.began(channel)
                return channel.eventLoop.makeSucceededVoidFuture()
            }
        let connected: EventLoopFuture<any Channel> =
            switch target {
            case .socketAddress(let address): bootstrap.connect(to: address)
            case .endpoint(let endpoint):
                if let address = endpoint.socketAddress {
                    bootstrap.connect(to: address)
                } else {
                    bootstrap.connect(to: endpoint.address, on: self.context.eventLoop)
                }
            }
        connected.assumeIsolated().whenComplete { result in
            self.attempt.ended()
            switch result {
            case .success(let channel) where self.attempt.isGivenUp:
                channel.close(promise: nil)
                completion(ChannelError.alreadyClosed)
            case .success(let channel):
                // Not in the channel's initialiser: a name with several addresses has a channel for each that is tried,
                // and the end of one that failed would be taken for the end of the one that did not. Nothing is read
                // before this.
                // In front of everything, TLS included: what the backend reads first is whose connection this is.
                if !header.isEmpty { channel.writeAndFlush(ByteBuffer(bytes: header), promise: nil) }
                do {
                    try channel.pipeline.syncOperations.addHandler(handler)
                    completion(nil)
                    if policy.tls.mode == .implicit {
                        self.beginTLS(
                            on: channel, policy.tls, handler, hostName: target.hostName, address: target.description)
                    }
                } catch {
                    channel.close(promise: nil)
                    completion(error)
                }
            case .failure(let error): completion(error)
            }
        }
    }

    private func report(_ error: any Error, _ address: String) {
        // What was given up has not failed.
        guard !self.attempt.isGivenUp else { return }
        self.context.logger.warning("backend-unreachable backend=\(address) error=\"\(error)\"")
    }
}

extension Endpoint {
    /// Where it is, without brackets, where the configuration has a name.
    fileprivate var resolved: (host: String, port: Int)? {
        guard self.address != self.configured, let address = self.socketAddress, let port = address.port else {
            return nil
        }
        return (address.ipAddress ?? "", port)
    }
}
