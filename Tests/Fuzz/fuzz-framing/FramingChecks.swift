import SMTPCore

// What has to hold for any octets, in any pieces, as a message behind DATA or in chunks, under any policy.
//
// The first four octets of the text choose: policy, form and framing; the longest line; the limit of size; the cuts.

/// Checks one text.
func check(_ bytes: [UInt8]) {
    let choice = bytes.prefix(4) + [UInt8](repeating: 0, count: max(0, 4 - bytes.count))
    let input = Array(bytes.dropFirst(4))
    let (bits, line, size, seed) = (choice[0], choice[1], choice[2], choice[3])
    let framing: MessageReceiver.Framing = bits & 1 == 0 ? .data : .chunks
    let form: MessageFramer.Form = bits & 2 == 0 ? .stuffed : .content
    let policy = MessagePolicy(
        bareLineEnds: [.normalize, .reject, .pass, .normalize][Int(bits >> 2 & 3)],
        nul: bits & 16 == 0 ? .pass : .reject,
        longestLine: Int(line), receivedFields: Int(bits >> 5))
    var cuts: [Int] = []
    var chunks: [Int] = []
    var state = UInt32(seed) &+ 1
    var place = 0
    while place < input.count {
        state = state &* 1_664_525 &+ 1_013_904_223
        let count = min(1 + Int(state >> 24) % (seed & 1 == 0 ? 7 : 200), input.count - place)
        place += count
        if seed & 2 == 0 || chunks.isEmpty { chunks.append(count) } else { chunks[chunks.count - 1] += count }
        cuts.append(place)
    }
    if seed & 4 == 0 { chunks.append(0) }
    if chunks.isEmpty { chunks = [0] }
    func received(_ cuts: [Int]) -> Received {
        receive(input, framing, form: form, policy: policy, sizeLimit: UInt64(size), chunks: chunks, cuts: cuts)
    }
    let whole = received([])
    require(whole.faults.isEmpty, "the receiver broke its word")
    require(received(cuts).verdict == whole.verdict, "another verdict for octets that come in pieces")
    require(received(Array(0...input.count)).verdict == whole.verdict, "another verdict byte by byte")
    let model = MessageModel(input, framing == .data ? .data : .chunks, policy.bareLineEnds)
    checkVerdict(whole, model, framing, policy, sizeLimit: size, input)
    if whole.refusal == nil, whole.end != nil { checkOutput(whole, model, form) }
    if form == .stuffed, policy.bareLineEnds != .pass {
        // (Where a message was refused, or has not ended, its last line is not whole.)
        let lines = whole.output.prefix(1 + (whole.output.lastIndex(of: 0x0A) ?? -1))
        require(!holdsLoneDot(Array(lines)), "an end for a lenient receiver")
    }
}

private func checkVerdict(
    _ whole: Received, _ model: MessageModel, _ framing: MessageReceiver.Framing, _ policy: MessagePolicy,
    sizeLimit: UInt8, _ input: [UInt8]
) {
    require(whole.aborted == nil, "a text is not far too big")
    require(whole.end == (framing == .data ? model.end : input.count), "another end")
    guard whole.end != nil else { return }
    let size = framing == .data ? model.content.count : input.count
    require(whole.size == UInt64(size), "another size")
    let fields = policy.bareLineEnds == .pass ? Int(whole.receivedFields) : model.receivedFields
    var reasons: [MessageRefusal] = []
    if policy.bareLineEnds == .reject, model.bareLineFeeds + model.bareCarriageReturns > 0 {
        reasons.append(.bareLineEndInMessage)
    }
    if policy.nul == .reject, model.nuls > 0 { reasons.append(.nulInMessage) }
    if policy.longestLine > 0, model.longestLine > policy.longestLine { reasons.append(.messageLineTooLong) }
    if policy.receivedFields > 0, fields > policy.receivedFields { reasons.append(.routingLoop) }
    if sizeLimit > 0, size > Int(sizeLimit) { reasons.append(.messageTooBig) }
    guard let refusal = whole.refusal else {
        require(reasons.isEmpty, "a message that may not pass")
        require(whole.bareLineFeeds == model.bareLineFeeds && whole.nuls == model.nuls)
        require(whole.bareCarriageReturns == model.bareCarriageReturns && Int(whole.receivedFields) == fields)
        return
    }
    require(reasons.contains(refusal), "refused for what it has not")
}

private func checkOutput(_ whole: Received, _ model: MessageModel, _ form: MessageFramer.Form) {
    switch form {
    case .content:
        require(whole.output == model.content, "another content")
    case .stuffed:
        guard let read = readStrictly(whole.output + [0x2E, 0x0D, 0x0A]) else { fatalError("no end") }
        require(read.rest == 0 && read.message == model.guarded, "another message for a strict receiver")
    }
}
