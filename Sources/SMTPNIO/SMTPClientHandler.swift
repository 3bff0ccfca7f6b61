package import NIOCore
package import SMTPCore

/// Frames a server's replies, feeds ``ClientSession`` and does what it says.
///
/// Once it is closed, by either side, nothing is written and nothing read, and what it is asked is not done.
package final class SMTPClientHandler: ChannelInboundHandler, SweptSession, DeferredWriter {
    package typealias InboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    /// The most octets of storage that are kept for what is to be said next.
    private static let mostIdleOutgoing = 1024

    private var session: ClientSession
    private var parser: ReplyParser
    private let limits: ReplyLimits
    private let timeouts: SMTPClientTimeouts
    /// Nil as soon as it has had its last call.
    private var delegate: (any SMTPClientDelegate)?
    private var context: ChannelHandlerContext?
    private var incoming = ByteBuffer()
    /// The last commands that were handed to the channel: room for the next ones.
    private var outgoing = ByteBuffer()
    /// Whether the parser holds lines of a reply whose last line is to come.
    private var isWithinReply = false
    /// Whether the message being sent, if any, can take more.
    package private(set) var isWritable = true

    private var closeHook: (() -> Void)?
    let flushes: FlushQueue?
    var isFlushDue = false
    private let sweep: SessionSweep
    private var sweepToken: SessionSweep.Token?
    package private(set) var deadline = NIODeadline.distantFuture

    /// Makes a handler for a connection to a server; `name` is for EHLO. It keeps `delegate` until that has had its last call.
    ///
    /// - Parameters:
    ///   - requiresStartTLS: the session is not ready before TLS has begun with STARTTLS.
    ///   - flushes: where commands wait for the end of the loop's turn; nil where they leave at once.
    package init(
        name: String, policy: EnvelopePolicy = EnvelopePolicy(), requiresStartTLS: Bool = false,
        limits: ReplyLimits = ReplyLimits(),
        timeouts: SMTPClientTimeouts = SMTPClientTimeouts(), sweep: SessionSweep, flushes: FlushQueue? = nil,
        delegate: any SMTPClientDelegate
    ) {
        self.sweep = sweep
        self.flushes = flushes
        self.session = ClientSession(name: name, policy: policy, requiresStartTLS: requiresStartTLS)
        self.parser = ReplyParser(limits: limits)
        self.limits = limits
        self.timeouts = timeouts
        self.delegate = delegate
    }

    /// Whether the session goes on: nobody has closed it.
    package var isConnected: Bool { self.context != nil }

    /// The server's channel; nil once the session is closed.
    package var channel: (any Channel)? { self.context?.channel }

    /// Whether a transaction can begin.
    package var isIdle: Bool { self.session.isIdle && self.context != nil }

    /// Whether recipients can be added and, where one was accepted, a message be sent.
    package var isOpen: Bool { self.session.isOpen && self.context != nil }

    /// What the server said of itself; nothing before ``SMTPClientDelegate/clientReady()``.
    package var capabilities: ServerCapabilities { self.session.capabilities }

    /// What the server said to the MAIL of the transaction.
    package var mailVerdict: ClientSession.MailVerdict { self.session.mailVerdict }

    /// The names by which the server introduced itself.
    package var serverNames: [String] { self.session.serverNames }
}

// MARK: The channel

extension SMTPClientHandler {
    package func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        self.isWritable = context.channel.isWritable
        self.sweepToken = self.sweep.add(self)
        self.renewDeadline()
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // What a server still says to somebody who has closed is nobody's.
        guard self.context != nil else { return }
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
                let reply = try self.parser.receive(line.readableBytesUInt8Span)
                self.isWithinReply = reply == nil
                if let reply { self.perform(self.session.receive(reply)) }
            } catch {
                return self.fail(.syntax(error))
            }
        }
        // One octet more for a CR whose LF is to come.
        if self.incoming.readableBytes > self.limits.lineLength + 1 { self.fail(.syntax(.lineTooLong)) }
        // What was read is not kept for the sake of the half line behind it.
        if self.incoming.readableBytes == 0 { self.incoming = ByteBuffer() } else { self.incoming.discardReadBytes() }
    }

    package func channelWritabilityChanged(context: ChannelHandlerContext) {
        self.isWritable = context.channel.isWritable
        if self.session.awaited == .room { self.renewDeadline() }
        self.delegate?.clientWritabilityChanged(self.isWritable)
        context.fireChannelWritabilityChanged()
    }

    package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // A server that says nothing more cannot answer (where half-closed connections are allowed at all).
        if let event = event as? ChannelEvent, event == .inputClosed { self.fail(.closed) }
        context.fireUserInboundEventTriggered(event)
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

    /// The server owes something for too long.
    package func deadlineExpired() {
        self.fail(.timeout)
    }

    /// Whoever uses this session ends it.
    package func drain() {}

    private func leaveSweep() {
        if let token = self.sweepToken { self.sweep.remove(token) }
        self.sweepToken = nil
    }

    private func renewDeadline() {
        let limit = self.timeouts.limit(self.session.awaited, isWritable: self.isWritable)
        self.deadline = limit.map { .now() + $0 } ?? .distantFuture
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

    /// Tells the server on whose behalf the session is; only when ``isIdle``, before the first transaction. Then
    /// ``SMTPClientDelegate/clientReady()`` comes again.
    package func introduce(_ introduction: ClientIntroduction) {
        self.ask { $0.introduce(introduction) }
    }

    /// Begins a transaction with its first recipients; only when ``isIdle``. Each has an answer of its own, in order.
    ///
    /// - Parameter forwarding: what XFORWARD tells in front of MAIL, as far as the server takes it.
    package func begin(
        _ mail: MailCommand, _ recipients: [RecipientCommand], forwarding: [ClientAttribute] = []
    ) {
        self.ask { $0.begin(mail, recipients, forwarding: forwarding) }
    }

    /// Begins a transaction with its first recipient; only when ``isIdle``.
    package func begin(_ mail: MailCommand, _ recipient: RecipientCommand, forwarding: [ClientAttribute] = []) {
        self.begin(mail, [recipient], forwarding: forwarding)
    }

    /// Adds recipients; only when ``isOpen``. Each has an answer of its own, in order.
    package func recipients(_ recipients: [RecipientCommand]) {
        self.ask { $0.recipients(recipients) }
    }

    /// Adds a recipient; only when ``isOpen``.
    package func recipient(_ recipient: RecipientCommand) {
        self.recipients([recipient])
    }

    /// Asks to send the message; only when ``isOpen`` and a recipient was accepted.
    package func data() {
        self.ask { $0.data() }
    }

    /// Asks for TLS; only when ``isIdle``, and where the server announced it. Then comes
    /// ``SMTPClientDelegate/clientStartsTLS()``, or an answer that refuses.
    package func startTLS() {
        self.ask { $0.startTLS() }
    }

    /// The handshake is done; ``SMTPClientDelegate/clientReady()`` comes again.
    package func tlsEstablished() {
        self.ask { $0.tlsEstablished() }
    }

    /// There is no TLS with the server: the session fails with ``SMTPClientFailure/tls``.
    package func tlsFailed() {
        guard self.context != nil else { return }
        self.fail(.tls)
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
        self.renewDeadline()
        self.write(ByteBuffer(string: ".\r\n"), to: context)
    }

    /// Gives the open transaction up and keeps the session.
    package func abandon() {
        guard self.context != nil else { return }
        self.session.abandon()
    }

    /// Waits for the session's next user, with `delegate` to be told if it ends meanwhile; false where the session cannot
    /// have another: something is outstanding, or was said unasked.
    package func rest(with delegate: any SMTPClientDelegate) -> Bool {
        guard self.context != nil, !self.isAnsweredUnasked, self.session.isIdle || self.session.isOpen else {
            return false
        }
        self.session.rest()
        self.delegate = delegate
        return true
    }

    /// Serves somebody else from now on, behind ``rest(with:)``.
    package func serve(_ delegate: any SMTPClientDelegate) {
        self.delegate = delegate
    }

    /// Takes leave, and closes when the server has; no call to the delegate comes any more.
    ///
    /// The server closes first, as RFC 5321 section 4.1.1.10 has it: who does keeps the port in TIME_WAIT, and there it
    /// is one of the server's own.
    ///
    /// - Parameter resetting: RSET goes in front of it, where the server pipelines.
    package func quit(resetting: Bool = false) {
        guard self.context != nil, self.session.isIdle || self.session.isOpen else { return self.close() }
        self.delegate = nil
        self.incoming.clear()
        self.perform(resetting ? self.session.resetAndQuit() : self.session.quit())
        // (Whoever closes within this turn has said it.)
        self.flushDeferred()
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

    /// Whether the session goes on, and the server has not begun to say what nobody asked.
    package var isQuiet: Bool { self.context != nil && !self.isAnsweredUnasked }

    /// Whether something came behind the last reply: it cannot be the answer to what is asked next.
    private var isAnsweredUnasked: Bool { self.incoming.readableBytes > 0 || self.isWithinReply }

    private func ask(_ question: (inout ClientSession) -> ClientSession.Action) {
        guard self.context != nil else { return }
        guard !self.isAnsweredUnasked else { return self.fail(.answeredUnasked) }
        self.perform(question(&self.session))
    }
}

// MARK: Actions

extension SMTPClientHandler {
    /// The deadline is set before the delegate is called, who may ask for the next thing within the call.
    private func perform(_ action: ClientSession.Action) {
        // Who answers QUIT again and again has no more time for it.
        if action != .wait || self.session.awaited != .bye { self.renewDeadline() }
        switch action {
        case .wait:
            break
        case .send(let commands):
            self.send(commands)
        case .ready:
            self.delegate?.clientReady()
        case .answered(let question, let reply):
            self.delegate?.clientAnswered(question, reply)
        case .answeredAndSend(let question, let reply, let command):
            self.send([command])
            self.delegate?.clientAnswered(question, reply)
        case .refused(let reply, let recipients):
            for _ in 0..<recipients { self.delegate?.clientAnswered(.recipient, reply) }
        case .startTLS:
            guard !self.isAnsweredUnasked else { return self.fail(.injection) }
            self.delegate?.clientStartsTLS()
        case .fail(let error):
            self.fail(.session(error))
        }
    }

    private func send(_ commands: [ClientCommand]) {
        guard let context = self.context else { return }
        self.outgoing.recycle()
        for command in commands { self.outgoing.writeCommand(command) }
        // (A password does not stay until the next command.)
        let most = commands.contains(where: \.isConfidential) ? 0 : Self.mostIdleOutgoing
        self.write(self.outgoing.takeReadable(keepingAtMost: most), to: context)
    }

    package func flushDeferred() {
        guard self.isFlushDue else { return }
        self.isFlushDue = false
        self.context?.flush()
    }
}
