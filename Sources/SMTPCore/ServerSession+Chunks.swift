// BDAT (RFC 3030). Its octets follow whatever the server thinks of them: a server that refuses a chunk and does not
// take its octets away would read a message as commands.

extension ServerSession {
    mutating func chunk(_ chunk: Chunk) -> Action {
        // There is no point in taking so much away; what to do instead RFC 3030 leaves open.
        if self.isFarTooBig(chunk) { return self.close(.messageTooBig) }
        switch self.state {
        case .transaction(let recipients):
            guard self.extensions.contains(.chunking) else { return self.discard(chunk, .chunkingNotOffered) }
            guard recipients.accepted > 0 else {
                return self.discard(chunk, self.refusalWithoutRecipients(recipients))
            }
            self.state = .preparingMessage(recipients, chunk: chunk)
            return .prepareMessage
        case .awaitingChunk:
            self.state = .receivingChunk(isLast: chunk.isLast)
            return .receiveChunk(size: chunk.size, isLast: chunk.isLast, isFirst: false)
        case .refusingChunks(let reply):
            return self.refuse(chunk, reply, resetsTransaction: false)
        case .connected, .identified, .refusing, .resolvingRecipient, .preparingMessage, .receivingMessage,
            .receivingChunk, .startingTLS, .authenticating, .challenging, .closed:
            return self.discard(chunk, .badSequence)
        }
    }

    /// Beyond twice the limit and a MiB, where ``MessageReceiver`` gives up too.
    private func isFarTooBig(_ chunk: Chunk) -> Bool {
        let limit = self.configuration.messageSize
        let (twice, overflows) = limit.multipliedReportingOverflow(by: 2)
        let (bound, overflowsToo) = twice.addingReportingOverflow(1 << 20)
        return limit > 0 && !overflows && !overflowsToo && chunk.size > bound
    }

    /// A chunk that is not the last has come; `refusal` is what the message is refused with, nil while it is good.
    public mutating func chunkReceived(_ refusal: SMTPReply?) -> Action {
        guard case .receivingChunk(isLast: false) = self.state else { preconditionFailure("no such chunk") }
        if let refusal {
            self.state = .refusingChunks(refusal)
            return .reply(refusal)
        }
        self.state = .awaitingChunk
        return .reply(.chunkReceived)
    }

    /// Refuses a chunk of a message, and with it the message: whoever has sent more of it already gets the same reply for
    /// each chunk, up to the last one, whose reply is the message's: it must not be permanent where the reason was not.
    mutating func refuse(_ chunk: Chunk, _ reply: SMTPReply, resetsTransaction: Bool) -> Action {
        self.state = chunk.isLast ? .identified : .refusingChunks(reply)
        return self.discard(chunk, reply, resetsTransaction: resetsTransaction)
    }

    private func discard(_ chunk: Chunk, _ reply: SMTPReply, resetsTransaction: Bool = false) -> Action {
        .discardChunk(size: chunk.size, reply, resetsTransaction: resetsTransaction)
    }
}
