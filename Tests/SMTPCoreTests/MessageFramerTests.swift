import SMTPCore
import Testing

@Suite struct MessageFramerTests {
    @Test(
        "Messages pass as they are, to their end",
        arguments: [
            (".\r\n", "", ""),
            ("\r\n.\r\n", "\r\n", "\r\n"),
            ("a\r\n.\r\n", "a\r\n", "a\r\n"),
            ("..\r\n.\r\n", "..\r\n", ".\r\n"),
            ("..a\r\n.\r\n", "..a\r\n", ".a\r\n"),
            (".a\r\n.\r\n", ".a\r\n", "a\r\n"),
            ("a.b\r\n..\r\n...\r\n.\r\n", "a.b\r\n..\r\n...\r\n", "a.b\r\n.\r\n..\r\n"),
            ("\r\n\r\n.\r\n", "\r\n\r\n", "\r\n\r\n"),
        ])
    func plain(input: String, stuffed: String, content: String) {
        let octets = Array(input.utf8)
        let result = frame(octets, .stuffed)
        #expect(String(decoding: result.output, as: UTF8.self) == stuffed)
        #expect(result.end == octets.count)
        #expect(result.size == UInt64(content.utf8.count))
        #expect(result.bareLineFeeds == 0 && result.bareCarriageReturns == 0)
        #expect(String(decoding: frame(octets, .content).output, as: UTF8.self) == content)
    }

    @Test(
        "Chunks are stuffed, ended and normalised",
        arguments: [
            ("", "", ""), (".", "..\r\n", ".\r\n"), (".\r\n", "..\r\n", ".\r\n"), ("a", "a\r\n", "a\r\n"),
            ("a\r", "a\r\n", "a\r\n"), ("a\r\n", "a\r\n", "a\r\n"), ("\r\n.\r\n", "\r\n..\r\n", "\r\n.\r\n"),
            ("a\n.b", "a\r\n..b\r\n", "a\r\n.b\r\n"), ("a\rb", "a b\r\n", "a b\r\n"),
            ("a\r\r\n..\r\n", "a \r\n...\r\n", "a \r\n..\r\n"),
        ])
    func chunks(input: String, stuffed: String, content: String) {
        let octets = Array(input.utf8)
        let result = frame(octets, .stuffed, .chunks)
        #expect(String(decoding: result.output, as: UTF8.self) == stuffed)
        #expect(result.size == UInt64(octets.count))
        #expect(String(decoding: frame(octets, .content, .chunks).output, as: UTF8.self) == content)
    }

    @Test(
        "Bare CR and LF go on octet for octet where the receiver is strict",
        arguments: [
            ("a\nb\rc\r\r\n\n.\n\r.\r\r\n.\r\n", "a\nb\rc\r\r\n\n.\n\r.\r\r\n"),
            ("a\r\n.\rb\r\n.\nc\r\n.\r\n", "a\r\n.\rb\r\n.\nc\r\n"), ("\r\r\n.\r\n", "\r\r\n"),
            (".\r\r\n.\r\n", ".\r\r\n"), ("\0.\0\r\n.\0\r\n.\r\n", "\0.\0\r\n.\0\r\n"),
        ])
    func passing(input: String, output: String) {
        let octets = Array(input.utf8)
        let result = frame(octets, .stuffed, .data, .pass)
        #expect(String(decoding: result.output, as: UTF8.self) == output)
        #expect(result.end == octets.count)
        #expect(frame(octets, .stuffed, .data, .pass, cuts: Array(0...octets.count)) == result)
    }

    @Test(
        "A chunked message that a strict receiver gets as it is ends in CRLF, too", arguments: ["a\n", "a\r", "\n.\n"])
    func passingChunks(input: String) {
        let result = frame(Array(input.utf8), .stuffed, .chunks, .pass)
        let end = input.hasSuffix("\r") ? "\n" : "\r\n"
        #expect(String(decoding: result.output, as: UTF8.self) == input + end)
    }

    @Test(
        "Bare LF becomes CRLF, bare CR a space, and both are counted",
        arguments: [
            ("a\nb\r\n.\r\n", "a\r\nb\r\n", 1, 0), ("a\rb\r\n.\r\n", "a b\r\n", 0, 1),
            ("a\r\r\nb\r\n.\r\n", "a \r\nb\r\n", 0, 1), ("a\r\r\n.\r\n", "a \r\n", 0, 1),
            ("a\r\r\n..b\r\n.\r\n", "a \r\n..b\r\n", 0, 1), ("a\r\r\r\n.\r\n", "a  \r\n", 0, 2),
            ("\n\r\n.\r\n", "\r\n\r\n", 1, 0),
            ("a\n.b\r\n.\r\n", "a\r\n..b\r\n", 1, 0), ("a\n.\r\n.\r\n", "a\r\n..\r\n", 1, 0),
            ("a\r\n.\nb\r\n.\r\n", "a\r\n\r\nb\r\n", 1, 0), ("a\r\n.\rb\r\n.\r\n", "a\r\n b\r\n", 0, 1),
            ("a\r\n..\nb\r\n.\r\n", "a\r\n..\r\nb\r\n", 1, 0),
        ])
    func normalised(input: String, output: String, lineFeeds: UInt64, carriageReturns: UInt64) {
        for policy in [MessagePolicy.BareLineEnds.normalize, .reject] {
            let result = frame(Array(input.utf8), .stuffed, .data, policy)
            #expect(String(decoding: result.output, as: UTF8.self) == output)
            #expect(result.bareLineFeeds == lineFeeds)
            #expect(result.bareCarriageReturns == carriageReturns)
        }
    }

    @Test("A line is too long from one octet over the limit on, its CRLF counted and a stuffing dot not")
    func lines() {
        for (line, length) in [("aaaaaaa", 9), ("..aaaaa", 8), ("\0aaaaaa", 9), ("", 2), ("aaa\raaa", 9), ("..", 3)] {
            for end in ["\r\n", "\n"] {
                let input = Array("a\r\n\(line)\(end)\r\n.\r\n".utf8)
                for limit in 1...12 {
                    let isTooLong = frame(input, .stuffed, longestLine: limit).hasOverlongLine
                    #expect(isTooLong == (limit < max(length, 3)), "\(line.utf8.count) under \(limit)")
                    let cut = frame(input, .stuffed, longestLine: limit, cuts: Array(0...input.count))
                    #expect(cut.hasOverlongLine == isTooLong)
                }
            }
        }
        let long = [UInt8](repeating: 0x61, count: 5000) + [13, 10, 46, 13, 10]
        #expect(!frame(long, .stuffed, longestLine: 5002).hasOverlongLine)
        #expect(frame(long, .stuffed, longestLine: 5001).hasOverlongLine)
        #expect(frame(long + long, .stuffed, longestLine: 998).output == Array(long.dropLast(3)))
    }

    @Test("Random octets: the output is what the model says, however they come", arguments: 0..<16)
    func random(seed: UInt64) {
        var generator = SplitMix(state: seed)
        var failures: [String] = []
        for _ in 0..<400 {
            let input = randomMessage(&generator)
            for source in [MessageFramer.Source.data, .chunks] {
                for policy in MessagePolicy.BareLineEnds.allCases {
                    let octets = source == .data ? input + Array("\r\n.\r\n".utf8) : input
                    let failure = mismatch(octets, source, policy, &generator)
                    if let failure { failures.append("\(failure): \(policy) \(source) \(octets)") }
                }
            }
        }
        #expect(failures.isEmpty, "\(failures.count): \(failures.first ?? "")")
    }
}

/// Long stretches of ordinary lines, and among them everything that is not ordinary.
private func randomMessage(_ generator: inout SplitMix) -> [UInt8] {
    let special: [UInt8] = [0x0D, 0x0A, 0x2E, 0x61, 0x0D, 0x0A, 0x00]
    var input: [UInt8] = []
    for _ in 0..<generator.next() % 6 {
        switch generator.next() % 3 {
        case 0: input += [UInt8](repeating: 0x62, count: Int(generator.next() % 90))
        case 1: for _ in 0..<generator.next() % 5 { input += Array("regular lines\r\n".utf8) }
        default: for _ in 0..<generator.next() % 12 { input.append(special[Int(generator.next() % 7)]) }
        }
    }
    return input
}

/// What the framer does with `octets` that the model does not say, whole, byte by byte and cut at random.
private func mismatch(
    _ octets: [UInt8], _ source: MessageFramer.Source, _ policy: MessagePolicy.BareLineEnds,
    _ generator: inout SplitMix
) -> String? {
    let model = MessageModel(octets, source, policy)
    let whole = frame(octets, .stuffed, source, policy)
    let cut = Int(generator.next() % UInt64(octets.count + 1))
    if frame(octets, .stuffed, source, policy, cuts: Array(0...octets.count)) != whole { return "byte by byte" }
    if frame(octets, .stuffed, source, policy, cuts: [cut]) != whole { return "cut at \(cut)" }
    let counted = (whole.end, whole.bareLineFeeds, whole.bareCarriageReturns)
    if counted != (model.end, model.bareLineFeeds, model.bareCarriageReturns) || whole.nuls != model.nuls {
        return "counters"
    }
    if whole.size != UInt64(source == .data ? model.content.count : octets.count) { return "size" }
    guard let read = readStrictly(whole.output + [0x2E, 0x0D, 0x0A]), read.rest == 0 else { return "another end" }
    if read.message != model.guarded { return "another message" }
    if policy != .pass, holdsLoneDot(whole.output) { return "an end for a lenient receiver" }
    if frame(octets, .content, source, policy, cuts: [cut]).output != model.content { return "another content" }
    return nil
}
