import NIOCore
import SMTPCore
import SMTPNIO

/// Says one reply to a client that cannot be served, and closes.
final class RefusalHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let reply: SMTPReply

    init(_ reply: SMTPReply) {
        self.reply = reply
    }

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { self.refuse(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        self.refuse(context)
    }

    private func refuse(_ context: ChannelHandlerContext) {
        var octets = ByteBuffer()
        octets.writeReply(self.reply)
        context.writeAndFlush(self.wrapOutboundOut(octets)).assumeIsolated().whenComplete { _ in
            context.close(promise: nil)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {}
}
