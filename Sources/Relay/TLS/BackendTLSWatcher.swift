import NIOCore
import NIOSSL
import Routing
import SMTPNIO

/// Hears of the end of a handshake with a backend, between the library's handler and the SMTP handler.
final class BackendTLSWatcher: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private weak var handler: SMTPClientHandler?
    private let isStartTLS: Bool
    private var isEstablished = false
    private let report: (String) -> Void

    /// - Parameter report: told once why there is no TLS.
    private init(_ handler: SMTPClientHandler, isStartTLS: Bool, report: @escaping (String) -> Void) {
        self.handler = handler
        self.isStartTLS = isStartTLS
        self.report = report
    }

    /// Begins TLS on a connection to a backend, in front of what is in the channel's pipeline.
    ///
    /// - Parameters:
    ///   - handler: who speaks to the backend: it is told where TLS fails, and with STARTTLS also where it has begun.
    ///   - hostName: the backend's own name; nil where it is known by its address alone.
    ///   - report: told why there is no TLS.
    static func begin(
        on channel: any Channel, _ settings: BackendTLS, _ context: NIOSSLContext, for handler: SMTPClientHandler,
        hostName: String?, report: @escaping (String) -> Void
    ) throws {
        let library = try NIOSSLClientHandler(context: context, serverHostname: settings.name ?? hostName)
        let watcher = BackendTLSWatcher(handler, isStartTLS: settings.mode == .startTLS, report: report)
        try channel.pipeline.syncOperations.addHandlers([library, watcher], position: .first)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if isHandshakeCompleted(event), !self.isEstablished {
            self.isEstablished = true
            if self.isStartTLS { self.handler?.tlsEstablished() }
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.fail(describe(tlsError: error))
        context.fireErrorCaught(error)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.fail("the backend left")
        context.fireChannelInactive()
    }

    private func fail(_ reason: String) {
        guard !self.isEstablished else { return }
        self.isEstablished = true
        // Whoever has closed the session meanwhile does not ask any more.
        guard let handler = self.handler, handler.isConnected else { return }
        self.report(reason)
        handler.tlsFailed()
    }
}
