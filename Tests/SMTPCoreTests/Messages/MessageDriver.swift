import SMTPCore

// Feeds framers and receivers in pieces; used here and in Tests/Fuzz.

/// What a framer makes of octets that come in pieces.
struct Framed: Equatable {
    var output: [UInt8] = []
    /// How many octets were taken when the end was found; nil where it was not.
    var end: Int?
    var size: UInt64 = 0
    var bareLineFeeds: UInt64 = 0
    var bareCarriageReturns: UInt64 = 0
    var nuls: UInt64 = 0
    var hasOverlongLine = false
}

/// Feeds `framer` with `input`, cut at each of `cuts`; finishes chunks.
func frame(
    _ input: [UInt8], _ form: MessageFramer.Form, _ source: MessageFramer.Source = .data,
    _ bareLineEnds: MessagePolicy.BareLineEnds = .normalize, longestLine: Int = 0, cuts: [Int] = []
) -> Framed {
    var framer = MessageFramer(form, source: source, bareLineEnds: bareLineEnds, longestLine: longestLine)
    var result = Framed()
    var offset = 0
    let span = input.span
    pieces: for cut in cuts + [input.count] {
        while true {
            switch framer.next(span.extracting(offset..<cut)) {
            case .pass(let count):
                result.output += input[offset..<offset + count]
                offset += count
            case .write(let replacement, let consumed):
                result.output.append(contentsOf: replacement.rawValue.utf8)
                offset += consumed
            case .hold:
                offset += 1
            case .end(let consumed):
                result.end = offset + consumed
                break pieces
            case .needMore:
                continue pieces
            }
        }
    }
    if source == .chunks {
        while let replacement = framer.finish() { result.output.append(contentsOf: replacement.rawValue.utf8) }
    }
    result.size = framer.size
    result.bareLineFeeds = framer.bareLineFeeds
    result.bareCarriageReturns = framer.bareCarriageReturns
    result.nuls = framer.nuls
    result.hasOverlongLine = framer.hasOverlongLine
    return result
}

/// What a receiver makes of octets that come in pieces.
struct Received: Equatable {
    /// What was handed on.
    var output: [UInt8] = []
    /// How many octets were taken when the end was found; nil where it was not.
    var end: Int?
    var refusal: MessageRefusal?
    var aborted: MessageRefusal?
    var chunkEnds = 0
    var size: UInt64 = 0
    var bareLineFeeds: UInt64 = 0
    var bareCarriageReturns: UInt64 = 0
    var nuls: UInt64 = 0
    var receivedFields: UInt64 = 0
    /// What the receiver did that it must not do.
    var faults: [String] = []

    /// The same but for how much was handed on before a refusal, and counted behind one: that depends on how the octets
    /// came.
    var verdict: Received {
        guard self.refusal != nil else { return self }
        var result = self
        result.output = []
        (result.bareLineFeeds, result.bareCarriageReturns, result.nuls, result.receivedFields) = (0, 0, 0, 0)
        return result
    }
}

/// Feeds a receiver with `input`, cut at each of `cuts`; in chunks framing it comes in `chunks`, of which the last is last.
func receive(
    _ input: [UInt8], _ framing: MessageReceiver.Framing = .data, form: MessageFramer.Form = .stuffed,
    policy: MessagePolicy = MessagePolicy(), sizeLimit: UInt64 = 0, chunks: [Int]? = nil, cuts: [Int] = []
) -> Received {
    var receiver = MessageReceiver(framing, form: form, policy: policy, sizeLimit: sizeLimit)
    var result = Received()
    result.output.reserveCapacity(2 * input.count)
    var chunks = (chunks ?? [input.count])[...]
    func begin() {
        if let size = chunks.popFirst() { receiver.beginChunk(size: UInt64(size), isLast: chunks.isEmpty) }
    }
    if framing == .chunks { begin() }
    var offset = 0
    let span = input.span
    pieces: for cut in cuts + [input.count] {
        while true {
            let step = receiver.next(span.extracting(offset..<cut))
            switch step {
            case .pass(let count):
                if count < 1 || offset + count > cut { result.faults.append("pass \(count)") }
                result.output += input[offset..<offset + count]
                offset += count
            case .write(let replacement, let consumed):
                result.output.append(contentsOf: replacement.rawValue.utf8)
                offset += consumed
            case .discard(let count):
                if count < 1 || offset + count > cut { result.faults.append("discard \(count)") }
                offset += count
            case .refused(let reply):
                if result.refusal != nil { result.faults.append("refused twice") }
                if receiver.refusal != reply { result.faults.append("another refusal") }
                result.refusal = reply
            case .chunkEnd:
                result.chunkEnds += 1
                begin()
            case .end(let consumed):
                result.end = offset + consumed
                break pieces
            case .abort(let reply):
                result.aborted = reply
                break pieces
            case .needMore:
                if offset != cut { result.faults.append("needs more with \(cut - offset) octets left") }
                continue pieces
            }
            switch step {
            case .pass, .write: if result.refusal != nil { result.faults.append("handed on behind the refusal") }
            case .discard, .refused, .chunkEnd, .end, .abort, .needMore: break
            }
        }
    }
    if receiver.refusal != result.refusal { result.faults.append("a refusal that was not told") }
    result.size = receiver.size
    result.bareLineFeeds = receiver.bareLineFeeds
    result.bareCarriageReturns = receiver.bareCarriageReturns
    result.nuls = receiver.nuls
    result.receivedFields = receiver.receivedFields
    return result
}
