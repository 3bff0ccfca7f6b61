internal import SMTPCore

// The message: 64 KiB of it through MessageReceiver, in one piece as it is read from a connection.

let scannerCases: [MicroCase] = kinds.flatMap { name, framings, line in
    framings.map { framing in
        MicroCase("scanner/\(framing == .data ? "data" : "chunk")-\(name)", operations: 1) {
            var message: [UInt8] = [13, 10]
            while message.count < 64 << 10 { message += line }
            if framing == .data { message += [13, 10, 46, 13, 10] }
            return { [message] in receive(message, framing) }
        }
    }
}

/// The name, the framings, and the line of which the message is made. scripts/bench --parser has more of them, in GB/s.
private var kinds: [(String, [MessageReceiver.Framing], [UInt8])] {
    func text(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(ascii: "a") + UInt8($0 % 26) } }
    let lineEnd: [UInt8] = [13, 10]
    return [
        ("mail-72", [.data, .chunks], text(70) + lineEnd),
        ("dots-72", [.data], [46, 46] + text(68) + lineEnd),
        ("bare-lf-72", [.data], text(71) + [10]),
        ("lines-4096", [.data], text(4094) + lineEnd),
    ]
}

/// Feeds a message and says how many steps it took.
private func receive(_ octets: [UInt8], _ framing: MessageReceiver.Framing) -> Int {
    var receiver = MessageReceiver(framing, form: .stuffed, policy: MessagePolicy(), sizeLimit: 1 << 30)
    if framing == .chunks { receiver.beginChunk(size: UInt64(octets.count), isLast: true) }
    var steps = 0
    var offset = 0
    let span = octets.span
    while true {
        steps += 1
        switch receiver.next(span.extracting(offset..<octets.count)) {
        case .pass(let count), .discard(let count): offset += count
        case .write(_, let consumed): offset += consumed
        case .end: return steps
        case .refused, .chunkEnd, .abort: fatalError("a good message is refused")
        case .needMore: fatalError("the message has no end")
        }
    }
}
