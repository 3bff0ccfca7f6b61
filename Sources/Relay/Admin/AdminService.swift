package import Logging
package import NIOCore
import NIOPosix
import ServiceLifecycle

/// The admin socket: answers questions about the relay to the users that relay.yaml lets ask.
///
/// That it cannot listen stops no mail: it says so, and the relay goes on without.
package final class AdminService: Service {
    /// The most connections at a time.
    private static let connections = 64
    /// A connection without a question for so long is closed.
    private static let patience = TimeAmount.minutes(10)

    private let state: RelayState
    private let path: String
    private let eventLoop: any EventLoop
    private let logger: Logger

    /// Makes the service.
    ///
    /// - Parameters:
    ///   - path: the Unix socket; one that nobody listens at any more is replaced.
    ///   - eventLoop: where all its connections are.
    package init(state: RelayState, path: String, eventLoop: any EventLoop, logger: Logger) {
        self.state = state
        self.path = path
        self.eventLoop = eventLoop
        self.logger = logger
    }

    /// Serves until shutdown begins.
    package func run() async throws {
        let listener: any Channel
        do {
            listener = try await self.listen()
        } catch {
            self.logger.error("admin-unavailable socket=\(self.path) error=\"\(error)\": mail goes on without it")
            try? await gracefulShutdown()
            return
        }
        self.logger.info("admin socket=\(self.path)")
        try? await gracefulShutdown()
        try? await listener.close()
    }

    private func listen() async throws -> any Channel {
        if await self.isTaken() { throw AdminSocketError.taken }
        let (state, logger) = (self.state, self.logger)
        let count = try await self.eventLoop.submit { [eventLoop] in NIOLoopBoundBox(0, eventLoop: eventLoop) }.get()
        let listener = try await ServerBootstrap(group: self.eventLoop)
            .childChannelInitializer { channel in
                PeerCredentials.of(channel).flatMapThrowing { peer in
                    guard Self.allows(peer.uid, state) else {
                        logger.warning("admin-refused uid=\(peer.uid) pid=\(peer.pid)")
                        throw AdminSocketError.refused
                    }
                    guard count.value < Self.connections else { throw AdminSocketError.refused }
                    count.value += 1
                    channel.closeFuture.whenComplete { _ in count.value -= 1 }
                    try channel.pipeline.syncOperations.addHandlers(
                        IdleStateHandler(readTimeout: Self.patience), IdleCloser(),
                        AdminHandler(AdminDesk(state, logger: logger)))
                }
            }
            .bind(unixDomainSocketPath: self.path, cleanupExistingSocketFile: true).get()
        // Who may ask is a question of users, which the mode of a file says badly.
        do { try SocketFile.openToEverybody(self.path) } catch {
            try? await listener.close()
            throw error
        }
        return listener
    }

    /// Whether another process answers at the socket.
    private func isTaken() async -> Bool {
        guard
            let channel = try? await ClientBootstrap(group: self.eventLoop).connect(unixDomainSocketPath: self.path)
                .get()
        else { return false }
        try? await channel.close()
        return true
    }

    /// Root, or the relay's own user, has no right by itself but the latter: whoever is it could read its memory.
    private static func allows(_ uid: UInt32, _ state: RelayState) -> Bool {
        if uid == UserNames.own { return true }
        let users = state.snapshot.configuration.admin?.allow ?? []
        return users.contains { UserNames.uid(of: $0) == uid }
    }
}

/// Why the admin socket cannot be had, or used.
private enum AdminSocketError: UInt8, Error, CustomStringConvertible {
    case taken, refused

    var description: String {
        switch self {
        case .taken: "another process listens there"
        case .refused: "not allowed"
        }
    }
}

/// Closes a connection that is idle.
private final class IdleCloser: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is IdleStateHandler.IdleStateEvent { context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }
}
