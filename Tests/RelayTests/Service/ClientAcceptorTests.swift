import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import Relay

/// The way of a client from its listener to its session, through SwiftNIO's own bootstrap.
@Suite("ClientAcceptor") struct ClientAcceptorTests {
    private struct Refused: Error {}

    /// Who was given each client: `acceptor`, or the bootstrap's `initializer`.
    private static func ways(_ count: Int, loops: Int) async throws -> [String] {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: loops)
        let (ways, way) = AsyncStream.makeStream(of: String.self)
        let listener = try await ServerBootstrap(group: group)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(ClientAcceptor { _ in way.yield("acceptor") })
                }
            }
            .childChannelInitializer { channel in
                way.yield("initializer")
                return channel.eventLoop.makeSucceededVoidFuture()
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let address = try #require(listener.localAddress)
        var seen: [String] = []
        var iterator = ways.makeAsyncIterator()
        // (Their own loop: the group of the listener deals its loops out to whoever asks.)
        let clients = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        for _ in 0..<count {
            let client = try await ClientBootstrap(group: clients).connect(to: address).get()
            if let way = await iterator.next() { seen.append(way) }
            try? await client.close()
        }
        try await listener.close()
        try await clients.shutdownGracefully()
        try await group.shutdownGracefully()
        return seen
    }

    @Test("A client of the listener's loop is given its session at once: the bootstrap's handler is where it was")
    func sameLoop() async throws {
        #expect(try await Self.ways(3, loops: 1) == ["acceptor", "acceptor", "acceptor"])
    }

    @Test("A client of another loop goes the bootstrap's way")
    func otherLoop() async throws {
        let ways = try await Self.ways(4, loops: 2)
        #expect(ways.filter { $0 == "acceptor" }.count == 2, "\(ways)")
        #expect(ways.filter { $0 == "initializer" }.count == 2, "\(ways)")
    }

    @Test("What is put into the channel is there before anything is read, and is told that it is active")
    func activates() async throws {
        let (events, event) = AsyncStream.makeStream(of: String.self)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let listener = try await ServerBootstrap(group: group)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        ClientAcceptor { try $0.pipeline.syncOperations.addHandler(Recorder(event)) })
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let client = try await ClientBootstrap(group: group).connect(to: #require(listener.localAddress)).get()
        try await client.writeAndFlush(ByteBuffer(string: "EHLO"))
        var iterator = events.makeAsyncIterator()
        #expect(await iterator.next() == "active")
        #expect(await iterator.next() == "EHLO")
        try await client.close()
        #expect(await iterator.next() == "inactive")
        try await listener.close()
        try await group.shutdownGracefully()
    }

    @Test("A client that cannot have a session is closed, and the next one is served")
    func refuses() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let (events, event) = AsyncStream.makeStream(of: String.self)
        let isFirst = Mutex(true)
        let listener = try await ServerBootstrap(group: group)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        ClientAcceptor {
                            let refuses = isFirst.withLock { isFirst in
                                defer { isFirst = false }
                                return isFirst
                            }
                            if refuses { throw Refused() }
                            try $0.pipeline.syncOperations.addHandler(Recorder(event))
                        })
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let address = try #require(listener.localAddress)
        let refused = try await ClientBootstrap(group: group).connect(to: address).get()
        try await refused.closeFuture.get()
        let served = try await ClientBootstrap(group: group).connect(to: address).get()
        var iterator = events.makeAsyncIterator()
        #expect(await iterator.next() == "active")
        try await served.close()
        try await listener.close()
        try await group.shutdownGracefully()
    }
}

/// Says what happens to its channel.
private final class Recorder: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let event: AsyncStream<String>.Continuation

    init(_ event: AsyncStream<String>.Continuation) {
        self.event = event
    }

    func channelActive(context: ChannelHandlerContext) { self.event.yield("active") }
    func channelInactive(context: ChannelHandlerContext) { self.event.yield("inactive") }
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.event.yield(String(buffer: self.unwrapInboundIn(data)))
    }
}
