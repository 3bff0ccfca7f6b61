import SMTPCore
import Testing

@Suite struct MessageReceiverTests {
    @Test("A good message passes in the order in which it came")
    func steps() {
        var receiver = MessageReceiver(.data, form: .stuffed, policy: MessagePolicy(), sizeLimit: 0)
        #expect(step(&receiver, "") == .needMore)
        #expect(step(&receiver, "a\r\nb\nc") == .pass(4))
        #expect(step(&receiver, "\nc") == .write(.lineEnd, consumed: 1))
        #expect(step(&receiver, "c\r") == .pass(1))
        #expect(step(&receiver, "\r") == .discard(1))
        #expect(step(&receiver, "") == .needMore)
        #expect(step(&receiver, "\n.\r\nQUIT") == .write(.lineEnd, consumed: 1))
        #expect(step(&receiver, ".\r\nQUIT") == .discard(1))
        #expect(step(&receiver, "\r\nQUIT") == .discard(1))
        #expect(step(&receiver, "\nQUIT") == .end(consumed: 1))
        #expect(receiver.refusal == nil && receiver.size == 9 && receiver.bareLineFeeds == 1)
    }

    @Test("A refusal is told once and takes nothing away; the end is found")
    func refusal() {
        let policy = MessagePolicy(nul: .reject)
        var receiver = MessageReceiver(.data, form: .stuffed, policy: policy, sizeLimit: 0)
        #expect(step(&receiver, "a\0b\r\n.\r\n") == .pass(1))
        #expect(step(&receiver, "\0b\r\n.\r\n") == .refused(.nulInMessage))
        #expect(receiver.refusal == .nulInMessage)
        #expect(step(&receiver, "\0b\r\n.\r\n") == .discard(4))
        #expect(step(&receiver, ".\r\n") == .discard(1))
        #expect(step(&receiver, "\r\n") == .discard(1))
        #expect(step(&receiver, "\n") == .end(consumed: 1))
    }

    @Test("Chunks are told apart; a line end that is missing is written before the end")
    func chunks() {
        var receiver = MessageReceiver(.chunks, form: .stuffed, policy: MessagePolicy(), sizeLimit: 0)
        #expect(step(&receiver, "NOOP\r\n") == .needMore)
        receiver.beginChunk(size: 3, isLast: false)
        #expect(step(&receiver, "") == .needMore)
        #expect(step(&receiver, "a\r\nBDAT") == .pass(3))
        #expect(step(&receiver, "BDAT") == .chunkEnd)
        #expect(step(&receiver, "BDAT") == .needMore)
        receiver.beginChunk(size: 0, isLast: false)
        #expect(step(&receiver, "BDAT") == .chunkEnd)
        receiver.beginChunk(size: 2, isLast: true)
        #expect(step(&receiver, ".x") == .write(.stuffedDot, consumed: 1))
        #expect(step(&receiver, "x") == .pass(1))
        #expect(step(&receiver, "QUIT") == .write(.lineEnd, consumed: 0))
        #expect(step(&receiver, "QUIT") == .end(consumed: 0))
        #expect(receiver.size == 5)
    }

    @Test("What was found first is the reply, whatever comes behind it")
    func first() {
        let policy = MessagePolicy(bareLineEnds: .reject, nul: .reject, longestLine: 12, receivedFields: 1)
        let two = "Received: a\r\nReceived: b\r\n"
        let messages: [(String, MessageRefusal)] = [
            ("\0\n\(two)aaaaaaaaaaaaaaaaaaaaa", .nulInMessage), ("\n\0\(two)", .bareLineEndInMessage),
            ("aaaaaaaaaaaaaaaaaaaaa\0\n", .messageLineTooLong), ("a\r\0", .bareLineEndInMessage),
            ("Received:\r\nReceived:\0\n", .routingLoop), ("Received:\r\nReceived\0:\n", .nulInMessage),
        ]
        for (text, reply) in messages {
            for framing in [MessageReceiver.Framing.data, .chunks] {
                let octets = Array("\(text)\r\n.\r\n".utf8)
                let whole = receive(octets, framing, policy: policy)
                #expect(whole.refusal == reply && whole.end == octets.count && whole.faults.isEmpty)
                for cuts in (0...octets.count).map({ [$0] }) + [Array(0...octets.count)] {
                    #expect(receive(octets, framing, policy: policy, cuts: cuts).verdict == whole.verdict)
                }
            }
        }
    }

    @Test("Random messages, policies, limits, chunks and cuts: the model says what comes out", arguments: 0..<16)
    func random(seed: UInt64) {
        var generator = SplitMix(state: seed)
        func one<Value>(of values: [Value]) -> Value { values[Int(generator.next() % UInt64(values.count))] }
        var failures: [String] = []
        var refusals = 0
        for _ in 0..<1500 {
            var input: [UInt8] = []
            for _ in 0..<generator.next() % 8 {
                input += Array(
                    one(of: ["\r\n", "Received: a\r\n", "aaaaaaaaaaaaaaaaaaaa", ".", "\n", "\r", "\0", "b"]).utf8)
            }
            let framing: MessageReceiver.Framing = one(of: [.data, .chunks])
            if framing == .data { input += Array("\r\n.\r\n".utf8) }
            let policy = MessagePolicy(
                bareLineEnds: one(of: MessagePolicy.BareLineEnds.allCases), nul: one(of: MessagePolicy.NUL.allCases),
                longestLine: one(of: [0, 0, 30]), receivedFields: one(of: [0, 1, 2]))
            let limit: UInt64 = one(of: [0, 0, 10, 40])
            let form: MessageFramer.Form = one(of: [.stuffed, .content])
            let cut = Int(generator.next() % UInt64(input.count + 1))
            let chunks = [cut, 0, input.count - cut]
            let whole = receive(input, framing, form: form, policy: policy, sizeLimit: limit, chunks: chunks)
            for cuts in [[cut], Array(0...input.count)] {
                let other = receive(
                    input, framing, form: form, policy: policy, sizeLimit: limit, chunks: chunks, cuts: cuts)
                if other.verdict != whole.verdict { failures.append("cuts \(cuts): \(input)") }
            }
            let model = MessageModel(input, framing == .data ? .data : .chunks, policy.bareLineEnds)
            let size = UInt64(framing == .data ? model.content.count : input.count)
            let isRefused =
                policy.bareLineEnds == .reject && model.bareLineFeeds + model.bareCarriageReturns > 0
                || policy.nul == .reject && model.nuls > 0 || limit > 0 && size > limit
                || policy.longestLine > 0 && model.longestLine > policy.longestLine
                || policy.receivedFields > 0 && model.receivedFields > policy.receivedFields
            if !whole.faults.isEmpty || isRefused != (whole.refusal != nil) || whole.size != size
                || whole.end != (framing == .data ? model.end : input.count)
            {
                failures.append("\(whole) of \(input) under \(policy) \(limit)")
            } else if isRefused {
                refusals += 1
            } else {
                let output = form == .content ? whole.output : readStrictly(whole.output + [0x2E, 0x0D, 0x0A])?.message
                if output != (form == .content ? model.content : model.guarded) { failures.append("\(input)") }
                // (A dot behind a bare LF that is passed on stuffs nothing, but the counter does not know.)
                if policy.bareLineEnds != .pass, Int(whole.receivedFields) != model.receivedFields {
                    failures.append("Received: \(input)")
                }
            }
        }
        #expect(failures.isEmpty, "\(failures.count): \(failures.first ?? "")")
        #expect(refusals > 300)
    }
}

private func step(_ receiver: inout MessageReceiver, _ text: String) -> MessageReceiver.Step {
    receiver.next(Array(text.utf8).span)
}
