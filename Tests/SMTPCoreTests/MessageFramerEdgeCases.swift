import SMTPCore
import Testing

/// Cases 1 to 5 and 9 where a message is framed.
@Suite struct MessageFramerEdgeCases {
    /// Sequences that some server, somewhere, took for the end of a message; none of them is one.
    static let falseEnds: [Octets] = {
        let ends = ["\r", "\n", "\r\n", "\r\r", "\r\r\n", "\r\0", "\0", "\0\r\n", "\r\n\0", "\n\0", "\0\n", "\0\r", ""]
        let others = ["\r\n .\r\n", "\r\n. \r\n", "\n\n.\n\n", "\r\n.\u{0B}\r\n", "\r\n\u{0C}.\r\n", "\r\n..\r\n"]
        let texts = ends.flatMap { before in ends.map { "\(before).\($0)" } }
        return (texts + others).filter { Array("a\($0)".utf8).firstEnd == nil }.map(Octets.init)
    }()

    @Test("2, 3: a false end ends nothing, and no receiver could take what goes on for an end", arguments: falseEnds)
    func falseEnd(sequence: Octets) {
        for next in ["two", "\r\ntwo", "\0\r\ntwo", "."] {
            let input = Array("one\(sequence.text)\(next)\r\n.\r\n".utf8)
            for policy in [MessagePolicy.BareLineEnds.normalize, .reject] {
                let whole = frame(input, .stuffed, .data, policy)
                // (With what follows, some are a true end.)
                #expect(whole.end == (next == "two" ? input.count : MessageModel(input, .data, policy).end))
                for reading in LenientReading.all { #expect(reading.ends(in: whole.output) == 0, "\(reading.name)") }
                #expect(!holdsLoneDot(whole.output))
                // …wherever the stream is cut.
                for cut in 0...input.count { #expect(frame(input, .stuffed, .data, policy, cuts: [cut]) == whole) }
                #expect(frame(input, .stuffed, .data, policy, cuts: Array(0...input.count)) == whole)
            }
        }
    }

    @Test(
        "2, 4: a line that keeps its author's CR ends where its CRLF does, as programs that send it mean it",
        arguments: [MessagePolicy.BareLineEnds.normalize, .reject, .pass])
    func strayCarriageReturn(policy: MessagePolicy.BareLineEnds) {
        // (msmtp, for one, sends such lines: it stuffs the dots behind them, and ends the message behind one.)
        let input = Array("one\r\r\n..two\r\r\n.\r\nNOOP\r\n".utf8)
        let result = frame(input, .content, .data, policy)
        #expect(result.end == input.count - 6)
        let expected = policy == .pass ? "one\r\r\n.two\r\r\n" : "one \r\n.two \r\n"
        #expect(String(decoding: result.output, as: UTF8.self) == expected)
        #expect(frame(input, .content, .data, policy, cuts: Array(0...input.count)) == result)
    }

    @Test("2: only CRLF.CRLF ends a message that is passed on as it is, and it always does", arguments: falseEnds)
    func strictEnd(sequence: Octets) {
        let input = Array("one\(sequence.text)two\r\n.\r\n".utf8)
        let result = frame(input, .stuffed, .data, .pass)
        let end = input.firstEnd
        #expect(result.end == end)
        #expect(readStrictly(result.output + [0x2E, 0x0D, 0x0A])?.rest == 0)
        #expect(result.output == Array(input[..<(end ?? 3)].dropLast(3)))
    }

    @Test("2, 3, 9: every string of CR, LF, dot, NUL and a letter up to seven octets, behind DATA and in chunks")
    func exhaustive() {
        var failures: [[UInt8]] = []
        var tried = 0
        let alphabet: [UInt8] = [0x0D, 0x0A, 0x2E, 0x61, 0x00]
        for length in 0...7 {
            var count = 1
            for _ in 0..<length { count *= alphabet.count }
            for number in 0..<count {
                var rest = number
                var input: [UInt8] = []
                for _ in 0..<length {
                    input.append(alphabet[rest % alphabet.count])
                    rest /= alphabet.count
                }
                tried += 1
                if !self.holds(input + [0x0D, 0x0A, 0x2E, 0x0D, 0x0A], .data) || !self.holds(input, .chunks) {
                    failures.append(input)
                }
            }
        }
        #expect(tried == 97_656)
        #expect(failures.isEmpty, "\(failures.count), first \(failures.first ?? [])")
    }

    private func holds(_ input: [UInt8], _ source: MessageFramer.Source) -> Bool {
        let whole = frame(input, .stuffed, source)
        let model = MessageModel(input, source, .normalize)
        guard !holdsLoneDot(whole.output), whole.end == model.end else { return false }
        if input.count <= 9 {
            if frame(input, .stuffed, source, cuts: Array(0...input.count)) != whole { return false }
            for reading in LenientReading.all where reading.ends(in: whole.output) > 0 { return false }
        }
        guard let read = readStrictly(whole.output + [0x2E, 0x0D, 0x0A]) else { return false }
        return read.message == model.guarded && read.rest == 0
    }

    @Test(
        "1: bare CR and LF go on as CRLF and space, are refused by the caller, or go on as they came",
        arguments: [("a\nb", "a\r\nb", "a\nb"), ("a\rb", "a b", "a\rb"), ("a\r\r\nb", "a \r\nb", "a\r\r\nb")])
    func bareLineEnds(input: String, normalised: String, passed: String) {
        let octets = Array("\(input)\r\n.\r\n".utf8)
        #expect(frame(octets, .stuffed).output == Array("\(normalised)\r\n".utf8))
        #expect(frame(octets, .stuffed, .data, .reject).output == Array("\(normalised)\r\n".utf8))
        #expect(frame(octets, .stuffed, .data, .pass).output == Array("\(passed)\r\n".utf8))
        for policy in MessagePolicy.BareLineEnds.allCases {
            let result = frame(octets, .stuffed, .data, policy)
            #expect(result.bareLineFeeds + result.bareCarriageReturns == 1)
        }
    }

    @Test("4: leading dots are stuffed once, and an empty message is legal")
    func dots() {
        let content = Array(".\r\n..\r\n.a\r\na.\r\n...\r\n".utf8)
        #expect(frame(stuffed(content), .content).output == content)
        #expect(frame(stuffed(content), .stuffed).output + Array(".\r\n".utf8) == stuffed(content))
        #expect(frame(content, .stuffed, .chunks).output + Array(".\r\n".utf8) == stuffed(content))
        #expect(frame(content, .content, .chunks).output == content)
        #expect(frame(Array(".\r\n".utf8), .stuffed) == Framed(end: 3))
    }

    @Test("5: the end is found wherever it is cut, and what follows it is not touched")
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

    @Test(
        "9: NULs pass, and a dot between a NUL and a NUL or a line end gets another",
        arguments: [
            ("a\0b\r\n", "a\0b\r\n"), ("\0.\r\n", "\0..\r\n"), ("\0\0.\0\r\n", "\0\0..\0\r\n"),
            ("a\0.\nb\r\n", "a\0..\r\nb\r\n"),
            ("\0.a\r\n", "\0.a\r\n"), (".\0\r\n", "\0\r\n"), ("..\0\r\n", "..\0\r\n"), (".\0.\r\n", "\0..\r\n"),
            ("\0..\r\n", "\0..\r\n"), ("\0.\r.\r\n", "\0.. .\r\n"),
        ])
    func nuls(input: String, output: String) {
        let octets = Array("\(input).\r\n".utf8)
        for cuts in [[], Array(0...octets.count)] {
            let result = frame(octets, .stuffed, cuts: cuts)
            #expect(String(decoding: result.output, as: UTF8.self) == output)
            #expect(result.end == octets.count)
            #expect(Int(result.nuls) == input.utf8.count { $0 == 0 })
        }
    }
}

/// Text that a log can show.
struct Octets: CustomTestStringConvertible, Sendable {
    let text: String

    var testDescription: String {
        self.text.unicodeScalars.map { $0.value < 32 ? "<\($0.value)>" : String($0) }.joined()
    }
}

extension [UInt8] {
    /// Where CRLF.CRLF ends, or a dot alone at the very beginning.
    fileprivate var firstEnd: Int? {
        if self.starts(with: [0x2E, 0x0D, 0x0A]) { return 3 }
        return self.indices.first { self[$0...].starts(with: [0x0D, 0x0A, 0x2E, 0x0D, 0x0A]) }.map { $0 + 5 }
    }
}
