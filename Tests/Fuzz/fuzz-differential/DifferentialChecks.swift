import SMTPCore

// From client to backend: a message that a client meant, sent as a client sends it, through the receiver, and read as a
// strict backend reads it, and as every lenient one does. What comes behind it is no part of it, nor is it swallowed.
//
// The first two octets of the text choose: policy and framing; the cuts. The rest is the message.

/// Checks one text.
func check(_ bytes: [UInt8]) {
    let bits = bytes.first ?? 0
    let policy: MessagePolicy.BareLineEnds = [.normalize, .reject, .pass, .normalize][Int(bits & 3)]
    let isChunked = bits & 4 != 0
    let meant = message(bytes.dropFirst(2))
    let behind = Array("NOOP\r\n.\r\nQUIT\r\n".utf8)
    let sent = isChunked ? meant : stuffed(meant)
    let seed = bytes.dropFirst().first ?? 0
    let received = receive(
        sent + behind, isChunked ? .chunks : .data, policy: MessagePolicy(bareLineEnds: policy, longestLine: 0),
        chunks: [sent.count / 3, sent.count - sent.count / 3], cuts: cuts(seed, sent.count + behind.count))
    require(received.faults.isEmpty && received.end == sent.count, "the end is not where the client put it")
    let expected = normalised(meant, policy)
    if policy == .reject, normalised(meant, .pass) != withoutBareLineEnds(meant) {
        return require(received.refusal == .bareLineEndInMessage, "bare line ends were not refused")
    }
    require(received.refusal == nil, "a good message was refused")
    let end: [UInt8] = [0x2E, 0x0D, 0x0A]
    guard let read = readStrictly(received.output + end + behind) else { fatalError("a strict backend sees no end") }
    require(read.rest == behind.count, "a strict backend sees another end")
    require(read.message == expected, "a strict backend gets another message")
    guard policy != .pass else { return }
    for reading in LenientReading.all {
        require(reading.ends(in: received.output) == 0, "a lenient backend sees an end within the message")
        if reading.ends.contains(0x0A) {
            require(reading.ends(in: received.output + end) == 1, "a lenient backend sees another number of messages")
        }
    }
}

/// What a client may mean: it ends in CRLF.
private func message(_ octets: ArraySlice<UInt8>) -> [UInt8] {
    octets.isEmpty ? [] : octets + [0x0D, 0x0A]
}

private func cuts(_ seed: UInt8, _ count: Int) -> [Int] {
    var state = UInt32(seed) &+ 1
    var result: [Int] = []
    var place = 0
    while seed > 0, place < count {
        state = state &* 1_664_525 &+ 1_013_904_223
        place = min(count, place + 1 + Int(state >> 24) % Int(seed))
        result.append(place)
    }
    return result
}

/// The message as a strict backend ought to get it.
private func normalised(_ message: [UInt8], _ policy: MessagePolicy.BareLineEnds) -> [UInt8] {
    guard policy != .pass else { return message }
    var result: [UInt8] = []
    result.reserveCapacity(2 * message.count)
    for (index, octet) in message.enumerated() {
        let before = index > 0 ? message[index - 1] : 0x0A
        let behind = index + 1 < message.count ? message[index + 1] : 0x0D
        switch octet {
        case 0x0D: result.append(behind == 0x0A ? 0x0D : 0x20)
        case 0x0A:
            if before != 0x0D { result.append(0x0D) }
            result.append(0x0A)
        case 0x2E:
            if before == 0, behind == 0 || behind == 0x0D || behind == 0x0A { result.append(0x2E) }
            result.append(0x2E)
        default: result.append(octet)
        }
    }
    return result
}

/// The message without each CR and LF that is not part of CRLF.
private func withoutBareLineEnds(_ message: [UInt8]) -> [UInt8] {
    message.indices.filter { index in
        switch message[index] {
        case 0x0D: index + 1 < message.count && message[index + 1] == 0x0A
        case 0x0A: index > 0 && message[index - 1] == 0x0D
        default: true
        }
    }.map { message[$0] }
}
