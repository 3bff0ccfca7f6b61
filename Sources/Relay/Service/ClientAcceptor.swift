import NIOCore

/// Gives a client that its listener's own event loop is to serve its session, in one step.
///
/// SwiftNIO's bootstrap does the same behind a handler of its own, with a future for each step, as the client may be another
/// loop's. This handler stands in front of that one and passes it by; a client of another loop goes through it. Decision
/// 0024.
final class ClientAcceptor: ChannelInboundHandler {
    typealias InboundIn = any Channel

    /// What the bootstrap calls its handler.
    static let bootstrapHandler = "AcceptHandler"

    private let begin: (any Channel) throws -> Void
    /// The bootstrap's handler, once there was a client.
    private var bootstrap: ChannelHandlerContext?

    /// `begin` puts into a client's channel, which is not registered yet, whoever speaks to the client; or throws, and the
    /// channel is closed.
    init(_ begin: @escaping (any Channel) throws -> Void) {
        self.begin = begin
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let client = self.unwrapInboundIn(data)
        // (Whatever another version calls its handler: its way stays open.)
        if self.bootstrap == nil {
            self.bootstrap = try? context.pipeline.syncOperations.context(name: Self.bootstrapHandler)
        }
        guard client.eventLoop === context.eventLoop, let bootstrap = self.bootstrap else {
            return context.fireChannelRead(data)
        }
        do {
            try self.begin(client)
            bootstrap.fireChannelRead(data)
        } catch {
            client.close(promise: nil)
            bootstrap.fireErrorCaught(error)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.bootstrap = nil
    }
}
