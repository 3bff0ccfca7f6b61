import Glibc
import SMTPCore

// How fast a message passes: MessageReceiver over a message that is there in pieces of 64 KiB, as it is read from a
// connection, beside memchr(3) that finds each LF of the same pieces, which is the least that any receiver must do.

private let piece = 64 << 10

/// Prints `scan CASE receiver=GB/s chunks=GB/s memchr=GB/s` for each kind of message.
func benchmarkScan(rounds: Int, octets: Int) {
    for (name, start, line) in kinds {
        var message = start
        message.reserveCapacity(octets + line.count)
        while message.count < octets { message += line }
        let size = message.count
        let end = Array("\r\n.\r\n".utf8)
        let data = message + end
        var results: [(String, Double)] = []
        func measure(_ name: String, _ work: () -> Int) {
            var found = 0
            let seconds = medianSeconds(rounds: rounds) { found = work() }
            guard found > 0 else { fatalError("\(name) found nothing") }
            results.append((name, Double(size) / seconds / 1e9))
        }
        measure("receiver") { receive(data, .data) }
        measure("chunks") { receive(message, .chunks) }
        measure("memchr") { lineFeeds(data) }
        report("scan", name, results)
    }
}

/// The name, what the message begins with, and the line that it then repeats.
private var kinds: [(String, [UInt8], [UInt8])] {
    func text(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(ascii: "a") + UInt8($0 % 26) } }
    func pairs(_ first: UInt8, _ second: UInt8) -> [UInt8] { (0..<70).map { $0 % 2 == 0 ? first : second } }
    let lineEnd: [UInt8] = [13, 10]
    return [
        ("mail-72", lineEnd, text(70) + lineEnd),
        ("base64-76", lineEnd, text(76) + lineEnd),
        ("lines-4096", lineEnd, text(4094) + lineEnd),
        ("dots-72", lineEnd, [46, 46] + text(68) + lineEnd),
        ("bare-lf-72", lineEnd, text(71) + [10]),
        ("short-2", lineEnd, text(2) + lineEnd),
        ("nul-16", lineEnd, text(15) + [0] + text(14) + lineEnd),
        // What nobody sends but to keep us busy.
        ("lf-alone", lineEnd, [10]),
        ("cr-72", lineEnd, pairs(13, 97) + lineEnd),
        ("nul-dot-72", lineEnd, pairs(0, 46) + lineEnd),
        ("dot-alone", lineEnd, [46, 46, 13, 10]),
        // (No line is empty: the header never ends.)
        ("header-72", [], text(70) + lineEnd),
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
        switch receiver.next(span.extracting(offset..<min(octets.count, (offset / piece + 1) * piece))) {
        case .pass(let count), .discard(let count): offset += count
        case .write(_, let consumed): offset += consumed
        case .end: return steps
        case .refused, .chunkEnd, .abort: fatalError("a good message is refused")
        case .needMore: fatalError("the message has no end")
        }
    }
}

private func lineFeeds(_ octets: [UInt8]) -> Int {
    unsafe octets.withUnsafeBytes { bytes in
        guard let base = bytes.baseAddress else { return 0 }
        var found = 0
        var offset = 0
        while offset < bytes.count {
            let end = min(bytes.count, (offset / piece + 1) * piece)
            if let place = unsafe memchr(base + offset, 10, end - offset) {
                offset = unsafe base.distance(to: UnsafeRawPointer(place)) + 1
                found += 1
            } else {
                offset = end
            }
        }
        return found
    }
}
