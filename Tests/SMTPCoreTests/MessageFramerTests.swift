import SMTPCore
import Testing

/// What a framer makes of octets that come in the pieces that `cuts` give.
private struct Framed: Equatable {
    var output: [UInt8] = []
    /// How many octets were taken when the end was found; nil where it was not.
    var end: Int?
    var size: UInt64 = 0
    var bareLineFeeds: UInt64 = 0
    var bareCarriageReturns: UInt64 = 0
}

private func frame(_ input: [UInt8], _ form: MessageFramer.Form, cuts: [Int] = []) -> Framed {
    var framer = MessageFramer(form)
    var result = Framed()
    var start = 0
    pieces: for cut in cuts + [input.count] {
        let piece = Array(input[start..<cut])
        var offset = 0
        while true {
            switch framer.next(piece.span.extracting(offset..<piece.count)) {
            case .pass(let count):
                result.output += piece[offset..<offset + count]
                offset += count
            case .write(let replacement, let consumed):
                result.output += Array(replacement.rawValue.utf8)
                offset += consumed
            case .hold:
                offset += 1
            case .end(let consumed):
                result.end = start + offset + consumed
                break pieces
            case .needMore:
                start = cut
                continue pieces
            }
        }
    }
    result.size = framer.size
    result.bareLineFeeds = framer.bareLineFeeds
    result.bareCarriageReturns = framer.bareCarriageReturns
    return result
}

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

    /// Sequences that some server, somewhere, took for the end of a message; none of them is one.
    static let falseEnds = [
        "\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\r\n", "\r\n.\r", "\r.\n", "\n.\r", "\r\n\u{0}.\r\n",
        "\r\n.\u{0}\r\n",
        "\r\r\n.\r\n", "\r\r\n.\r\r\n", "\r\n.\r\r\n", "\r\n .\r\n", "\r\n. \r\n", "\n\n.\n\n", "\r\n.\u{0B}\r\n",
        "\r\n..\r\n",
    ]

    @Test("A false end ends nothing, and no receiver could take what goes on for an end", arguments: falseEnds)
    func falseEnd(sequence: String) {
        let input = Array("one\(sequence)two\r\n.\r\n".utf8)
        let whole = frame(input, .stuffed)
        #expect(whole.end == input.count)
        self.expectNoEnd(in: whole.output)
        // …wherever the stream is cut.
        for cut in 0...input.count { #expect(frame(input, .stuffed, cuts: [cut]) == whole) }
        #expect(frame(input, .stuffed, cuts: Array(0...input.count)) == whole)
    }

    @Test("Two false ends in a row, and one at the very beginning, end nothing", arguments: falseEnds, falseEnds)
    func falseEndPairs(first: String, second: String) {
        for text in ["\(first)\(second)x\r\n.\r\n", "a\(first)\(second)x\r\n.\r\n"] {
            let input = Array(text.utf8)
            // `CR LF . CR` and a following `LF` make a true end between them: then what is behind it is a command.
            let result = frame(input, .stuffed)
            self.expectNoEnd(in: result.output)
            if let end = result.end, end < input.count {
                #expect(Array(input[end - 5..<end]) == Array("\r\n.\r\n".utf8) || end == 3)
            }
            #expect(frame(input, .stuffed, cuts: Array(0...input.count)) == result)
        }
    }

    /// Neither CRLF.CRLF nor anything that a lenient receiver could take for it, and no bare CR or LF at all.
    private func expectNoEnd(in output: [UInt8], sourceLocation: SourceLocation = #_sourceLocation) {
        var previous: UInt8 = 0x0A
        var line: [UInt8] = []
        for (index, octet) in output.enumerated() {
            if octet == 0x0A { #expect(previous == 0x0D, "a bare LF at \(index)", sourceLocation: sourceLocation) }
            if previous == 0x0D { #expect(octet == 0x0A, "a bare CR before \(index)", sourceLocation: sourceLocation) }
            previous = octet
            line.append(octet)
            if octet == 0x0A {
                #expect(line != Array(".\r\n".utf8), "an end at \(index)", sourceLocation: sourceLocation)
                line = []
            }
        }
    }

    @Test(
        "Bare LF becomes CRLF, bare CR a space, and both are counted",
        arguments: [
            ("a\nb\r\n.\r\n", "a\r\nb\r\n", 1, 0), ("a\rb\r\n.\r\n", "a b\r\n", 0, 1),
            ("a\r\r\nb\r\n.\r\n", "a \r\nb\r\n", 0, 1), ("\n\r\n.\r\n", "\r\n\r\n", 1, 0),
            ("a\n.b\r\n.\r\n", "a\r\n..b\r\n", 1, 0), ("a\n.\r\n.\r\n", "a\r\n..\r\n", 1, 0),
            ("a\r\n.\nb\r\n.\r\n", "a\r\n\r\nb\r\n", 1, 0), ("a\r\n.\rb\r\n.\r\n", "a\r\n b\r\n", 0, 1),
            ("a\r\n..\nb\r\n.\r\n", "a\r\n..\r\nb\r\n", 1, 0),
        ])
    func normalised(input: String, output: String, lineFeeds: UInt64, carriageReturns: UInt64) {
        let result = frame(Array(input.utf8), .stuffed)
        #expect(String(decoding: result.output, as: UTF8.self) == output)
        #expect(result.bareLineFeeds == lineFeeds)
        #expect(result.bareCarriageReturns == carriageReturns)
    }

    @Test("What follows the end is not touched, and any cut gives the same")
    func everyCut() {
        let input = Array("Subject: x\r\n\r\n..dots\r\nand\nmore\r\n.\r\nNOOP\r\n".utf8)
        let whole = frame(input, .stuffed)
        #expect(whole.end == input.count - 6)
        for first in 0...input.count {
            for second in first...input.count {
                #expect(frame(input, .stuffed, cuts: [first, second]) == whole)
            }
        }
    }

    @Test("Random octets: the output has no end, and unstuffed it is the content")
    func random() {
        var generator = SplitMix(state: 7)
        let alphabet: [UInt8] = [0x0D, 0x0A, 0x2E, 0x61, 0x0D, 0x0A]
        for _ in 0..<20_000 {
            let count = Int(generator.next() % 24)
            let input = (0..<count).map { _ in alphabet[Int(generator.next() % UInt64(alphabet.count))] }
            let whole = frame(input, .stuffed)
            self.expectNoEnd(in: whole.output)
            let cut = count == 0 ? 0 : Int(generator.next() % UInt64(count))
            #expect(frame(input, .stuffed, cuts: [cut]) == whole)
            let content = frame(input, .content)
            #expect(unstuffed(whole.output) == content.output)
            #expect(content.end == whole.end && content.size == whole.size)
            if whole.end != nil { #expect(whole.size == UInt64(content.output.count)) }
        }
    }
}

/// What a strict receiver makes of a stuffed message.
private func unstuffed(_ octets: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    var isLineStart = true
    for octet in octets {
        if isLineStart, octet == 0x2E {
            isLineStart = false
            continue
        }
        isLineStart = octet == 0x0A
        result.append(octet)
    }
    return result
}
