package import Logging
package import NIOCore
import NIOPosix
import SMTPCore
import SMTPNIO
import ServiceLifecycle

/// An SMTP server that takes every message: a backend for demonstrations and tests.
package struct SinkService: Service {
    /// Where to listen, and what to do with messages.
    package struct Configuration: Sendable {
        /// The address to bind.
        package var address: SocketAddress
        /// The name in the greeting.
        package var serverName: String
        /// The folder to keep messages in; nil: they are counted and forgotten.
        package var maildir: String?
        /// The most octets of a message; 0: no bound.
        package var messageSize: UInt64 = 0

        /// Makes a configuration that keeps nothing.
        package init(address: SocketAddress, serverName: String, maildir: String? = nil) {
            self.address = address
            self.serverName = serverName
            self.maildir = maildir
        }
    }

    private let configuration: Configuration
    private let maildir: Maildir?
    private let logger: Logger
    private let report: @Sendable (String) -> Void

    /// Makes the service; fails where the Maildir cannot be made.
    ///
    /// - Parameter report: takes the line about each message; called on the sink's event loop.
    package init(
        _ configuration: Configuration, logger: Logger, report: @escaping @Sendable (String) -> Void
    ) throws {
        self.configuration = configuration
        self.maildir = try configuration.maildir.map { try Maildir(path: $0) }
        self.logger = logger
        self.report = report
    }

    /// Serves until shutdown begins; messages that are under way then are not acknowledged.
    package func run() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        var session = ServerSessionConfiguration(serverName: self.configuration.serverName)
        session.messageSize = self.configuration.messageSize
        session.transactions = .max
        // (A sink is also for whoever tries it with a file and a pipe.)
        session.forbidsEarlyInput = false
        let extendedReply = session.extendedReply
        let loop = group.next()
        let shared = try await loop.submit {
            NIOLoopBound(Shared(sweep: SessionSweep(eventLoop: loop)), eventLoop: loop)
        }.get()
        let channel = try await ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.backlog, value: 512)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { [session, maildir, logger, report] channel in
                channel.eventLoop.makeCompletedFuture {
                    let shared = shared.value
                    let sink = SinkSession(
                        maildir: maildir, logger: logger, report: report, makeName: { shared.makeName() })
                    let handler = SMTPServerHandler(
                        configuration: session, extendedReply: extendedReply, timeouts: SMTPServerTimeouts(),
                        form: .content, sweep: shared.sweep, delegate: sink)
                    sink.start(handler)
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
            .bind(to: self.configuration.address).get()
        self.logger.notice("ready listener=\(channel.localAddress?.hostAndPort ?? "?")")
        try? await gracefulShutdown()
        try await channel.close()
        try await group.shutdownGracefully()
    }

    /// What the sessions of a sink share; confined to its event loop.
    private final class Shared {
        let sweep: SessionSweep
        private var messages = 0
        private let start = UInt64.random(in: 0 ... .max)

        init(sweep: SessionSweep) {
            self.sweep = sweep
        }

        /// `start.count.postern`: unique in a Maildir, as the start is random for each process.
        func makeName() -> String {
            self.messages += 1
            return "\(String(self.start, radix: 16)).\(self.messages).postern"
        }
    }
}
