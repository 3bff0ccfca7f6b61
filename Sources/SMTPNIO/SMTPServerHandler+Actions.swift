package import NIOCore
package import SMTPCore

// What the session says is to be done, and what the delegate found out.

extension SMTPServerHandler {
    func perform(_ action: ServerSession.Action, line: ByteBuffer = ByteBuffer()) {
        switch action {
        case .reply(let reply):
            self.say(reply)
        case .replyAndClose(let reply):
            if reply == .earlyInput || reply == .earlyTalker {
                if line.isStartTLS { self.delegate?.injectionSeen() } else { self.delegate?.earlyInputSeen() }
            }
            self.say(reply)
            self.input = .closed
            self.delegate?.transactionReset()
            self.closeAfterReply(isOrderly: reply.replyCode == 221)
        case .beginTransaction(let mail, let reply):
            self.delegate?.transactionBegan(mail, line: line)
            self.say(reply)
        case .resetTransaction(let reply):
            self.delegate?.transactionReset()
            self.say(reply)
        case .resolveRecipient(let recipient):
            self.input = .waiting
            self.delegate?.resolveRecipient(recipient, line: line)
        case .prepareMessage:
            self.input = .waiting
            self.delegate?.prepareMessage()
        case .receiveMessage(let reply):
            self.say(reply)
            self.beginMessage(.data)
        case .receiveChunk(let size, let isLast, let isFirst):
            if isFirst { self.beginMessage(.chunks) }
            self.receiver.beginChunk(size: size, isLast: isLast)
            self.input = .message
        case .discardChunk(let size, let reply, let resetsTransaction):
            if resetsTransaction { self.delegate?.transactionReset() }
            self.input = .refusedChunk(left: size, reply)
            self.awaitMessage()
        case .startTLS(let reply):
            self.startTLS(reply)
        case .authenticate(let command):
            self.input = .waiting
            self.delegate?.authenticate(command)
        case .challenge(let reply):
            self.say(reply)
            self.input = .response
            self.awaitCommand()
        case .continueAuthentication(let response):
            self.input = .waiting
            self.delegate?.continueAuthentication(response)
        }
    }

    /// Puts a reply behind those that are to leave.
    func say(_ reply: SMTPReply) {
        self.outgoing.recycle()
        self.outgoing.writeReply(reply, utf8: self.session.usesSMTPUTF8)
    }

    private func beginMessage(_ framing: MessageReceiver.Framing) {
        self.receiver = MessageReceiver(
            framing, form: self.form, policy: self.terms.policy, sizeLimit: self.terms.size)
        self.input = .message
        self.awaitMessage()
    }

    private func startTLS(_ reply: SMTPReply) {
        guard let addTLS = self.delegate?.prepareTLS() else { return self.perform(self.session.tlsUnavailable()) }
        // What came in clear behind the command is nobody's, or an attacker's (CVE-2011-0411).
        if self.incoming.readableBytes > 0 { self.delegate?.injectionSeen() }
        self.incoming.clear()
        self.say(reply)
        // In clear, so before anything is encrypted.
        self.flush()
        self.flushDeferred()
        do {
            try addTLS()
            self.session.tlsEstablished()
            self.delegate?.authenticationForgotten()
            self.awaitCommand()
        } catch {
            // 220 has been said: in clear there is nothing to say any more.
            self.input = .closed
            self.context?.close(promise: nil)
        }
    }
}

extension ByteBuffer {
    /// Whether a line that is a command is STARTTLS.
    fileprivate var isStartTLS: Bool {
        var verb = self.getSlice(at: self.readerIndex, length: min(8, self.readableBytes)) ?? ByteBuffer()
        return verb.readString(length: verb.readableBytes)?.uppercased() == "STARTTLS"
    }
}

// MARK: Completions

extension SMTPServerHandler {
    /// What became of the recipient that the delegate was asked about, or of the first of those that it took with
    /// ``takeRecipient()`` and that wait still; `closing` ends the session with it.
    package func recipientCompleted(_ reply: SMTPReply, closing: Bool = false) {
        self.complete { $0.recipientCompleted(reply, closing: closing) }
    }

    /// The next recipient, and its line, where the client has named it already without waiting for the replies to those in
    /// front; nil where nothing of the kind has come, or its reply is not the delegate's to find out.
    ///
    /// Only while a recipient waits for its completion; then this one waits as well, behind it.
    package func takeRecipient() -> (recipient: RecipientCommand, line: ByteBuffer)? {
        guard case .waiting = self.input, let line = self.nextRecipientLine,
            case .rcpt(let recipient)? = try? CommandParser.command(line.readableBytesUInt8Span),
            self.session.join(recipient)
        else { return nil }
        self.incoming.moveReaderIndex(forwardBy: line.readableBytes + 2)
        return (recipient, line)
    }

    /// Whether the message may come: 354, or a refusal.
    ///
    /// - Parameter terms: on which terms it may; nil for the configuration's.
    package func dataCompleted(_ reply: SMTPReply, terms: MessageTerms? = nil) {
        if let terms { self.terms = terms }
        let hasMoreInput = self.incoming.readableBytes > 0
        self.complete { $0.dataCompleted(reply, hasMoreInput: hasMoreInput) }
    }

    /// What became of the message.
    package func messageCompleted(_ reply: SMTPReply, closing: Bool = false) {
        self.complete { $0.messageCompleted(reply, closing: closing) }
    }

    /// The mechanism wants to hear more: `challenge` is in base64.
    package func authenticationContinued(_ challenge: String) {
        self.complete { $0.authenticationContinued(challenge) }
    }

    /// The SASL exchange is over: 235 where the client is who it says; `closing` ends the session with it.
    package func authenticationCompleted(_ reply: SMTPReply, closing: Bool = false) {
        self.complete { $0.authenticationCompleted(reply, closing: closing) }
    }

    private func complete(_ completion: (inout ServerSession) -> ServerSession.Action) {
        guard case .waiting = self.input else { return }  // the client left meanwhile
        let action = completion(&self.session)
        if self.session.isResolvingRecipients {
            self.perform(action)
            return self.renewDeadline()
        }
        self.input = .commands
        self.awaitCommand()
        self.perform(action)
        self.process()
        // What came behind DATA was passed on outside of a read, and no read may follow before it has left.
        if case .message = self.input { self.delegate?.messageReceiveCompleted() }
        self.resumeReading()
    }
}

// MARK: Ends

extension SMTPServerHandler {
    /// Ends the session with this reply, whatever it is at.
    package func refuse(_ reply: SMTPReply) {
        if case .closed = self.input { return }
        self.perform(self.session.close(reply))
    }

    /// Ends the session as soon as no transaction is open: at once where there is none, else behind its last reply.
    package func drain() {
        self.isDraining = true
        self.closeIfDrained()
    }

    func closeIfDrained() {
        guard self.isDraining, !self.session.isInTransaction else { return }
        switch self.input {
        case .greeting, .commands: self.perform(self.session.close(.shuttingDown))
        case .overlongLine, .waiting, .response, .message, .refusedChunk, .closed: break
        }
    }

    /// Hands the replies to the channel; they leave with the loop's turn.
    func flush() {
        self.replyDeadline = nil
        guard self.outgoing.readableBytes > 0, let context = self.context else { return }
        self.write(self.outgoing.takeReadable(keepingAtMost: Self.mostIdleOutgoing), to: context)
    }

    package func flushDeferred() {
        guard self.isFlushDue else { return }
        self.isFlushDue = false
        self.context?.flush()
        if self.closesWhenFlushed { self.closeBehindReplies() }
    }

    /// Closes behind the last reply. Where the client may still be sending, only the sending side is closed at first and
    /// what comes is thrown away: a close with unread input would reset the connection and lose the reply.
    private func closeAfterReply(isOrderly: Bool) {
        self.flush()
        self.renewDeadline()
        guard isOrderly, self.incoming.readableBytes == 0 else {
            self.flushDeferred()
            self.incoming.clear()
            self.context?.close(mode: .output, promise: nil)
            return self.resumeReading()
        }
        self.closesWhenFlushed = true
        if !self.isFlushDue { self.closeBehindReplies() }
    }

    /// Closes once every reply has left, which a client that is slow to read delays; the sweep bounds by how much.
    func closeBehindReplies() {
        if self.isFlushDue {
            // TLS throws away, when it closes, what was not flushed, and counts it for nothing until then.
            self.closesWhenFlushed = true
            return self.flushDeferred()
        }
        guard let context = self.context else { return }
        let pending = try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)
        guard pending != 0 else { return context.close(promise: nil) }
        // An empty write is done when all those before it are.
        context.writeAndFlush(self.wrapOutboundOut(ByteBuffer())).assumeIsolated().whenComplete { _ in
            self.context?.close(promise: nil)
        }
    }
}
