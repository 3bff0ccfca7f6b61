import NIOCore
import SMTPCore
import SMTPNIO

/// Says one reply, or nothing, to a client that is not served, and closes.
final class RefusalHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let reply: SMTPReply?

    init(_ reply: SMTPReply?) {
        self.reply = reply
    }

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { self.refuse(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        self.refuse(context)
    }

    private func refuse(_ context: ChannelHandlerContext) {
        guard let reply = self.reply else { return context.close(promise: nil) }
        var octets = ByteBuffer()
        octets.writeReply(reply)
        context.writeAndFlush(self.wrapOutboundOut(octets)).assumeIsolated().whenComplete { _ in
            context.close(promise: nil)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {}
}
