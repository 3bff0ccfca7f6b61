package import NIOCore
package import SMTPCore

/// Who drives a session with a server: it asks, and hears the answers. All calls come on the channel's event loop.
package protocol SMTPClientDelegate: AnyObject {
    /// The server greeted and answered EHLO: a transaction can begin.
    func clientReady()
    /// The server answered.
    func clientAnswered(_ question: ClientSession.Question, _ reply: SMTPReply)
    /// The session cannot go on, and the connection is closed; the last call of all.
    func clientFailed(_ failure: SMTPClientFailure)
    /// Whether more of a message can be written without the connection's buffer growing.
    func clientWritabilityChanged(_ isWritable: Bool)
}

/// Why a session with a server ended before its time.
package enum SMTPClientFailure: Error, Equatable {
    /// The server said something that ends the session.
    case session(ClientSessionError)
    /// What the server sent is no reply.
    case syntax(ReplySyntaxError)
    /// The server had answered before it was asked.
    case answeredUnasked
    /// The server closed the connection, or it broke.
    case closed
}

/// Frames a server's replies, feeds ``ClientSession`` and does what it says.
package final class SMTPClientHandler: ChannelInboundHandler, SweptSession {
    package typealias InboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    private var session: ClientSession
    private var parser: ReplyParser
    private let limits: ReplyLimits
    private weak var delegate: (any SMTPClientDelegate)?
    private var context: ChannelHandlerContext?
    private var incoming = ByteBuffer()
    /// Whether the message being sent, if any, can take more.
    package private(set) var isWritable = true

    private var closeHook: (() -> Void)?
    private let sweep: SessionSweep
    private var sweepToken: SessionSweep.Token?
    package private(set) var deadline = NIODeadline.distantFuture

    /// Makes a handler for a connection to a server; `name` is for EHLO. It does not keep `delegate` alive.
    package init(
        name: String, limits: ReplyLimits = ReplyLimits(), sweep: SessionSweep, delegate: any SMTPClientDelegate
    ) {
        self.sweep = sweep
        self.session = ClientSession(name: name)
        self.parser = ReplyParser(limits: limits)
        self.limits = limits
        self.delegate = delegate
    }

    /// Whether a transaction can begin.
    package var isIdle: Bool { self.session.isIdle && self.context != nil }

    /// Whether recipients can be added and a message be sent.
    package var isOpen: Bool { self.session.isOpen && self.context != nil }
}

// MARK: The channel

extension SMTPClientHandler {
    package func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        self.isWritable = context.channel.isWritable
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var octets = self.unwrapInboundIn(data)
        if self.incoming.readableBytes == 0 {
            self.incoming = octets
        } else {
            self.incoming.writeBuffer(&octets)
        }
        while self.context != nil, let length = self.incoming.octetsBeforeLineFeed {
            guard var line = self.incoming.readSlice(length: length) else { break }
            self.incoming.moveReaderIndex(forwardBy: 1)
            if length > 0, line.getInteger(at: line.writerIndex - 1, as: UInt8.self) == 0x0D {
                line.moveWriterIndex(to: line.writerIndex - 1)
            }
            do {
                guard let reply = try self.parser.receive(line.readableBytesUInt8Span) else { continue }
                self.perform(self.session.receive(reply))
            } catch {
                return self.fail(.syntax(error))
            }
        }
        if self.incoming.readableBytes > self.limits.lineLength { self.fail(.syntax(.lineTooLong)) }
    }

    package func channelWritabilityChanged(context: ChannelHandlerContext) {
        self.isWritable = context.channel.isWritable
        self.delegate?.clientWritabilityChanged(self.isWritable)
        context.fireChannelWritabilityChanged()
    }

    package func channelInactive(context: ChannelHandlerContext) {
        self.closeHook?()
        self.closeHook = nil
        self.fail(.closed)
        context.fireChannelInactive()
    }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    package func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        self.delegate = nil
        self.leaveSweep()
    }

    /// The server has not answered QUIT.
    package func deadlineExpired() {
        self.close()
    }

    /// Whoever uses this session ends it.
    package func drain() {}

    private func leaveSweep() {
        if let token = self.sweepToken { self.sweep.remove(token) }
        self.sweepToken = nil
    }

    private func fail(_ failure: SMTPClientFailure) {
        let delegate = self.delegate
        self.close()
        delegate?.clientFailed(failure)
    }
}

// MARK: What the delegate asks

extension SMTPClientHandler {
    /// Has `hook` called once, when a connection that was made ends, however it ends.
    package func onClose(_ hook: @escaping () -> Void) {
        self.closeHook = hook
    }

    /// Begins a transaction with its first recipient; only when ``isIdle``.
    package func begin(_ mail: MailCommand, _ recipient: RecipientCommand) {
        self.ask { $0.begin(mail, recipient) }
    }

    /// Adds a recipient; only when ``isOpen``.
    package func recipient(_ recipient: RecipientCommand) {
        self.ask { $0.recipient(recipient) }
    }

    /// Asks to send the message; only when ``isOpen``.
    package func data() {
        self.ask { $0.data() }
    }

    /// Writes octets of the message, dots stuffed; they leave with ``flushMessage()``.
    package func writeMessage(_ octets: ByteBuffer) {
        self.context?.write(self.wrapOutboundOut(octets), promise: nil)
    }

    /// Sends what was written.
    package func flushMessage() {
        self.context?.flush()
    }

    /// Sends the final dot, and with it all that was written: from now on the message may be the server's.
    package func endMessage() {
        guard let context = self.context else { return }
        guard !self.isAnsweredUnasked else { return self.fail(.answeredUnasked) }
        self.session.messageSent()
        context.writeAndFlush(self.wrapOutboundOut(ByteBuffer(string: ".\r\n")), promise: nil)
    }

    /// Gives the open transaction up and keeps the session.
    package func abandon() {
        self.session.abandon()
    }

    /// Takes leave, and closes when the server has; no call to the delegate comes any more.
    ///
    /// The server closes first, as RFC 5321 section 4.1.1.10 has it: who does keeps the port in TIME_WAIT, and there it
    /// is one of the server's own.
    package func quit() {
        guard self.context != nil, self.session.isIdle || self.session.isOpen else { return self.close() }
        self.delegate = nil
        self.deadline = .now() + .seconds(5)
        self.sweepToken = self.sweep.add(self)
        self.incoming.clear()
        self.perform(self.session.quit())
    }

    /// Closes at once: a message without its final dot is not delivered (RFC 5321 section 4.1.1.10). No call to the
    /// delegate comes any more.
    package func close() {
        self.delegate = nil
        self.leaveSweep()
        let context = self.context
        self.context = nil
        context?.close(promise: nil)
    }

    /// Whether something came behind the last reply: it cannot be the answer to what is asked next.
    private var isAnsweredUnasked: Bool { self.incoming.readableBytes > 0 }

    private func ask(_ question: (inout ClientSession) -> ClientSession.Action) {
        guard !self.isAnsweredUnasked else { return self.fail(.answeredUnasked) }
        self.perform(question(&self.session))
    }

    private func perform(_ action: ClientSession.Action) {
        switch action {
        case .wait:
            break
        case .send(let commands):
            guard let context = self.context else { return }
            var octets = context.channel.allocator.buffer(capacity: 128 * commands.count)
            for command in commands { octets.writeString(command.line) }
            context.writeAndFlush(self.wrapOutboundOut(octets), promise: nil)
        case .ready:
            self.delegate?.clientReady()
        case .answered(let question, let reply):
            self.delegate?.clientAnswered(question, reply)
        case .fail(let error):
            self.fail(.session(error))
        }
    }
}
