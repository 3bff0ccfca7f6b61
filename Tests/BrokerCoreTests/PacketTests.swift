import BrokerCore
import Testing

@Suite struct PacketTests {
    /// Everything that a packet says, or its error.
    private func read(_ bytes: [UInt8], isReply: Bool) -> String {
        do throws(PacketError) {
            var packet = isReply ? try Packet(reply: bytes.span) : try Packet(request: bytes.span)
            func text(_ range: TextRange) -> String { String(decoding: bytes[range.start..<range.end], as: UTF8.self) }
            var result = isReply ? "\(packet.code)" : packet.verb.map(text) ?? "none"
            result += " " + text(packet.tag)
            while let (key, value) = try packet.next(in: bytes.span) { result += " \(text(key))→\(text(value))" }
            return result
        } catch {
            return "\(error)"
        }
    }

    @Test(
        "A request is a verb, a tag and lines",
        arguments: [
            ("PB1 GET a1\nname=smtp\nname=http\nmode=shared\n", "GET a1 name→smtp name→http mode→shared"),
            ("PB1 HELLO 12345678", "HELLO 12345678"), ("PB1 X 1\nx-y=\n", "X 1 x-y→"), ("PB1 X 1\na=b=c", "X 1 a→b=c"),
            ("", "empty"), ("PB1 GET", "badHead"), ("PB1 GET \n", "badHead"), ("PB1  a1", "badHead"),
            ("PB1 GET 123456789", "badHead"), ("PB1 GET a-1", "badHead"), ("PB1 GET a 1", "badHead"),
            ("PB2 GET a1", "badVersion"), ("PB11 GET a1", "badVersion"), ("GET / HTTP/1.1", "badHead"),
            ("PB1 GET a1\nname", "badLine"), ("PB1 GET a1\n=x", "badLine"), ("PB1 GET a1\nNAME=x", "badLine"),
            ("PB1 GET a1\n\n", "badLine"), ("PB1 GET a1\nmode=a\nname=b\nmode=c", "repeatedKey"),
            ("PB1 GET a1\nitem=a\nitem=b", "repeatedKey"), ("PB1 GET a1\r\n", "badByte"), ("PB1 G\u{0} a1", "badByte"),
            ("PB1 GET \u{E9}", "badByte"),
        ])
    func request(text: String, expected: String) {
        #expect(self.read(Array(text.utf8), isReply: false) == expected)
    }

    @Test(
        "A reply is a code, a word, a tag and lines",
        arguments: [
            ("PB1 200 OK a1\nfds=1\nfd.0=smtp tcp [::]:25\n", "200 a1 fds→1 fd.0→smtp tcp [::]:25"),
            ("PB1 200 OK a1\nitem=a\nitem=b\n", "200 a1 item→a item→b"), ("PB1 403 DENIED a1", "403 a1"),
            ("PB1 20 OK a1", "badHead"), ("PB1 2000 OK a1", "badHead"), ("PB1 200 a1", "badHead"),
            ("PB1 200  a1", "badHead"), ("PB1 OK 200 a1", "badHead"), ("PB1 200 OK a1\nname=a\nname=b", "repeatedKey"),
        ])
    func reply(text: String, expected: String) {
        #expect(self.read(Array(text.utf8), isReply: true) == expected)
    }

    @Test("A request has 4096 bytes and a reply 16384, and not one more")
    func length() {
        let head = "PB1 GET a1\nx-a="
        let request = Array(head.utf8) + [UInt8](repeating: 0x61, count: 4096 - head.utf8.count)
        #expect(self.read(request, isReply: false).hasPrefix("GET a1"))
        #expect(self.read(request + [0x61], isReply: false) == "tooLong")
        let replyHead = "PB1 200 OK a1\nx-a="
        let reply = Array(replyHead.utf8) + [UInt8](repeating: 0x61, count: 16384 - replyHead.utf8.count)
        #expect(self.read(reply, isReply: true).hasPrefix("200 a1"))
        #expect(self.read(reply + [0x61], isReply: true) == "tooLong")
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
        #expect(self.read(reply, isReply: true) == "200 binder fds→2 fd.0→smtp tcp [::]:25 fd.1→http tcp *:80")
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
        #expect(!self.read(Array(text.utf8), isReply: true).hasPrefix("bad"))
    }
}
