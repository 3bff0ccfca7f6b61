package import AdminProtocol
import FoundationEssentials
package import NIOCore
import NIOPosix

/// Asks a relay one question at its admin socket.
package struct AdminClient: Sendable {
    /// The longest answer, in octets: some ten thousand backends.
    private static let longestAnswer = 4 << 20

    private let path: String
    private let patience: TimeAmount

    /// Makes a client of the relay whose admin socket is there.
    ///
    /// - Parameter patience: how long the relay may take.
    package init(path: String, patience: TimeAmount = .seconds(5)) {
        self.path = path
        self.patience = patience
    }

    /// The relay's answer.
    ///
    /// - Throws: ``AdminClientError`` where there is none: the relay does not run, does not let this user ask, or took too
    ///   long.
    package func ask(_ request: AdminRequest) async throws -> AdminAnswer {
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        let question = ByteBuffer(bytes: try JSONEncoder().encode(request) + [UInt8(ascii: "\n")])
        let promise = loop.makePromise(of: ByteBuffer.self)
        let path = self.path
        let patience = self.patience
        ClientBootstrap(group: loop).connectTimeout(patience)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        AnswerHandler(promise, longest: Self.longestAnswer, path: path))
                }
            }
            .connect(unixDomainSocketPath: path)
            .whenComplete { result in
                switch result {
                case .success(let channel):
                    channel.writeAndFlush(question, promise: nil)
                    channel.eventLoop.scheduleTask(in: patience) {
                        promise.fail(
                            AdminClientError("\(path): no answer within \(patience.nanoseconds / 1_000_000_000) s"))
                        channel.close(promise: nil)
                    }
                case .failure(let error):
                    promise.fail(
                        AdminClientError("connect \(path): \(error); does the relay run, with admin: in relay.yaml?"))
                }
            }
        let line = try await promise.futureResult.get()
        do {
            return try JSONDecoder().decode(AdminAnswer.self, from: Data(line.readableBytesView))
        } catch {
            throw AdminClientError("\(path): what came is no answer; is the relay of another version?")
        }
    }
}

/// Why a relay gave no answer.
package struct AdminClientError: Error, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }
}

/// Reads one line.
private final class AnswerHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let promise: EventLoopPromise<ByteBuffer>
    private let longest: Int
    private let path: String
    private var line = ByteBuffer()

    init(_ promise: EventLoopPromise<ByteBuffer>, longest: Int, path: String) {
        self.promise = promise
        self.longest = longest
        self.path = path
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var octets = self.unwrapInboundIn(data)
        let searched = self.line.readableBytes
        self.line.writeBuffer(&octets)
        if let end = self.line.readableBytesView.dropFirst(searched).firstIndex(of: UInt8(ascii: "\n")) {
            self.promise.succeed(self.line.getSlice(at: self.line.readerIndex, length: end) ?? ByteBuffer())
            context.close(promise: nil)
        } else if self.line.readableBytes > self.longest {
            self.promise.fail(AdminClientError("\(self.path): an answer without an end"))
            context.close(promise: nil)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.promise.fail(
            AdminClientError("\(self.path) closed without an answer; is this user among admin: allow: in relay.yaml?"))
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.promise.fail(AdminClientError("\(self.path): \(error)"))
        context.close(promise: nil)
    }
}
