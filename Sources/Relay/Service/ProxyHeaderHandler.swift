import Logging
import NIOCore
import ProxyProtocol
import SMTPNIO

/// Reads the PROXY header that a connection begins with, then makes way for the session that it is followed by.
///
/// Nothing is said before that: not a greeting, and no reason for a close. A header that is missing, broken or late is a
/// proxy that was set up wrongly, or a stranger.
final class ProxyHeaderHandler: ChannelInboundHandler, RemovableChannelHandler, SweptSession {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let logger: Logger
    private let proxy: String
    private let sweep: SessionSweep
    private var sweepToken: SessionSweep.Token?
    private var context: ChannelHandlerContext?
    private var incoming = ByteBuffer()
    /// Adds the session's handlers behind this one; nil once it has been called, or never will be.
    private var serve: ((ProxyHeader) throws -> Void)?
    let deadline: NIODeadline

    /// - Parameters:
    ///   - proxy: the peer, for the log.
    ///   - timeout: how long the header may take.
    ///   - serve: adds the session's handlers to the channel, behind this one.
    init(
        proxy: String, timeout: TimeAmount, sweep: SessionSweep, logger: Logger,
        serve: @escaping (ProxyHeader) throws -> Void
    ) {
        self.proxy = proxy
        self.deadline = .now() + timeout
        self.sweep = sweep
        self.logger = logger
        self.serve = serve
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        self.sweepToken = self.sweep.add(self)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        self.end()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // (What a refused proxy still says is nobody's.)
        guard self.serve != nil else { return }
        var octets = self.unwrapInboundIn(data)
        self.incoming.writeBuffer(&octets)
        do {
            let parsed: ProxyHeader.Parsed?
            do throws(ProxyHeaderError) {
                let incoming = self.incoming
                parsed = try ProxyHeader.parse(incoming.readableBytesUInt8Span)
            } catch {
                return self.refuse(error.rawValue)
            }
            guard let parsed, let serve = self.serve else { return }
            self.end()
            try serve(parsed.header)
            self.incoming.moveReaderIndex(forwardBy: parsed.length)
            let rest = self.incoming
            let pipeline = context.pipeline.syncOperations
            pipeline.removeHandler(self, promise: nil)
            // From the front: where TLS comes next, its handler stands where this one stood.
            if rest.readableBytes > 0 {
                pipeline.fireChannelRead(NIOAny(rest))
                pipeline.fireChannelReadComplete()
            }
        } catch {
            context.close(promise: nil)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // Half a header, and no more to come.
        if self.serve != nil, let event = event as? ChannelEvent, event == .inputClosed {
            if self.incoming.readableBytes > 0 { self.refuse("it is cut short") } else { context.close(promise: nil) }
        }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.end()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if self.serve == nil { context.fireErrorCaught(error) } else { context.close(promise: nil) }
    }

    func deadlineExpired() {
        self.refuse("it did not come in time")
    }

    func drain() {
        let context = self.context
        self.end()
        context?.close(promise: nil)
    }

    private func refuse(_ reason: String) {
        self.logger.warning("proxy-refused proxy=\(self.proxy) reason=\"PROXY header: \(reason)\"")
        let context = self.context
        self.end()
        context?.close(promise: nil)
    }

    private func end() {
        self.serve = nil
        if let token = self.sweepToken { self.sweep.remove(token) }
        self.sweepToken = nil
    }
}
