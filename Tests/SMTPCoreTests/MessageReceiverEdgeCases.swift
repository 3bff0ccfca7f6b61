import SMTPCore
import Testing

/// Cases 1, 8, 9 and 41 to 44 where a message is received.
@Suite struct MessageReceiverEdgeCases {
    /// The same verdict whole, byte by byte, and cut at every offset.
    private func received(
        _ text: String, _ framing: MessageReceiver.Framing = .data, form: MessageFramer.Form = .stuffed,
        policy: MessagePolicy = MessagePolicy(), sizeLimit: UInt64 = 0, chunks: [Int]? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) -> Received {
        let octets = Array(text.utf8)
        func once(_ cuts: [Int]) -> Received {
            receive(octets, framing, form: form, policy: policy, sizeLimit: sizeLimit, chunks: chunks, cuts: cuts)
        }
        let whole = once([])
        #expect(whole.faults.isEmpty, sourceLocation: sourceLocation)
        #expect(once(Array(0...octets.count)).verdict == whole.verdict, sourceLocation: sourceLocation)
        for cut in 0...min(octets.count, 300) {
            #expect(once([cut]).verdict == whole.verdict, sourceLocation: sourceLocation)
        }
        return whole
    }

    @Test(
        "1: bare line ends are refused with 554 5.6.0 where the policy says so", arguments: ["a\nb", "a\rb", "\r\r\n"])
    func bareLineEnds(text: String) {
        let message = "\(text)\r\n.\r\n"
        for form in [MessageFramer.Form.stuffed, .content] {
            let result = self.received(message, form: form, policy: MessagePolicy(bareLineEnds: .reject))
            #expect(result.refusal?.reply.description == "554 5.6.0 Bare CR or LF in message")
            #expect(result.end == message.utf8.count)
            for policy in [MessagePolicy.BareLineEnds.normalize, .pass] {
                #expect(self.received(message, policy: MessagePolicy(bareLineEnds: policy)).refusal == nil)
            }
        }
        #expect(self.received(text, .chunks, policy: MessagePolicy(bareLineEnds: .reject)).refusal != nil)
    }

    @Test("5: the end is found in pieces, and what follows it is left, refused or not")
    func end() {
        let message = "a\r\n..\r\n.\r\nRSET\r\n"
        for limit in [0, 4] as [UInt64] {
            #expect(self.received(message, sizeLimit: limit).end == message.utf8.count - 6)
        }
    }

    @Test("8: a line over the limit is refused with 554 5.6.0, its CRLF counted, and never held")
    func longLines() {
        let line = String(repeating: "a", count: 98)
        let policy = MessagePolicy(longestLine: 100)
        #expect(self.received("\(line)\r\n\(line)\r\n.\r\n", policy: policy).refusal == nil)
        #expect(self.received("\r\n..\(line.dropLast())\r\n.\r\n", policy: policy).refusal == nil)
        for text in [
            "\(line)a\r\n", "a\r\n\(line)a\r\n", "\(line)aaaaaaaaaaaaa\r\n", "..\(line)\r\n", "\(line)a\nb\r\n",
        ] {
            let result = self.received("\(text).\r\n", policy: policy)
            #expect(result.refusal?.reply.description == "554 5.6.0 Line too long")
            #expect(result.end == text.utf8.count + 3)
        }
        #expect(self.received("\(line)a", .chunks, policy: policy).refusal == .messageLineTooLong)
        #expect(self.received("\(line)\n", .chunks, policy: policy).refusal == nil)
        // The default passes what RFC 5321 would not, and an endless line is passed on, not kept.
        let long = String(repeating: "a", count: 65_534) + "\r\n.\r\n"
        #expect(receive(Array(long.utf8)).refusal == nil)
        #expect(receive(Array("a\(long)".utf8)).refusal == .messageLineTooLong)
        #expect(receive(Array("a\(long)".utf8), policy: MessagePolicy(longestLine: 0)).refusal == nil)
    }

    @Test("9: NUL passes or is refused with 554 5.6.0, and cuts nothing short")
    func nuls() {
        let message = "a\0b\r\n\0\0\r\nc\r\n.\r\n"
        let passed = self.received(message)
        #expect(passed.output == Array(message.utf8.dropLast(3)) && passed.nuls == 3)
        let refused = self.received(message, policy: MessagePolicy(nul: .reject))
        #expect(refused.refusal?.reply.description == "554 5.6.0 NUL in message" && refused.end == message.utf8.count)
        #expect(self.received("a\0", .chunks, policy: MessagePolicy(nul: .reject)).refusal == .nulInMessage)
        #expect(self.received("a\0", .chunks).output == Array("a\0\r\n".utf8))
    }

    @Test("41: what is refused at its end was not given an end, and nothing of it is handed on any more")
    func heldBack() {
        let result = self.received("a\r\nb\0c\r\nd\r\n.\r\n", policy: MessagePolicy(nul: .reject))
        #expect(result.output == Array("a\r\nb".utf8))
        #expect(self.received("a\r\n.\r\n").output == Array("a\r\n".utf8))
    }

    @Test("42: SIZE counts CRLF and no stuffing dot; over the limit the end is found, and the reply is 552 5.3.4")
    func size() {
        let message = "..a\r\n\r\n..\r\n.\r\n"
        #expect(self.received(message).size == 9)
        let whole = self.received(message, sizeLimit: 9)
        #expect(whole.refusal == nil && whole.size == 9)
        for limit in 1...8 as ClosedRange<UInt64> {
            let result = self.received(message, sizeLimit: limit)
            #expect(result.refusal?.reply.description == "552 5.3.4 Message size exceeds fixed limit")
            #expect(result.end == message.utf8.count && result.size == 9)
            // (The first dot is stuffing, and not counted.)
            #expect(result.output.count <= Int(limit) + 2)
        }
    }

    @Test("42: beyond twice the limit and a MiB, nothing helps but to close", arguments: [true, false])
    func abort(inChunks: Bool) {
        let lines = [UInt8](repeating: 0x61, count: 70) + [13, 10]
        func sent(_ octets: Int) -> Received {
            let input = Array([[UInt8]](repeating: lines, count: octets / 72 + 1).joined().prefix(octets))
            let end = Array("\r\n.\r\n".utf8)
            return inChunks
                ? receive(input, .chunks, sizeLimit: 1000, cuts: [500, 40_000, 1_048_576])
                : receive(input.dropLast(2) + end, sizeLimit: 1000, cuts: [500, 40_000, 1_048_576])
        }
        let good = sent(2000 + (1 << 20))
        #expect(good.aborted == nil && good.refusal == .messageTooBig && good.end != nil)
        let bad = sent(2000 + (1 << 20) + 100)
        #expect(bad.aborted == .messageTooBig && bad.end == nil && bad.output.count <= 1000)
    }

    @Test("43: a chunk over the limit is refused before its first octet, and swallowed to its last")
    func chunkOverLimit() {
        let result = self.received("aaaabbbbbbbbNOOP", .chunks, sizeLimit: 10, chunks: [4, 8])
        #expect(result.refusal == .messageTooBig && result.output == Array("aaaa".utf8))
        #expect(result.end == 12 && result.chunkEnds == 1 && result.size == 12)
        #expect(self.received("aaaabbbbbb", .chunks, sizeLimit: 10, chunks: [4, 6]).refusal == nil)
        #expect(self.received("", .chunks, sizeLimit: 10, chunks: [0, 0]).end == 0)
    }

    @Test("43: a chunk of 2^63 octets and more overflows nothing", arguments: [1 << 63, UInt64.max])
    func hugeChunk(size: UInt64) {
        for limit in [0, 1000, 1 << 63] as [UInt64] {
            var receiver = MessageReceiver(.chunks, form: .stuffed, policy: MessagePolicy(), sizeLimit: limit)
            receiver.beginChunk(size: 1, isLast: false)
            #expect(step(&receiver, "ab") == .pass(1))
            #expect(step(&receiver, "b") == .chunkEnd)
            receiver.beginChunk(size: size, isLast: true)
            let isRefused = limit > 0
            if isRefused {
                #expect(step(&receiver, "") == .refused(.messageTooBig))
                #expect(step(&receiver, "bcd") == .discard(3))
            } else {
                #expect(step(&receiver, "bcd") == .pass(3))
            }
            #expect(step(&receiver, "") == .needMore)
            #expect(receiver.size == 4)
        }
    }

    @Test(
        "44: chunks that end inside CRLF, in front of a dot or without CRLF come out as one message",
        arguments: ["a\r\nb\r\n", "\r\n.\r\n", ".a\r\n.", "a\r", "\r\n\r\n", "", ".", "a\n.\nb", "\0.\0"])
    func chunks(text: String) {
        let octets = Array(text.utf8)
        let model = MessageModel(octets, .chunks, .normalize)
        for cut in 0...octets.count {
            for sizes in [[cut, octets.count - cut], [cut, 0, octets.count - cut, 0]] {
                let result = self.received(text, .chunks, chunks: sizes)
                let read = readStrictly(result.output + [0x2E, 0x0D, 0x0A])
                #expect(read?.message == model.guarded && read?.rest == 0)
                #expect(result.end == octets.count && result.chunkEnds == sizes.count - 1)
                #expect(result.size == UInt64(octets.count))
                #expect(self.received(text, .chunks, form: .content, chunks: sizes).output == model.content)
            }
        }
        let single = self.received(text, .chunks, chunks: octets.map { _ in 1 } + [0])
        #expect(single.output == self.received(text, .chunks).output)
    }

    @Test("44: a chunk that is refused is swallowed, and so are those behind it")
    func refusedChunks() {
        let policy = MessagePolicy(bareLineEnds: .reject)
        let result = self.received("a\nb\r\n.\r\ncd", .chunks, policy: policy, chunks: [3, 5, 2])
        #expect(result.refusal == .bareLineEndInMessage && result.output == Array("a".utf8))
        #expect(result.end == 10 && result.chunkEnds == 2 && result.size == 10)
        // A CR at the very end is bare, wherever the chunks end; across two chunks it is not.
        #expect(self.received("a\r", .chunks, policy: policy).refusal == .bareLineEndInMessage)
        #expect(self.received("a\r\n", .chunks, policy: policy, chunks: [2, 1]).refusal == nil)
    }

    @Test("41: one Received field over the limit is a loop, 554 5.4.6, and the dot is held back")
    func loop() {
        let field = "Received: from a by b; today\r\n"
        for (count, refusal) in [(100, nil), (101, "554 5.4.6 Routing loop detected")] as [(Int, String?)] {
            let message = String(repeating: field, count: count) + "\r\n\(field).\r\n"
            for form in [MessageFramer.Form.stuffed, .content] {
                let result = receive(Array(message.utf8), form: form, cuts: Array(stride(from: 0, to: 3000, by: 7)))
                #expect(result.refusal?.reply.description == refusal && result.end == message.utf8.count)
            }
        }
    }
}

private func step(_ receiver: inout MessageReceiver, _ text: String) -> MessageReceiver.Step {
    receiver.next(Array(text.utf8).span)
}
