import NIOCore
import NIOHTTP1
import SMTPNIO

/// A question on its way, from the first try to the last.
final class LookupQuestion {
    let request: LookupRequest
    /// The request, encoded for the server that is asked.
    var octets = ByteBuffer()
    /// The server that is asked, and those that failed before it, by their places.
    var endpoint = 0
    var tried: [Int] = []
    /// When the one who asks gives up.
    let deadline: NIODeadline
    /// When this try is given up.
    var tryDeadline = NIODeadline.distantPast
    /// What is left of the time that the server may have us wait.
    var waitBudget: TimeAmount
    private var completion: ((Result<LookupVerdict, LookupError>) -> Void)?

    init(
        _ request: LookupRequest, deadline: NIODeadline, waitBudget: TimeAmount,
        completion: @escaping (Result<LookupVerdict, LookupError>) -> Void
    ) {
        self.request = request
        self.deadline = deadline
        self.waitBudget = waitBudget
        self.completion = completion
    }

    /// Ends the question; a second end does nothing.
    func complete(_ result: Result<LookupVerdict, LookupError>) {
        guard let completion = self.completion else { return }
        self.completion = nil
        completion(result)
    }
}

/// What a connection tells the one that made it.
protocol LookupConnectionOwner: AnyObject {
    /// The connection can be asked again.
    func connectionReleased(_ connection: LookupConnection)
    /// The connection will serve nothing more.
    func connectionClosed(_ connection: LookupConnection)
    /// The question has its answer.
    func connection(_ connection: LookupConnection, answered question: LookupQuestion, _ answer: LookupAnswer)
    /// The question has failed.
    func connection(_ connection: LookupConnection, failed question: LookupQuestion, _ code: LookupError.Code)
    /// The question has to be asked on a fresh connection.
    func connection(_ connection: LookupConnection, rejected question: LookupQuestion)
}

/// The handler of one connection: it tells ``LookupConnectionState`` what happens, and does what that says.
final class LookupConnection: ChannelInboundHandler, DeferredFlush {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    /// When what goes on has to have ended; for the owner to set and to look at.
    var expiry = NIODeadline.distantFuture
    /// Where the owner keeps this connection.
    var position = 0
    /// The server's place among the endpoints.
    let endpoint: Int
    /// Why the channel could not be opened or was lost, in the system's words.
    private(set) var connectErrorDetail: String?
    private var state: LookupConnectionState
    private var question: LookupQuestion?
    private var context: ChannelHandlerContext?
    /// It lets go of this connection when that is closed. (Not weak: who is referred to weakly ever pays for each reference.)
    private let owner: any LookupConnectionOwner
    private let wire = LookupWire()
    private let flushes: FlushQueue?

    /// What the response decoder gets to see of each request: it only has to know that a GET is under way.
    private static let requestPart = HTTPClientRequestPart.head(
        HTTPRequestHead(version: .http1_1, method: .GET, uri: "/"))

    /// Makes a connection that is about to be opened for `question`.
    init(
        for question: LookupQuestion, owner: any LookupConnectionOwner, configuration: LookupConfiguration,
        flushes: FlushQueue? = nil
    ) {
        self.question = question
        self.flushes = flushes
        self.endpoint = question.endpoint
        self.expiry = question.tryDeadline
        self.owner = owner
        self.state = LookupConnectionState(
            maximumHeadSize: configuration.maximumHeadSize, maximumBodySize: configuration.maximumBodySize)
    }

    /// Adds TLS, where there is any, the codec and this handler.
    private func addHandlers(to channel: any Channel, _ tls: LookupTLS?) throws {
        // First: what is written waits there for the end of the handshake.
        if let tls { try channel.pipeline.syncOperations.addHandler(try tls.makeHandler()) }
        // A 1xx says that the answer is still to come (RFC 9110 section 15.2).
        let decoder = HTTPResponseDecoder(leftOverBytesStrategy: .dropBytes, informationalResponseStrategy: .drop)
        try channel.pipeline.syncOperations.addHandlers([self.wire, ByteToMessageHandler(decoder), self])
    }

    /// Whether a question may be asked here now.
    var isIdle: Bool { self.state.isIdle && self.context != nil }

    /// Asks; the connection must be idle.
    func ask(_ question: LookupQuestion) {
        self.state.asked()
        self.question = question
        self.expiry = question.tryDeadline
        self.send(question)
    }

    /// The channel is open, and nothing has been read: the first question goes out, or the channel closes because its
    /// time has passed.
    ///
    /// The handlers come now, not in the channel's initialiser: a name with several addresses has a channel for each
    /// that is tried, and the end of one that failed would be taken for the end of the one that did not.
    func opened(_ channel: any Channel, _ tls: LookupTLS?) {
        do {
            try self.addHandlers(to: channel, tls)
        } catch {
            channel.close(promise: nil)
            return self.connectFailed(.closed, "connect: \(error)")
        }
        if self.state.opened(), let question = self.question {
            self.send(question)
        } else {
            channel.close(promise: nil)
        }
    }

    /// The channel could not be opened.
    func connectFailed(_ reason: LookupError.Code, _ detail: String) {
        self.connectErrorDetail = detail
        self.perform(self.state.connectFailed(reason))
    }

    /// The time that ``expiry`` says has come.
    func expired() { self.perform(self.state.expired()) }

    /// Ends the connection and what goes on there.
    func shutDown() { self.perform(self.state.shutDown()) }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch self.unwrapInboundIn(data) {
        case .head(let head):
            self.perform(self.state.headReceived(LookupAnswer(fields: head.headers), keepAlive: head.isKeepAlive))
        case .body:
            break
        case .end:
            self.perform(self.state.endReceived())
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        self.perform(self.state.readCompleted(octets: self.wire.octetsReceived))
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        self.perform(self.state.closed(octets: self.wire.octetsReceived))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch error {
        case HTTPParserError.invalidEOFState:
            break  // The connection ended in the middle of an answer: channelInactive follows and says so.
        case is HTTPParserError, is NIOHTTPDecoderError:
            self.perform(self.state.protocolErrorCaught())
        default:
            // Where it is TLS that failed, only this says why.
            self.connectErrorDetail = "\(error)"
            context.close(promise: nil)
        }
    }

    private func send(_ question: LookupQuestion) {
        self.wire.begin(question.octets)
        self.context?.write(self.wrapOutboundOut(Self.requestPart), promise: nil)
        if let flushes = self.flushes { flushes.add(self) } else { self.flushDeferred() }
    }

    func flushDeferred() { self.context?.flush() }

    private func perform(_ action: LookupConnectionState.Action) {
        switch action {
        case .none:
            break
        case .deliver(let answer):
            self.takeQuestion { self.owner.connection(self, answered: $0, answer) }
        case .releaseAndDeliver(let answer):
            self.owner.connectionReleased(self)
            self.takeQuestion { self.owner.connection(self, answered: $0, answer) }
        case .closeAndDeliver(let answer):
            self.close()
            self.takeQuestion { self.owner.connection(self, answered: $0, answer) }
        case .release:
            self.owner.connectionReleased(self)
        case .close:
            self.close()
        case .askAgain:
            self.close()
            self.takeQuestion { self.owner.connection(self, rejected: $0) }
        case .fail(let code):
            self.close()
            self.takeQuestion { self.owner.connection(self, failed: $0, code) }
        }
    }

    private func takeQuestion(_ body: (LookupQuestion) -> Void) {
        guard let question = self.question else { return }
        // Taken out first: the owner may put the next question to this very connection.
        self.question = nil
        body(question)
    }

    private func close() {
        self.owner.connectionClosed(self)
        self.context?.close(promise: nil)
    }
}

/// The end of the pipeline towards the socket: it counts what comes, and sends the encoded question where the codec would
/// write a request.
private final class LookupWire: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = HTTPClientRequestPart
    typealias OutboundOut = ByteBuffer

    /// Since the last question.
    private(set) var octetsReceived = 0
    private var request: ByteBuffer?

    func begin(_ request: ByteBuffer) {
        self.request = request
        self.octetsReceived = 0
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.octetsReceived += self.unwrapInboundIn(data).readableBytes
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard let request = self.request else { preconditionFailure("written without a question") }
        self.request = nil
        context.write(self.wrapOutboundOut(request), promise: promise)
    }
}
