import BrokerCore
import Testing

@Suite struct ReplyWriterTests {
    private static let codes: [(ReplyCode, String)] = [
        (.ok, "200 OK"), (.malformed, "400 MALFORMED"), (.denied, "403 DENIED"), (.missing, "404 MISSING"),
        (.slow, "408 SLOW"), (.busy, "409 BUSY"), (.tooBig, "413 TOO-BIG"), (.mismatch, "415 MISMATCH"),
        (.tooMany, "429 TOO-MANY"), (.internal, "500 INTERNAL"), (.unknownVerb, "501 UNKNOWN-VERB"),
        (.draining, "503 DRAINING"), (.version, "505 VERSION"),
    ]

    @Test("Every code has its word, and a tag that could not be read is 0", arguments: codes)
    func head(code: ReplyCode, words: String) {
        let tag = Array("a1".utf8)
        var writer = ReplyWriter()
        writer.begin(code, tag: tag.span)
        #expect(writer.text.string == "PB1 \(words) a1\n")
        writer.begin(code, tag: tag.span.extracting(first: 0))
        #expect(writer.text.string == "PB1 \(words) 0\n")
    }

    @Test("Lines are KEY=VALUE and KEY.NUMBER=VALUE, and the whole is a packet that a client reads")
    func lines() throws {
        var writer = ReplyWriter()
        writer.begin(.ok, tag: Array("12345678".utf8).span)
        writer.append("features", "wait store")
        writer.append("gets", decimal: -12)
        writer.append("item") { $0.append("a tcp *:1") }
        writer.append("item") { _ in }
        writer.append("holder", 63) { $0.append("uid=0") }
        let text = writer.text.string
        #expect(
            text == "PB1 200 OK 12345678\nfeatures=wait store\ngets=-12\nitem=a tcp *:1\nitem=\nholder.63=uid=0\n")
        let bytes = Array(text.utf8)
        var packet = try Packet(reply: bytes.span)
        #expect(packet.code == 200)
        var count = 0
        while try packet.next(in: bytes.span) != nil { count += 1 }
        #expect(count == 5)
    }

    @Test("A writer that is used again has nothing of the reply before")
    func reuse() {
        var writer = ReplyWriter()
        writer.begin(.denied, tag: Array("first".utf8).span)
        for _ in 0..<2000 { writer.append("text", "more than a reply holds") }
        #expect(writer.text.isTruncated && writer.text.count == Packet.maxReply)
        writer.begin(.ok, tag: Array("2".utf8).span)
        #expect(writer.text.string == "PB1 200 OK 2\n")
        #expect(!writer.text.isTruncated)
        let rest = (writer.text.count..<Packet.maxReply).allSatisfy { writer.text.storage[$0] == 0 }
        #expect(rest)
    }
}
