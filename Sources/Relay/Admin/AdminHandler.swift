import AdminProtocol
import NIOCore

/// One connection to the admin socket: reads lines, and writes the answer to each.
///
/// Who writes questions and reads no answers is not read from any more; a line that is too long ends the connection.
final class AdminHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let desk: AdminDesk
    private var incoming = ByteBuffer()
    private var isReadHeld = false

    init(_ desk: AdminDesk) {
        self.desk = desk
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var octets = self.unwrapInboundIn(data)
        self.incoming.writeBuffer(&octets)
        var answers = ByteBuffer()
        while let length = self.incoming.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) {
            let line = self.incoming.readBytes(length: length - self.incoming.readerIndex) ?? []
            self.incoming.moveReaderIndex(forwardBy: 1)
            guard line.count < AdminRequest.longestLine else { return self.refuse(context) }
            answers.writeBytes(self.desk.answer(line))
        }
        if answers.readableBytes > 0 { context.writeAndFlush(self.wrapOutboundOut(answers), promise: nil) }
        guard self.incoming.readableBytes < AdminRequest.longestLine else { return self.refuse(context) }
        self.incoming.discardReadBytes()
    }

    func read(context: ChannelHandlerContext) {
        if context.channel.isWritable { context.read() } else { self.isReadHeld = true }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable, self.isReadHeld {
            self.isReadHeld = false
            context.read()
        }
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private func refuse(_ context: ChannelHandlerContext) {
        self.incoming.clear()
        let answer = ByteBuffer(string: "{\"error\":\"a line is longer than \(AdminRequest.longestLine) octets\"}\n")
        context.writeAndFlush(self.wrapOutboundOut(answer)).assumeIsolated().whenComplete { _ in
            context.close(promise: nil)
        }
    }
}
