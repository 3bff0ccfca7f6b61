import BrokerCore
import Testing

@Suite struct PacketTests {
    /// Everything that a packet says, or its error, as the vectors have it.
    private func read(_ bytes: [UInt8], isReply: Bool) -> String {
        do throws(PacketError) {
            var packet = isReply ? try Packet(reply: bytes.span) : try Packet(request: bytes.span)
            func text(_ range: TextRange) -> String { String(decoding: bytes[range.start..<range.end], as: UTF8.self) }
            var result = "ok " + (isReply ? "\(packet.code)" : packet.verb.map(text) ?? "none")
            result += " " + text(packet.tag)
            while let (key, value) = try packet.next(in: bytes.span) {
                result += "|\(text(key))=" + (value.count > 100 ? "<\(value.count)>" : text(value))
            }
            return result
        } catch {
            return "\(error)"
        }
    }

    @Test("A request is a verb, a tag and lines", arguments: try Vector.all("request"))
    func request(vector: Vector) {
        #expect(self.read(vector.packet, isReply: false) == vector.verdict)
    }

    @Test("A reply is a code, a word, a tag and lines", arguments: try Vector.all("reply"))
    func reply(vector: Vector) {
        #expect(self.read(vector.packet, isReply: true) == vector.verdict)
    }

    @Test("Every error has a vector, in a request and in a reply where it can be in one")
    func vectors() throws {
        let verdicts = Set(try Vector.all("request").map(\.verdict))
        for error in ["empty", "tooLong", "badByte", "badHead", "badVersion", "badLine", "repeatedKey"] {
            #expect(verdicts.contains(error))
        }
        let longest = try Vector.all().map { "\($0.kind) \($0.packet.count) \($0.verdict.prefix(2))" }
        for length in ["request 4096 ok", "request 4097 to", "reply 16384 ok", "reply 16385 to"] {
            #expect(longest.contains(length))
        }
    }

    @Test("A packet cut at any offset, or with any byte exchanged, is read or refused, never read past its end")
    func mutations() {
        let reply = Array("PB1 200 OK binder\nfds=2\nfd.0=smtp tcp [::]:25\nfd.1=http tcp *:80\n".utf8)
        for length in 0...reply.count { _ = self.read(Array(reply.prefix(length)), isReply: true) }
        for offset in 0..<reply.count {
            for byte in [0, 0x0A, 0x20, 0x3D, 0x7F, 0xFF] as [UInt8] {
                var changed = reply
                changed[offset] = byte
                _ = self.read(changed, isReply: true)
                _ = self.read(changed, isReply: false)
            }
        }
        #expect(self.read(reply, isReply: true) == "ok 200 binder|fds=2|fd.0=smtp tcp [::]:25|fd.1=http tcp *:80")
    }

    @Test("The longest reply fits: 64 descriptors of the longest names and sockets")
    func longestReply() throws {
        let name = String(repeating: "n", count: 62)
        let line = "tcp [1111:2222:3333:4444:5555:6666:111.111.111.111]:65535 reuseport=8 v6only device=abcdefghijklmno"
        let policy = Array((0..<8).map { "\(name)\($0) \(line)\n" }.joined().utf8)
        var parser = PolicyParser()
        var reply = Reply(tag: "binder", descriptors: 64)
        while let entry = try parser.next(in: policy.span) {
            for _ in 0..<8 { reply.append(entry, in: policy.span) }
        }
        #expect(!reply.text.isTruncated)
        let text = reply.text.string
        #expect(text.hasPrefix("PB1 200 OK binder\nfds=64\nfd.0=\(name)0 tcp [1111:"))
        #expect(text.hasSuffix("fd.63=\(name)7 \(line.replacing(" reuseport=8", with: ""))\n"))
        #expect(self.read(Array(text.utf8), isReply: true).hasPrefix("ok 200 binder|fds=64|"))
    }
}
