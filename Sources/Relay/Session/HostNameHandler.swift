import AuthHTTP
import NIOCore
import Resolver
import SMTPCore
import SMTPNIO

/// Holds a client back until the DNS has said what it is called, then makes way for its session.
///
/// As in nginx the greeting waits, and what the client sends before it waits too: a little is taken and kept, so that TLS
/// and the end of the connection are noticed meanwhile.
final class HostNameHandler: ChannelDuplexHandler, RemovableChannelHandler, SweptSession {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// What is kept of a client that talks early, and what one read brings.
    private static let longestBacklog = 4096

    private let resolver: NameResolver
    private let sweep: SessionSweep
    private var client: ClientFacts
    /// Adds the session's handlers behind this one.
    private let begin: (ClientFacts, any Channel) throws -> Void
    private var ticket: ResolverTicket?
    private var sweepToken: SessionSweep.Token?
    private var context: ChannelHandlerContext?
    private var backlog = ByteBuffer()
    private var isInputEnded = false
    private var hasBegun = false

    /// The resolver has its own time.
    let deadline = NIODeadline.distantFuture

    init(
        resolver: NameResolver, sweep: SessionSweep, client: ClientFacts,
        begin: @escaping (ClientFacts, any Channel) throws -> Void
    ) {
        self.resolver = resolver
        self.sweep = sweep
        self.client = client
        self.begin = begin
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { self.ask() }
    }

    func channelActive(context: ChannelHandlerContext) {
        context.fireChannelActive()
        self.ask()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var octets = self.unwrapInboundIn(data)
        self.backlog.writeBuffer(&octets)
    }

    func channelReadComplete(context: ChannelHandlerContext) {}

    func read(context: ChannelHandlerContext) {
        // Whoever comes behind asks for more.
        if self.backlog.readableBytes < Self.longestBacklog { context.read() }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? ChannelEvent, event == .inputClosed {
            self.isInputEnded = true
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.leave()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.leave()
        self.context = nil
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    func deadlineExpired() {}

    /// There is no session yet: the client is told in the place of the greeting (RFC 5321 section 3.8).
    func drain() {
        guard let context = self.context else { return }
        self.leave()
        var octets = ByteBuffer()
        octets.writeReply(.shuttingDown)
        context.writeAndFlush(self.wrapOutboundOut(octets)).assumeIsolated().whenComplete { _ in
            context.close(promise: nil)
        }
    }

    private func ask() {
        guard self.ticket == nil else { return }
        self.sweepToken = self.sweep.add(self)
        self.ticket = self.resolver.confirmName(of: self.client.address) { name in
            self.client.host =
                switch name {
                case .name(let name): .named(name)
                case .none: .unavailable
                case .failed: .temporarilyUnavailable
                }
            self.makeWay()
        }
    }

    private func makeWay() {
        guard let context = self.context, !self.hasBegun else { return }
        self.hasBegun = true
        self.leave()
        let channel = context.channel
        do {
            try self.begin(self.client, channel)
        } catch {
            return context.close(promise: nil)
        }
        if self.backlog.readableBytes > 0 {
            context.fireChannelRead(self.wrapInboundOut(self.backlog))
            context.fireChannelReadComplete()
        }
        if self.isInputEnded { context.fireUserInboundEventTriggered(ChannelEvent.inputClosed) }
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
        channel.read()
    }

    private func leave() {
        self.ticket?.giveUp()
        if let token = self.sweepToken { self.sweep.remove(token) }
        self.sweepToken = nil
    }
}
