package import NIOCore
package import SMTPCore

/// Frames what an SMTP client sends, feeds ``ServerSession`` and does what it says.
///
/// Replies to commands that arrived together leave together, and so do replies in front of one that waits for its
/// delegate, unless that takes longer than a moment. While a message is received, reading stops where the delegate does
/// not accept more.
package final class SMTPServerHandler: ChannelDuplexHandler, SweptSession {
    package typealias InboundIn = ByteBuffer
    package typealias OutboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    /// The longest command line, its CRLF included. RFC 5321 section 4.5.3.1.4 asks for 512 at least; the extensions add.
    package static let longestCommandLine = 2048
    /// Where reading stops while a command waits for its answer.
    private static let longestBacklog = 64 << 10

    private enum Input: UInt8 {
        /// Lines are commands.
        case commands
        /// A line over the limit is thrown away up to its LF.
        case overlongLine
        /// A command waits for its completion.
        case waiting
        /// Octets are a message.
        case message
        /// Octets are a message over the limit: thrown away.
        case oversizedMessage
        /// Nothing is read as SMTP any more.
        case closed
    }

    private var session: ServerSession
    private let timeouts: SMTPServerTimeouts
    private let messageSize: UInt64
    private let form: MessageFramer.Form
    private var framer: MessageFramer
    private var delegate: (any SMTPServerDelegate)?
    private var context: ChannelHandlerContext?
    private let sweep: SessionSweep
    private var sweepToken: SessionSweep.Token?

    private var input = Input.commands
    private var incoming = ByteBuffer()
    private var outgoing = ByteBuffer()
    private var isProcessing = false
    private var isReadHeld = false
    private var isInputEnded = false
    private var isDraining = false
    /// When the replies that wait for the next one have to leave.
    private var replyDeadline: NIODeadline?
    package private(set) var deadline = NIODeadline.distantFuture

    /// Makes a handler for one connection; it keeps `delegate` until the session is closed.
    package init(
        configuration: ServerSessionConfiguration, extendedReply: SMTPReply, timeouts: SMTPServerTimeouts,
        form: MessageFramer.Form, sweep: SessionSweep, delegate: any SMTPServerDelegate
    ) {
        self.session = ServerSession(configuration: configuration, extendedReply: extendedReply)
        self.timeouts = timeouts
        self.messageSize = configuration.messageSize
        self.form = form
        self.framer = MessageFramer(form)
        self.sweep = sweep
        self.delegate = delegate
    }

    /// How the client introduced itself; nil before it did.
    package var clientGreeting: ServerSession.Greeting? { self.session.greeting }
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
        guard self.input != .closed else { return }
        if self.incoming.readableBytes == 0 {
            self.incoming = octets
        } else {
            self.incoming.writeBuffer(&octets)
        }
        self.process()
    }

    package func channelReadComplete(context: ChannelHandlerContext) {
        if self.input == .message { self.delegate?.messageReceiveCompleted() }
        context.fireChannelReadComplete()
    }

    package func channelWritabilityChanged(context: ChannelHandlerContext) {
        self.resumeReading()
        context.fireChannelWritabilityChanged()
    }

    package func read(context: ChannelHandlerContext) {
        guard self.wantsInput else {
            self.isReadHeld = true
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
        case .commands, .overlongLine:
            self.perform(self.session.close(.timeout))
        case .waiting:
            // Whoever completes the command has a deadline of their own.
            self.flush()
            self.renewDeadline()
        case .message, .oversizedMessage:
            // The client fell silent, or the delegate has taken nothing for as long: RFC 5321 section 3.8 allows 421.
            self.perform(self.session.close(.timeout))
        case .closed:
            self.context?.close(promise: nil)
        }
    }

    /// Lets reading go on after the delegate began to accept the message again, or the client to read its replies.
    package func resumeReading() {
        guard self.isReadHeld, self.wantsInput else { return }
        self.isReadHeld = false
        self.context?.read()
    }

    private var wantsInput: Bool {
        switch self.input {
        case .message: self.delegate?.acceptsMessage ?? true
        case .waiting: self.incoming.readableBytes < Self.longestBacklog
        // Who sends commands and reads no replies would have them pile up here.
        case .commands, .overlongLine: self.context?.channel.isWritable ?? true
        case .oversizedMessage, .closed: true
        }
    }

    private func open() {
        guard self.sweepToken == nil, self.delegate != nil else { return }
        self.sweepToken = self.sweep.add(self)
        self.renewDeadline()
        self.outgoing.writeReply(self.session.greetingReply)
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

// MARK: Input

extension SMTPServerHandler {
    /// Reads as far as it goes, then sends what there is to send.
    private func process() {
        guard !self.isProcessing else { return }
        self.isProcessing = true
        loop: while true {
            switch self.input {
            case .commands:
                self.closeIfDrained()
                guard self.input == .commands else { break loop }
                guard let length = self.incoming.octetsBeforeLineFeed else {
                    if self.incoming.readableBytes >= Self.longestCommandLine {
                        self.incoming.clear()
                        self.input = .overlongLine
                    }
                    break loop
                }
                self.command(length)
            case .overlongLine:
                guard let length = self.incoming.octetsBeforeLineFeed else {
                    self.incoming.clear()
                    break loop
                }
                self.incoming.moveReaderIndex(forwardBy: length + 1)
                self.input = .commands
                self.perform(self.session.receiveMalformed(.lineTooLong))
            case .message:
                guard self.message() else { break loop }
            case .oversizedMessage:
                guard self.oversizedMessage() else { break loop }
            case .waiting, .closed:
                break loop
            }
        }
        self.incoming.discardReadBytes()
        self.isProcessing = false
        if self.input != .waiting { self.flush() }
        self.renewDeadline()
        self.closeIfInputEnded()
    }

    private func command(_ length: Int) {
        guard length < Self.longestCommandLine, var line = self.incoming.readSlice(length: length) else {
            self.incoming.moveReaderIndex(forwardBy: length + 1)
            return self.perform(self.session.receiveMalformed(.lineTooLong))
        }
        self.incoming.moveReaderIndex(forwardBy: 1)
        guard length > 0, line.getInteger(at: line.writerIndex - 1, as: UInt8.self) == 0x0D else {
            return self.perform(self.session.receiveMalformed(.bareLineFeed))
        }
        line.moveWriterIndex(to: line.writerIndex - 1)
        do {
            let command = try CommandParser.command(line.readableBytesUInt8Span)
            self.perform(self.session.receive(command), line: line)
        } catch {
            self.perform(self.session.receiveMalformed(error))
        }
    }

    private func nextStep() -> MessageFramer.Step {
        let input = self.incoming
        return self.framer.next(input.readableBytesUInt8Span)
    }

    /// Passes the message on as far as it is there; false when more is needed.
    private func message() -> Bool {
        while true {
            switch self.nextStep() {
            case .pass(let count):
                if let octets = self.incoming.readSlice(length: count) { self.delegate?.messageReceived(octets) }
            case .write(let replacement, let consumed):
                self.incoming.moveReaderIndex(forwardBy: consumed)
                if replacement != .nothing {
                    self.delegate?.messageReceived(ByteBuffer(string: replacement.rawValue))
                }
            case .hold:
                self.incoming.moveReaderIndex(forwardBy: 1)
            case .end(let consumed):
                self.incoming.moveReaderIndex(forwardBy: consumed)
                self.input = .waiting
                self.delegate?.messageEnded(
                    size: self.framer.size, bareLineFeeds: self.framer.bareLineFeeds,
                    bareCarriageReturns: self.framer.bareCarriageReturns)
                return true
            case .needMore:
                return false
            }
            if self.messageSize > 0, self.framer.size > self.messageSize {
                self.input = .oversizedMessage
                self.delegate?.messageIsTooBig()
                return true
            }
        }
    }

    /// Looks for the end of a message over the limit; the refusal must come behind it (RFC 1870 section 6.3).
    private func oversizedMessage() -> Bool {
        while true {
            switch self.nextStep() {
            case .pass(let count): self.incoming.moveReaderIndex(forwardBy: count)
            case .write(_, let consumed): self.incoming.moveReaderIndex(forwardBy: consumed)
            case .hold: self.incoming.moveReaderIndex(forwardBy: 1)
            case .end(let consumed):
                self.incoming.moveReaderIndex(forwardBy: consumed)
                self.input = .waiting
                self.messageCompleted(.messageTooBig)
                return true
            case .needMore:
                return false
            }
        }
    }

    private func closeIfInputEnded() {
        guard self.isInputEnded, !self.isProcessing else { return }
        switch self.input {
        case .waiting:
            break  // the answer still goes out: the client may only have closed its sending side
        case .message, .oversizedMessage:
            self.context?.close(promise: nil)  // no end will come
        case .commands, .overlongLine, .closed:
            self.input = .closed
            self.renewDeadline()
            self.closeBehindReplies()
        }
    }

    private func renewDeadline() {
        switch self.input {
        case .commands, .overlongLine: self.deadline = .now() + self.timeouts.command
        case .message, .oversizedMessage: self.deadline = .now() + self.timeouts.dataBlock
        case .waiting:
            if self.outgoing.readableBytes > 0, self.replyDeadline == nil {
                self.replyDeadline = .now() + self.timeouts.heldReply
            }
            self.deadline = self.replyDeadline ?? .distantFuture
        case .closed: self.deadline = .now() + self.timeouts.close
        }
    }
}

// MARK: Actions

extension SMTPServerHandler {
    private func perform(_ action: ServerSession.Action, line: ByteBuffer = ByteBuffer()) {
        switch action {
        case .reply(let reply):
            self.outgoing.writeReply(reply)
        case .replyAndClose(let reply):
            self.outgoing.writeReply(reply)
            self.input = .closed
            self.delegate?.transactionReset()
            self.closeAfterReply(isOrderly: reply.replyCode == 221)
        case .beginTransaction(let mail, let reply):
            self.delegate?.transactionBegan(mail, line: line)
            self.outgoing.writeReply(reply)
        case .resetTransaction(let reply):
            self.delegate?.transactionReset()
            self.outgoing.writeReply(reply)
        case .resolveRecipient(let recipient):
            self.input = .waiting
            self.delegate?.resolveRecipient(recipient, line: line)
        case .prepareMessage:
            self.input = .waiting
            self.delegate?.prepareMessage()
        case .receiveMessage(let reply):
            self.outgoing.writeReply(reply)
            self.framer = MessageFramer(self.form)
            self.input = .message
        }
    }

    /// What became of the recipient that the delegate was asked about; `closing` ends the session with it.
    package func recipientCompleted(_ reply: SMTPReply, closing: Bool = false) {
        self.complete { $0.recipientCompleted(reply, closing: closing) }
    }

    /// Whether the message may come: 354, or a refusal.
    package func dataCompleted(_ reply: SMTPReply) {
        self.complete { $0.dataCompleted(reply) }
    }

    /// What became of the message.
    package func messageCompleted(_ reply: SMTPReply, closing: Bool = false) {
        self.complete { $0.messageCompleted(reply, closing: closing) }
    }

    private func complete(_ completion: (inout ServerSession) -> ServerSession.Action) {
        guard self.input == .waiting else { return }  // the client left meanwhile
        self.input = .commands
        self.perform(completion(&self.session))
        self.process()
        // What came behind DATA was passed on outside of a read, and no read may follow before it has left.
        if self.input == .message { self.delegate?.messageReceiveCompleted() }
        self.resumeReading()
    }

    /// Ends the session as soon as no transaction is open: at once where there is none, else behind its last reply.
    package func drain() {
        self.isDraining = true
        self.closeIfDrained()
    }

    private func closeIfDrained() {
        guard self.isDraining, self.input == .commands, !self.session.isInTransaction else { return }
        self.perform(self.session.close(.shuttingDown))
    }

    private func flush() {
        self.replyDeadline = nil
        guard self.outgoing.readableBytes > 0, let context = self.context else { return }
        let octets = self.outgoing
        self.outgoing = ByteBuffer()
        context.writeAndFlush(self.wrapOutboundOut(octets), promise: nil)
    }

    /// Closes behind the last reply. Where the client may still be sending, only the sending side is closed at first and
    /// what comes is thrown away: a close with unread input would reset the connection and lose the reply.
    private func closeAfterReply(isOrderly: Bool) {
        self.flush()
        self.renewDeadline()
        if isOrderly, self.incoming.readableBytes == 0 {
            self.closeBehindReplies()
        } else {
            self.incoming.clear()
            self.context?.close(mode: .output, promise: nil)
            if self.isReadHeld { self.resumeReading() }
        }
    }

    /// Closes once every reply has left, which a client that is slow to read delays; the sweep bounds by how much.
    private func closeBehindReplies() {
        guard let context = self.context else { return }
        // An empty write is done when all those before it are.
        context.writeAndFlush(self.wrapOutboundOut(ByteBuffer())).assumeIsolated().whenComplete { _ in
            self.context?.close(promise: nil)
        }
    }
}
