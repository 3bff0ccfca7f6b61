package import NIOCore
package import SMTPCore

/// Frames what an SMTP client sends, feeds ``ServerSession`` and does what it says.
///
/// Replies to commands that arrived together leave together, and so do replies in front of one that waits for its
/// delegate, unless that takes longer than a moment. While a message is received, reading stops where the delegate does
/// not accept more.
package final class SMTPServerHandler: ChannelDuplexHandler, SweptSession, DeferredWriter {
    package typealias InboundIn = ByteBuffer
    package typealias OutboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    /// Where reading stops while a command waits for its answer.
    private static let longestBacklog = 64 << 10
    /// The most octets of storage that are kept for the replies to come.
    static let mostIdleOutgoing = 1024

    enum Input {
        /// Nothing may come before the greeting.
        case greeting
        /// Lines are commands.
        case commands
        /// A line over the limit is thrown away up to its LF.
        case overlongLine
        /// A command waits for its completion.
        case waiting
        /// A line is the response in a SASL exchange.
        case response
        /// Octets are a message, or a chunk of one.
        case message
        /// So many octets are a chunk that was refused; the reply goes out behind them.
        case refusedChunk(left: UInt64, SMTPReply)
        /// Nothing is read as SMTP any more.
        case closed
    }

    var session: ServerSession
    let timeouts: SMTPServerTimeouts
    let form: MessageFramer.Form
    var receiver: MessageReceiver
    var terms: MessageTerms
    var delegate: (any SMTPServerDelegate)?
    var context: ChannelHandlerContext?
    private let sweep: SessionSweep
    private var sweepToken: SessionSweep.Token?
    let flushes: FlushQueue?
    var isFlushDue = false
    /// The session is over as soon as its last reply has left.
    var closesWhenFlushed = false

    var input = Input.commands
    var incoming = ByteBuffer()
    /// Replies: those that are readable have yet to be handed to the channel, for those before them there was room here once.
    var outgoing = ByteBuffer()
    /// Pieces of a message that are too small to be handed on each by itself.
    var pieces = ByteBuffer()
    var isProcessing = false
    var isInputEnded = false
    var isDraining = false
    /// When a read that was asked for was put off; nil where none is.
    private var readHeldSince: NIODeadline?
    /// When the replies that wait for the next one have to leave.
    var replyDeadline: NIODeadline?
    var commandDeadline = NIODeadline.distantFuture
    var pace: ReceivePace
    package var deadline = NIODeadline.distantFuture

    /// Makes a handler for one connection; it keeps `delegate` until the session is closed.
    ///
    /// - Parameters:
    ///   - isSecure: the channel is under TLS already.
    ///   - flushes: where replies wait for the end of the loop's turn; nil where they leave at once.
    package init(
        configuration: ServerSessionConfiguration, extendedReply: SMTPReply, isSecure: Bool = false,
        timeouts: SMTPServerTimeouts, form: MessageFramer.Form, sweep: SessionSweep, flushes: FlushQueue? = nil,
        delegate: any SMTPServerDelegate
    ) {
        self.session = ServerSession(
            configuration: configuration, extendedReply: extendedReply, isSecure: isSecure)
        self.timeouts = timeouts
        self.form = form
        self.terms = MessageTerms(size: configuration.messageSize)
        self.receiver = MessageReceiver(
            .data, form: form, policy: self.terms.policy, sizeLimit: configuration.messageSize)
        self.pace = ReceivePace(block: timeouts.dataBlock, octetsPerSecond: timeouts.dataRate, now: .distantPast)
        self.sweep = sweep
        self.flushes = flushes
        self.delegate = delegate
    }

    /// How the client introduced itself; nil before it did.
    package var clientGreeting: ServerSession.Greeting? { self.session.greeting }

    /// The client's channel; nil once that is gone.
    package var channel: (any Channel)? { self.context?.channel }

    /// Whether the channel is under TLS, or about to be: STARTTLS was answered.
    package var isSecure: Bool { self.session.isSecure }

    /// Whether the client has authenticated itself.
    package var isAuthenticated: Bool { self.session.isAuthenticated }
}

// MARK: The channel

extension SMTPServerHandler {
    package func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { self.open() }
    }

    package func channelActive(context: ChannelHandlerContext) {
        self.open()
        context.fireChannelActive()
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var octets = self.unwrapInboundIn(data)
        if case .closed = self.input { return }
        self.paceReceived(octets.readableBytes)
        if self.incoming.readableBytes == 0 {
            self.incoming = octets
        } else {
            self.incoming.writeBuffer(&octets)
        }
        self.process()
    }

    package func channelReadComplete(context: ChannelHandlerContext) {
        if case .message = self.input { self.delegate?.messageReceiveCompleted() }
        context.fireChannelReadComplete()
    }

    package func channelWritabilityChanged(context: ChannelHandlerContext) {
        self.resumeReading()
        context.fireChannelWritabilityChanged()
    }

    package func read(context: ChannelHandlerContext) {
        guard self.wantsInput else {
            if self.readHeldSince == nil { self.readHeldSince = .now() }
            return
        }
        context.read()
    }

    package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? ChannelEvent, event == .inputClosed {
            self.isInputEnded = true
            self.closeIfInputEnded()
        }
        context.fireUserInboundEventTriggered(event)
    }

    package func channelInactive(context: ChannelHandlerContext) {
        self.finish()
        context.fireChannelInactive()
    }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A reset, or a write to a client that left: nothing can be said any more.
        context.close(promise: nil)
    }

    package func handlerRemoved(context: ChannelHandlerContext) {
        self.finish()
        self.context = nil
    }

    package func deadlineExpired() {
        switch self.input {
        case .greeting:
            break  // what ends it is a task
        case .commands, .overlongLine, .response, .message, .refusedChunk:
            // The client fell silent, or the delegate has taken nothing for as long: RFC 5321 section 3.8 allows 421.
            self.perform(self.session.close(.timeout))
        case .waiting:
            // Whoever completes the command has a deadline of their own.
            self.flush()
            self.renewDeadline()
        case .closed:
            self.context?.close(promise: nil)
        }
    }

    /// Lets reading go on after the delegate began to accept the message again, or the client to read its replies.
    package func resumeReading() {
        guard let since = self.readHeldSince, self.wantsInput else { return }
        self.readHeldSince = nil
        self.pace.waited(.now() - since)
        self.renewDeadline()
        self.context?.read()
    }

    private var wantsInput: Bool {
        switch self.input {
        case .message: self.readsReplies && self.delegate?.acceptsMessage ?? true
        case .waiting: self.incoming.readableBytes < Self.longestBacklog
        // Chunks that are small would else go on to a delegate that takes no more.
        case .commands where self.session.isAwaitingChunk: self.readsReplies && self.delegate?.acceptsMessage ?? true
        case .commands, .overlongLine, .response, .refusedChunk: self.readsReplies
        case .greeting, .closed: true
        }
    }

    /// Who sends commands, or chunks, and reads no replies would have them pile up here.
    private var readsReplies: Bool { self.context?.channel.isWritable ?? true }

    private func open() {
        guard self.sweepToken == nil, self.delegate != nil else { return }
        self.sweepToken = self.sweep.add(self)
        guard self.timeouts.greetingDelay > .zero, let context = self.context else { return self.greet() }
        self.input = .greeting
        self.renewDeadline()
        context.eventLoop.assumeIsolated().scheduleTask(in: self.timeouts.greetingDelay) { [weak self] in
            guard let self, case .greeting = self.input else { return }
            self.input = .commands
            self.greet()
            self.closeIfDrained()
        }
    }

    private func greet() {
        self.awaitCommand()
        self.renewDeadline()
        self.say(self.session.greetingReply)
        self.flush()
    }

    private func finish() {
        self.input = .closed
        if let token = self.sweepToken {
            self.sweep.remove(token)
            self.sweepToken = nil
        }
        let delegate = self.delegate
        self.delegate = nil
        delegate?.sessionClosed()
    }
}

// MARK: Time

extension SMTPServerHandler {
    /// A command is waited for from now on: whole, so that no drip of octets makes the wait longer.
    func awaitCommand() {
        self.commandDeadline = .now() + self.timeouts.command
    }

    /// A message, or a chunk that goes nowhere, is waited for from now on. The pace of a message in chunks is one from the
    /// first chunk to the last, with the commands and the silence between them, or a chunk of one octet every now and then
    /// would hold the session, and a backend's.
    func awaitMessage() {
        self.pace = ReceivePace(block: self.timeouts.dataBlock, octetsPerSecond: self.timeouts.dataRate, now: .now())
    }

    private func paceReceived(_ octets: Int) {
        switch self.input {
        case .message, .refusedChunk: self.pace.received(octets, now: .now())
        case .commands where self.session.isAwaitingChunk: self.pace.received(octets, now: .now())
        case .greeting, .commands, .overlongLine, .waiting, .response, .closed: break
        }
    }

    func renewDeadline() {
        switch self.input {
        case .commands, .overlongLine, .response:
            guard self.session.isAwaitingChunk else { return self.deadline = self.commandDeadline }
            self.deadline =
                self.readHeldSince.map { $0 + self.timeouts.dataBlock }
                ?? min(self.commandDeadline, self.pace.deadline)
        case .message, .refusedChunk:
            // Where the delegate does not read on, that is a block's time at most, too.
            self.deadline = self.readHeldSince.map { $0 + self.timeouts.dataBlock } ?? self.pace.deadline
        case .waiting:
            if self.outgoing.readableBytes > 0, self.replyDeadline == nil {
                self.replyDeadline = .now() + self.timeouts.heldReply
            }
            self.deadline = self.replyDeadline ?? .distantFuture
        case .greeting:
            self.deadline = .distantFuture
        case .closed:
            self.deadline = .now() + self.timeouts.close
        }
    }
}
