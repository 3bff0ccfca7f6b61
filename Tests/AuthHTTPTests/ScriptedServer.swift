import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import NIOSSL

/// A server on 127.0.0.1 that says what a script has, however wrong, and keeps what it was asked.
final class ScriptedServer: Sendable {
    /// What happens when a request is complete.
    enum Step: Sendable {
        /// Says this, and goes on.
        case say(String)
        /// Says this in pieces of so many octets, each in a segment of its own.
        case dribble(String, by: Int)
        /// Says this, and closes.
        case sayAndClose(String)
        /// Says the second, and then the first again and again until the client has gone.
        case keepSaying(String, after: String)
        case close
        case silence
        /// Says this with a pause in the middle.
        case sayThenLater(String, String, after: TimeAmount)
    }

    struct Asked: Sendable, Equatable {
        var connection: Int
        var request: String
    }

    private struct State {
        var asked: [Asked] = []
        var connections = 0
        var open = 0
        var steps: [Step]
    }

    static let allow = "HTTP/1.1 204 No Content\r\nAuth-Status: OK\r\nAuth-Server: 127.0.0.1\r\nAuth-Port: 2525\r\n\r\n"

    /// Loops of these tests alone: what another suite does on the shared ones takes no time from them.
    static let loops = MultiThreadedEventLoopGroup(numberOfThreads: 2)

    private let state: NIOLockedValueBox<State>
    private let channel: any Channel

    /// Starts a server; it answers the n-th request with the n-th step, and the last step to all after it.
    convenience init(_ steps: Step...) async throws {
        try await self.init(steps, path: nil, tls: nil)
    }

    /// The same on a Unix socket, or under TLS.
    init(_ steps: [Step], path: String?, tls: NIOSSLContext?) async throws {
        let state = NIOLockedValueBox(State(steps: steps))
        self.state = state
        let bootstrap = ServerBootstrap(group: Self.loops)
            .childChannelInitializer { channel in
                let number = state.withLockedValue { state in
                    state.connections += 1
                    state.open += 1
                    return state.connections
                }
                channel.closeFuture.whenComplete { _ in state.withLockedValue { $0.open -= 1 } }
                return channel.eventLoop.makeCompletedFuture {
                    if let tls { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls)) }
                    try channel.pipeline.syncOperations.addHandler(
                        Handler { request in
                            state.withLockedValue { state in
                                state.asked.append(Asked(connection: number, request: request))
                                return state.steps.count > 1 ? state.steps.removeFirst() : state.steps[0]
                            }
                        })
                }
            }
        self.channel =
            if let path {
                try await bootstrap.bind(unixDomainSocketPath: path).get()
            } else {
                try await bootstrap.childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
                    .bind(host: "127.0.0.1", port: 0).get()
            }
    }

    var port: Int { self.channel.localAddress?.port ?? 0 }
    var asked: [Asked] { self.state.withLockedValue { $0.asked } }
    var connections: Int { self.state.withLockedValue { $0.connections } }
    /// The connections that are open now.
    var open: Int { self.state.withLockedValue { $0.open } }

    func stop() async throws { try await self.channel.close() }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let step: (String) -> Step
        private var received = ""

        init(_ step: @escaping (String) -> Step) { self.step = step }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            self.received += String(buffer: self.unwrapInboundIn(data))
            while let end = self.received.range(of: "\r\n\r\n") {
                let request = String(self.received[..<end.upperBound])
                self.received.removeSubrange(..<end.upperBound)
                self.perform(self.step(request), context)
            }
        }

        private func perform(_ step: Step, _ context: ChannelHandlerContext) {
            switch step {
            case .say(let text):
                self.say(text, context)
            case .dribble(let text, let size):
                var rest = Array(text.utf8)[...]
                while !rest.isEmpty {
                    self.say(String(decoding: rest.prefix(size), as: UTF8.self), context)
                    rest = rest.dropFirst(size)
                }
            case .sayAndClose(let text):
                self.say(text, context)
                context.close(promise: nil)
            case .keepSaying(let text, let first):
                self.say(first, context)
                // With pauses, or the other tests on this event loop would starve.
                context.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(1)) {
                    guard context.channel.isActive else { return }
                    self.perform(.keepSaying(text, after: context.channel.isWritable ? text : ""), context)
                }
            case .close:
                context.close(promise: nil)
            case .silence:
                break
            case .sayThenLater(let first, let second, let pause):
                self.say(first, context)
                context.eventLoop.assumeIsolated().scheduleTask(in: pause) { self.say(second, context) }
            }
        }

        private func say(_ text: String, _ context: ChannelHandlerContext) {
            context.writeAndFlush(self.wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
        }
    }
}

private extension String {
    /// The first place of `other`; Foundation has this, and is not needed for it.
    func range(of other: String) -> Range<String.Index>? {
        self.utf8.firstRange(of: Array(other.utf8))
    }
}
