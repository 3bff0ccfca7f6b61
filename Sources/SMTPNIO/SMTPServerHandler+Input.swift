import NIOCore
import SMTPCore

// What the client sends: lines, and messages.

extension SMTPServerHandler {
    /// How much of a message is put together that comes in pieces too small to be handed on each by itself.
    private static let togetherAtMost = 16 << 10

    /// Reads as far as it goes, then sends what there is to send.
    func process() {
        guard !self.isProcessing else { return }
        self.isProcessing = true
        while self.processNext() {}
        // (Empty, it is let go: to move its indices back would copy what a line that is still in use was read into.)
        if self.incoming.readableBytes == 0 { self.incoming = ByteBuffer() } else { self.incoming.discardReadBytes() }
        self.isProcessing = false
        if case .waiting = self.input {} else { self.flush() }
        self.renewDeadline()
        self.closeIfInputEnded()
    }

    /// Takes one command, or the message as far as it is there; false when more is needed.
    private func processNext() -> Bool {
        switch self.input {
        case .greeting:
            guard self.incoming.readableBytes > 0 else { return false }
            self.perform(self.session.close(.earlyTalker))
            return false
        case .commands:
            self.closeIfDrained()
            guard case .commands = self.input else { return false }
            return self.line { self.command($0) }
        case .response:
            return self.line { self.response($0) }
        case .overlongLine:
            guard let length = self.incoming.octetsBeforeLineFeed else {
                self.incoming.clear()
                return false
            }
            self.incoming.moveReaderIndex(forwardBy: length + 1)
            self.input = .commands
            self.awaitCommand()
            self.perform(self.session.receiveMalformed(.lineTooLong))
            return true
        case .message:
            return self.message()
        case .refusedChunk(let left, let reply):
            return self.refusedChunk(left, reply)
        case .waiting, .closed:
            return false
        }
    }

    /// Takes a line, without its line end; false when more is needed.
    private func line(_ body: (ByteBuffer) -> Void) -> Bool {
        let longest = self.longestLine
        guard let length = self.incoming.octetsBeforeLineFeed else {
            // A ClientHello may have no line end at all.
            if self.isForeignProtocol { self.malformed(.foreignProtocol) }
            guard self.incoming.readableBytes >= longest else { return false }
            if self.isChunk {
                self.malformed(.lineTooLong)
            } else {
                self.incoming.clear()
                self.input = .overlongLine
            }
            return false
        }
        self.awaitCommand()
        guard length < longest else {
            self.malformed(.lineTooLong)
            self.incoming.moveReaderIndex(forwardBy: min(length + 1, self.incoming.readableBytes))
            return true
        }
        guard length > 0, self.incoming.getInteger(at: self.incoming.readerIndex + length - 1, as: UInt8.self) == 0x0D
        else {
            self.malformed(.bareLineFeed)
            self.incoming.moveReaderIndex(forwardBy: min(length + 1, self.incoming.readableBytes))
            return true
        }
        guard var line = self.incoming.readSlice(length: length) else { return false }
        self.incoming.moveReaderIndex(forwardBy: 1)
        line.moveWriterIndex(to: line.writerIndex - 1)
        body(line)
        return true
    }

    /// The next line without its line end, where it is RCPT, whole and well formed; it is not taken.
    var nextRecipientLine: ByteBuffer? {
        let incoming = self.incoming
        guard CommandParser.isRecipient(startingWith: incoming.readableBytesUInt8Span),
            let length = incoming.octetsBeforeLineFeed, length > 0, length < self.longestLine,
            incoming.getInteger(at: incoming.readerIndex + length - 1, as: UInt8.self) == 0x0D
        else { return nil }
        return incoming.getSlice(at: incoming.readerIndex, length: length - 1)
    }

    private var longestLine: Int {
        if case .response = self.input { return CommandParser.longestAuthLine }
        let incoming = self.incoming
        return CommandParser.longestLine(startingWith: incoming.readableBytesUInt8Span)
    }

    private var isForeignProtocol: Bool {
        guard case .commands = self.input else { return false }
        let incoming = self.incoming
        return CommandParser.isForeignProtocol(startingWith: incoming.readableBytesUInt8Span)
    }

    private var isChunk: Bool {
        let incoming = self.incoming
        return CommandParser.isChunk(startingWith: incoming.readableBytesUInt8Span)
    }

    /// A line that cannot be read at all. Behind BDAT octets follow it, nobody knows how many.
    private func malformed(_ error: CommandSyntaxError) {
        let error: CommandSyntaxError =
            self.isChunk ? .badChunkSize : self.isForeignProtocol ? .foreignProtocol : error
        self.input = .commands
        self.perform(self.session.receiveMalformed(error))
    }

    private func command(_ line: ByteBuffer) {
        do {
            let command = try CommandParser.command(line.readableBytesUInt8Span)
            let hasMoreInput = self.incoming.readableBytes > 0
            if case .auth = command, !self.session.offersAuthentication {
                self.delegate?.unofferedAuthenticationSeen()
            }
            self.perform(self.session.receive(command, hasMoreInput: hasMoreInput), line: line)
        } catch {
            self.perform(self.session.receiveMalformed(error))
        }
    }

    private func response(_ line: ByteBuffer) {
        // (Where the client cancels, nobody is asked, and the next line is a command.)
        self.input = .commands
        self.perform(self.session.receiveResponse(Secret(copying: line.readableBytesUInt8Span)))
    }
}

// MARK: Messages

extension SMTPServerHandler {
    /// Passes the message on as far as it is there; false when more is needed.
    private func message() -> Bool {
        defer { self.handOnPieces() }
        var told: MessageReceiver.Step?
        while true {
            let input = self.incoming
            let step = told ?? self.receiver.next(input.readableBytesUInt8Span)
            told = nil
            switch step {
            case .pass(let count):
                guard var octets = self.incoming.readSlice(length: count) else { return false }
                if count > MessageReceiver.longestCopy {
                    self.handOnPieces()
                    self.delegate?.messageReceived(octets)
                } else {
                    // Copied even where nothing stands behind it: as a slice, an octet that came alone would keep all that
                    // was allocated for a read, for as long as the delegate cannot pass it on.
                    self.pieces.writeBuffer(&octets)
                    told = self.rewrite()
                }
            case .write(let replacement, let consumed):
                self.incoming.moveReaderIndex(forwardBy: consumed)
                self.pieces.writeString(replacement.rawValue)
                told = self.rewrite()
            case .discard(let count):
                self.incoming.moveReaderIndex(forwardBy: count)
                // (Two such steps are every message's end; many are a message that was refused.)
                if self.receiver.refusal != nil { told = self.rewrite() }
            case .refused(let refusal):
                self.pieces.clear()
                self.delegate?.messageRefused(refusal.reply)
            case .chunkEnd:
                self.handOnPieces()
                self.delegate?.messageReceiveCompleted()
                self.input = .commands
                self.awaitCommand()
                self.chunkReceived()
                return true
            case .end(let consumed):
                self.incoming.moveReaderIndex(forwardBy: consumed)
                self.handOnPieces()
                self.input = .waiting
                self.messageEnded()
                return true
            case .abort(let refusal):
                self.perform(self.session.close(refusal.reply))
                return true
            case .needMore:
                return false
            }
        }
    }

    /// A chunk is here, and not the last one. Where the message is lost already, who sends it need not send the rest.
    private func chunkReceived() {
        if self.receiver.refusal == nil, let reply = self.delegate?.messageRefusal {
            self.delegate?.messageRefused(reply)
            return self.perform(self.session.chunkReceived(reply))
        }
        self.perform(self.session.chunkReceived(self.receiver.refusal?.reply))
    }

    private func messageEnded() {
        if let refusal = self.receiver.refusal { return self.messageCompleted(refusal.reply) }
        self.delegate?.messageEnded(
            MessageReceipt(
                size: self.receiver.size, bareLineFeeds: self.receiver.bareLineFeeds,
                bareCarriageReturns: self.receiver.bareCarriageReturns))
    }

    /// Puts small pieces of a message together, each of which would cost a write; the step that is to be done then.
    private func rewrite() -> MessageReceiver.Step? {
        if self.pieces.readableBytes >= Self.togetherAtMost { self.handOnPieces() }
        guard self.incoming.readableBytes > 0 else { return nil }
        let input = self.incoming
        var consumed = 0
        var step: MessageReceiver.Step?
        let room = max(MessageReceiver.leastRoom, min(input.readableBytes, Self.togetherAtMost))
        self.pieces.writeWithOutputRawSpan(minimumWritableBytes: room) { output in
            (consumed, step) = self.receiver.next(input.readableBytesUInt8Span, rewriting: &output)
        }
        self.incoming.moveReaderIndex(forwardBy: consumed)
        return step
    }

    private func handOnPieces() {
        guard self.pieces.readableBytes > 0 else { return }
        let octets = self.pieces
        self.pieces = ByteBuffer()
        self.delegate?.messageReceived(octets)
    }

    /// Throws octets of a refused chunk away: none of them may be read as a command.
    private func refusedChunk(_ left: UInt64, _ reply: SMTPReply) -> Bool {
        let count = min(left, UInt64(self.incoming.readableBytes))
        self.incoming.moveReaderIndex(forwardBy: Int(count))
        guard count == left else {
            self.input = .refusedChunk(left: left - count, reply)
            return false
        }
        self.input = .commands
        self.awaitCommand()
        self.say(reply)
        return true
    }

    func closeIfInputEnded() {
        guard self.isInputEnded, !self.isProcessing else { return }
        switch self.input {
        case .waiting:
            break  // the answer still goes out: the client may only have closed its sending side
        case .message, .refusedChunk:
            self.flushDeferred()
            self.context?.close(promise: nil)  // no end will come
        case .greeting, .commands, .overlongLine, .response, .closed:
            self.input = .closed
            self.renewDeadline()
            self.closeBehindReplies()
        }
    }
}
