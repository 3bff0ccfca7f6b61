/// Receives one message: finds its end, re-serialises it and holds it to a policy and to a limit of size.
///
/// Feed it until it says ``Step/needMore``, with nothing but what is left of the input, and also when nothing is left: a
/// chunk or the message may be complete. A message that may not pass is refused once, with what was found first; its end
/// is found all the same, so that what follows it is never taken for part of it, nor the other way round:
///
///     C: a line<CR><LF>          pass(8)
///     C: <NUL>                   refused(554 5.6.0), discard(1)
///     C: another<CR><LF>         discard(9)
///     C: .<CR><LF>               discard(1), discard(1), end(consumed: 1)
///
/// What it says depends on the octets alone; only where it cuts them into steps depends on how they come.
public struct MessageReceiver: Sendable {
    /// How the message comes.
    public enum Framing: Sendable {
        /// Behind DATA (RFC 5321 section 4.1.1.4).
        case data
        /// In chunks (RFC 3030).
        case chunks
    }

    /// What to do.
    public enum Step: Equatable, Sendable {
        /// Hand on the next `count` octets as they are.
        case pass(Int)
        /// Take `consumed` octets (0 or 1) away and hand on these instead.
        case write(MessageFramer.Replacement, consumed: Int)
        /// Take `count` octets away: held back for now, or of a message that was refused.
        case discard(Int)
        /// The message is refused; takes nothing away; said at most once. What was handed on must not be delivered. Go on
        /// feeding: the end must be found.
        case refused(MessageRefusal)
        /// A chunk that is not the last is complete; takes nothing away.
        case chunkEnd
        /// The message is whole; take `consumed` octets away. (Of chunks, a missing line end was written before.)
        case end(consumed: Int)
        /// The client sends far more than it may, twice the limit of size and a MiB: reply and close. Nothing can be in step
        /// any more. (Without a limit of size, only time bounds how long the end of a refused message is looked for.)
        case abort(MessageRefusal)
        /// Nothing more can be said without more input, or without another chunk.
        case needMore
    }

    /// A chunk that is being received.
    private struct Chunk {
        var remaining: UInt64
        let isLast: Bool
    }

    private var framer: MessageFramer
    private var header: ReceivedFieldCounter
    private let framing: Framing
    private let refusesBareLineEnds: Bool
    private let refusesNULs: Bool
    private let receivedFieldLimit: UInt64
    private let sizeLimit: UInt64
    /// Beyond it nothing helps but to close: twice the limit and a MiB. Who sends so much more than was announced to them
    /// will not stop.
    private let abortLimit: UInt64
    private var chunk: Chunk?
    /// Octets of chunks of a refused message, which the framer did not see.
    private var swallowed: UInt64 = 0
    /// Octets that were taken when a reason to refuse was found: to be discarded behind the refusal.
    private var untold = 0
    private var isRefusalTold = false

    /// Why the message is refused; nil while it is good.
    public private(set) var refusal: MessageRefusal?

    /// Makes a receiver for one message, which may have `sizeLimit` octets (RFC 1870); 0: no limit.
    public init(_ framing: Framing, form: MessageFramer.Form, policy: MessagePolicy, sizeLimit: UInt64) {
        self.framing = framing
        self.refusesBareLineEnds = policy.bareLineEnds == .reject
        self.refusesNULs = policy.nul == .reject
        self.receivedFieldLimit = policy.receivedFields > 0 ? UInt64(policy.receivedFields) : .max
        self.sizeLimit = sizeLimit > 0 ? sizeLimit : .max
        let isBounded = sizeLimit > 0 && sizeLimit < UInt64(1) << 62
        self.abortLimit = isBounded ? 2 * sizeLimit + (1 << 20) : .max
        self.framer = MessageFramer(
            form, source: framing == .data ? .data : .chunks, bareLineEnds: policy.bareLineEnds, nul: policy.nul,
            longestLine: policy.longestLine)
        self.header = ReceivedFieldCounter(form)
    }

    /// Octets of the message so far (RFC 1870 section 5), refused or not: see ``MessageFramer/size``.
    public var size: UInt64 { self.framer.size + self.swallowed }
    /// How many LF without a CR before them were seen. (After chunks were refused, nothing is counted but the size.)
    public var bareLineFeeds: UInt64 { self.framer.bareLineFeeds }
    /// How many CR without a LF behind them were seen.
    public var bareCarriageReturns: UInt64 { self.framer.bareCarriageReturns }
    /// How many NULs were seen.
    public var nuls: UInt64 { self.framer.nuls }
    /// How many `Received:` fields the header has, until the message was refused.
    public var receivedFields: UInt64 { self.header.count }

    /// Of chunks alone: says that the next `size` octets are a chunk (RFC 3030 section 2). None may be unfinished.
    ///
    /// A chunk that makes the message too big is refused before its first octet.
    public mutating func beginChunk(size: UInt64, isLast: Bool) {
        precondition(self.framing == .chunks && self.chunk == nil, "a chunk within a chunk")
        self.chunk = Chunk(remaining: size, isLast: isLast)
        let (total, overflows) = self.size.addingReportingOverflow(size)
        if self.sizeLimit < .max, self.refusal == nil, overflows || total > self.sizeLimit {
            self.refusal = .messageTooBig
        }
    }

    /// Looks at the front of `input` and says what to do.
    public mutating func next(_ input: Span<UInt8>) -> Step {
        if self.refusal != nil, let step = self.nextOfRefusal() { return step }
        switch self.framing {
        case .data: return self.nextOfData(input)
        case .chunks: return self.nextOfChunk(input)
        }
    }
}

extension MessageReceiver {
    /// What is still to be said of a message that is refused; nil when that was all.
    private mutating func nextOfRefusal() -> Step? {
        if !self.isRefusalTold, let refusal = self.refusal {
            self.isRefusalTold = true
            return .refused(refusal)
        }
        if self.untold > 0 {
            let count = self.untold
            self.untold = 0
            return .discard(count)
        }
        if self.size > self.abortLimit { return .abort(self.refusal ?? .messageTooBig) }
        return nil
    }

    private mutating func nextOfData(_ input: Span<UInt8>) -> Step {
        while true {
            let octets = self.refusal == nil ? input.extracting(first: self.room(for: input.count)) : input
            let step = self.framer.next(octets)
            if let step = self.judged(step, input) { return step }
        }
    }

    private mutating func nextOfChunk(_ input: Span<UInt8>) -> Step {
        guard let chunk = self.chunk else { return .needMore }
        guard chunk.remaining > 0 else { return self.chunkReceived(isLast: chunk.isLast) }
        guard !input.isEmpty else { return .needMore }
        let octets = chunk.remaining < UInt64(input.count) ? input.extracting(first: Int(chunk.remaining)) : input
        guard self.refusal == nil else {
            self.swallowed += UInt64(octets.count)
            self.chunk?.remaining -= UInt64(octets.count)
            return .discard(octets.count)
        }
        while true {
            let step = self.framer.next(octets)
            switch step {
            case .pass(let count): self.chunk?.remaining -= UInt64(count)
            case .write(_, let consumed): self.chunk?.remaining -= UInt64(consumed)
            case .hold: self.chunk?.remaining -= 1
            case .end, .needMore: break
            }
            if let step = self.judged(step, octets) { return step }
        }
    }

    /// The octets of a chunk have all come.
    private mutating func chunkReceived(isLast: Bool) -> Step {
        guard isLast else {
            self.chunk = nil
            return .chunkEnd
        }
        if self.refusal == nil, let replacement = self.framer.finish() {
            self.header.receive(replacement)
            if let refusal = self.refuseIfViolated() { return .refused(refusal) }
            return .write(replacement, consumed: 0)
        }
        self.chunk = nil
        return .end(consumed: 0)
    }

    /// No more octets than the limit allows, but one: so nothing over the limit is handed on, and of two reasons to refuse
    /// the one that came first is found first.
    private func room(for count: Int) -> Int {
        let room = self.sizeLimit > self.framer.size ? self.sizeLimit - self.framer.size : 1
        return room < UInt64(count) ? Int(room) : count
    }

    /// What becomes of a step of the framer; nil where it changes nothing.
    private mutating func judged(_ step: MessageFramer.Step, _ input: Span<UInt8>) -> Step? {
        let consumed: Int
        switch step {
        case .pass(let count): consumed = count
        case .write(_, let count): consumed = count
        case .hold: consumed = 1
        case .end(let count): return .end(consumed: count)
        case .needMore: return .needMore
        }
        guard self.refusal == nil else { return consumed > 0 ? .discard(consumed) : nil }
        if !self.header.isComplete {
            switch step {
            case .pass(let count): self.header.receive(input.extracting(first: count))
            case .write(let replacement, _): self.header.receive(replacement)
            case .hold, .end, .needMore: break
            }
        }
        if let refusal = self.refuseIfViolated() {
            self.untold = consumed
            return .refused(refusal)
        }
        switch step {
        case .pass(let count): return .pass(count)
        case .write(.nothing, consumed: 0): return nil
        case .write(let replacement, let consumed): return .write(replacement, consumed: consumed)
        case .hold, .end, .needMore: return .discard(1)
        }
    }

    /// Refuses the message if it may not pass as far as it has come; says why. (The caller tells the client.)
    private mutating func refuseIfViolated() -> MessageRefusal? {
        let refusal: MessageRefusal
        if self.refusesBareLineEnds, self.framer.bareLineFeeds + self.framer.bareCarriageReturns > 0 {
            refusal = .bareLineEndInMessage
        } else if self.refusesNULs, self.framer.nuls > 0 {
            refusal = .nulInMessage
        } else if self.header.count > self.receivedFieldLimit {
            refusal = .routingLoop
        } else if self.framer.hasOverlongLine {
            refusal = .messageLineTooLong
        } else if self.size > self.sizeLimit {
            refusal = .messageTooBig
        } else {
            return nil
        }
        self.refusal = refusal
        self.isRefusalTold = true
        return refusal
    }
}
