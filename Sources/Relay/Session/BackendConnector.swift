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
    /// A connection to a backend, and how to give its place back.
    struct Connection {
        /// The handler that speaks to the backend.
        let handler: SMTPClientHandler
        /// The backend, for the log.
        let address: String
        /// What holds for messages that go there.
        let policy: DeliveryPolicy
        /// Where it is reached, without brackets; nil where a name was resolved, or by a path.
        let endpoint: (host: String, port: Int)?
        /// The backend of a group; nil for a server that a lookup named.
        let backend: BackendAddress?
    }

    /// What is under way for one session, which may lose interest. Confined to its event loop.
    final class Attempt {
        private var channels: [any Channel] = []
        private(set) var isGivenUp = false

        /// Ends it: a client that came and left would otherwise hold a descriptor for as long as its backends are silent.
        func giveUp() {
            self.isGivenUp = true
            let channels = self.channels
            self.channels = []
            for channel in channels { channel.close(promise: nil) }
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
    /// On whose behalf.
    let client: ClientFacts
    let deadline: NIODeadline
    let attempt = Attempt()

    /// Connects, and calls `completion` once, on the event loop; nil where nobody could be reached, or the attempt was given
    /// up.
    ///
    /// The handler's session begins at once, and tells `delegate`.
    func connect(
        to destination: Destination, delegate: any SMTPClientDelegate, completion: @escaping (Connection?) -> Void
    ) {
        switch destination {
        case .group(let group):
            self.connect(to: group, tried: [], delegate: delegate, completion: completion)
        case .server(let address, _):
            let policy = self.snapshot.configuration.lookupPolicy
            let handler = self.makeHandler(policy, delegate)
            self.reach(.socketAddress(address), policy, handler) { error in
                if let error {
                    self.report(error, address.hostAndPort)
                    return completion(nil)
                }
                let endpoint = address.port.map { (host: address.ipAddress ?? "", port: $0) }
                completion(
                    Connection(
                        handler: handler, address: address.hostAndPort, policy: policy, endpoint: endpoint,
                        backend: nil))
            }
        }
    }

    private func connect(
        to group: BackendGroup, tried: [Int], delegate: any SMTPClientDelegate,
        completion: @escaping (Connection?) -> Void
    ) {
        guard NIODeadline.now() < self.deadline, !self.attempt.isGivenUp,
            let index = self.snapshot.nextBackend(of: group, excluding: tried)
        else { return completion(nil) }
        let backend = group.backends[index].address
        let handler = self.makeHandler(group.policy, delegate)
        handler.onClose { [snapshot] in snapshot.backendEnded(index, of: group) }
        self.reach(.backend(backend), group.policy, handler) { error in
            guard let error else {
                return completion(
                    Connection(
                        handler: handler, address: backend.description, policy: group.policy, endpoint: nil,
                        backend: backend))
            }
            self.report(error, backend.description)
            self.snapshot.backendEnded(index, of: group)
            self.connect(to: group, tried: tried + [index], delegate: delegate, completion: completion)
        }
    }

    private enum Target: CustomStringConvertible {
        case socketAddress(SocketAddress)
        case backend(BackendAddress)

        var hostName: String? {
            switch self {
            case .socketAddress: nil
            case .backend(let backend): backend.hostName
            }
        }

        var description: String {
            switch self {
            case .socketAddress(let address): address.hostAndPort
            case .backend(let backend): backend.description
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
            guard let context = self.context.state.tls.client(settings) ?? self.snapshot.tls.client(settings) else {
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
            timeouts: self.snapshot.clientTimeouts, sweep: self.context.sweep, delegate: delegate)
    }

    private func reach(
        _ target: Target, _ policy: DeliveryPolicy, _ handler: SMTPClientHandler,
        completion: @escaping ((any Error)?) -> Void
    ) {
        let header = policy.identity.octets(self.client.proxyHeader)
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
            case .backend(let backend): bootstrap.connect(to: backend, on: self.context.eventLoop)
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
