import Logging
import NIOCore
import NIOPosix
import Relay
import Routing
import SMTPCore
import Synchronization
import Testing

/// A server that answers each line with the next of its texts, and keeps what it was told.
private final class Server: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer
    private let texts: [String]
    private let told: Mutex<[String]>

    init(_ texts: [String]) {
        self.texts = texts
        self.told = Mutex([])
    }

    var lines: [String] { self.told.withLock { $0 } }

    func channelActive(context: ChannelHandlerContext) {
        self.say(context, 0)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let line = String(buffer: self.unwrapInboundIn(data))
        let count = self.told.withLock { told in
            told.append(line)
            return told.count
        }
        // A text for the greeting, then one for each line of a connection.
        self.say(context, 1 + (count - 1) % max(self.texts.count - 1, 1))
        if line.hasPrefix("QUIT") { context.close(promise: nil) }
    }

    private func say(_ context: ChannelHandlerContext, _ index: Int) {
        guard index < self.texts.count else { return }
        context.writeAndFlush(NIOAny(ByteBuffer(string: self.texts[index])), promise: nil)
    }
}

private struct LogLines: LogHandler {
    let lines: Lines
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.debug

    final class Lines: Sendable {
        private let lines = Mutex<[String]>([])
        func append(_ line: String) { self.lines.withLock { $0.append(line) } }
        var all: [String] { self.lines.withLock { $0 } }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { self.metadata[key] }
        set { self.metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        self.lines.append("\(event.message)")
    }
}

/// Looks every few milliseconds, for as long as a slow machine may need.
private func eventually(_ condition: () -> Bool) async throws {
    for _ in 0..<3000 where !condition() { try await Task.sleep(for: .milliseconds(10)) }
    #expect(condition())
}

private func listen(_ texts: String...) async throws -> (channel: any Channel, server: Server, address: BackendAddress)
{
    let server = Server(texts)
    let channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
        .childChannelInitializer { channel in
            channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(server) }
        }
        .bind(host: "127.0.0.1", port: 0).get()
    let port = try #require(channel.localAddress?.port)
    return (channel, server, .ip(.v4(0x7F00_0001), port: UInt16(port)))
}

private func snapshot(_ backends: [BackendAddress]) throws -> RelaySnapshot {
    let group = BackendGroup(name: "app", backends: backends.map { Backend($0) })
    return try RelaySnapshot(
        RelayConfiguration(
            listeners: [.init(.address(.v4(0x7F00_0001), port: 2526))],
            routes: [Route(recipients: [.everyone], group: group)]),
        hostName: "mx.example")
}

@Suite struct ProbeServiceTests {
    @Test("Backends are asked at the start and after a reload; what they have is kept, what fails is told of once")
    func rounds() async throws {
        let able = try await listen("220 a\r\n", "250-a\r\n250-SMTPUTF8\r\n250 DSN\r\n", "221 bye\r\n")
        let silent = try await listen()
        let refusing = try await listen("554 no probes\r\n")
        let state = RelayState(try snapshot([able.address]))
        let log = LogLines.Lines()
        let logger = Logger(label: "test") { _ in LogLines(lines: log) }
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let service = ProbeService(
            state: state, eventLoop: loop, logger: logger, interval: .milliseconds(50), timeout: .milliseconds(500))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await service.run() }
            try await eventually { state.knowledge.capabilities(of: able.address) != nil }
            #expect(state.forNewSession(at: 0).session.extensions.isSuperset(of: [.smtpUTF8, .dsn]))
            state.replace(try snapshot([able.address, silent.address, refusing.address]))
            #expect(state.forNewSession(at: 0).session.extensions.isDisjoint(with: [.smtpUTF8, .dsn]))
            try await eventually { log.all.count { $0.hasPrefix("probe-failed") } == 2 }
            // Several rounds later nothing new was said, and the one that died is not forgotten.
            let asked = able.server.lines.count
            try await able.channel.close()
            try await eventually { log.all.contains { $0.hasPrefix("probe-failed backend=\(able.address)") } }
            #expect(asked >= 4)
            #expect(state.knowledge.capabilities(of: able.address)?.extensions == [.smtpUTF8, .dsn])
            group.cancelAll()
        }
        #expect(log.all.count { $0 == "backend-learnt backend=\(able.address) extensions=SMTPUTF8,DSN" } == 1)
        #expect(log.all.count { $0.hasPrefix("probe-failed backend=\(refusing.address) ") } == 1)
        #expect(log.all.count { $0.hasPrefix("probe-failed backend=\(silent.address) error=timeout") } == 1)
        #expect(able.server.lines.prefix(2) == ["EHLO mx.example\r\n", "QUIT\r\n"])
        try await silent.channel.close()
        try await refusing.channel.close()
    }
}
