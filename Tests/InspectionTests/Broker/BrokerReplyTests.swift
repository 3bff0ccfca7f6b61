import Inspection
import Testing

@Suite struct BrokerReplyTests {
    private func reply(_ text: String, tag: StaticString = "c") -> BrokerReply? {
        BrokerReply(reading: Array(text.utf8), tag: tag)
    }

    @Test("A reply is its code and its lines; several items are kept in order")
    func lines() throws {
        let reply = try #require(self.reply("PB1 200 OK c\nitem=a\nnext=7\nitem=b\n"))
        #expect(reply.code == 200)
        #expect(reply.items == ["a", "b"])
        #expect(reply.number("next") == 7)
        #expect(reply.value("none") == nil && reply.number("item") == nil)
    }

    @Test("Another request's reply, a key given twice and what is no packet are no reply; a refusal may have the tag 0")
    func doubts() {
        #expect(self.reply("PB1 200 OK d\n") == nil)
        #expect(self.reply("PB1 200 OK 0\n") == nil)
        #expect(self.reply("PB1 408 SLOW 0\ntext=late\n")?.code == 408)
        #expect(self.reply("PB1 200 OK c\na=1\na=2\n") == nil)
        #expect(self.reply("") == nil)
        #expect(self.reply("PB2 200 OK c\n") == nil)
        #expect(self.reply("PB1 200 OK c\n\u{1}\n") == nil)
    }

    @Test("Numbers are decimal and from 0 up", arguments: ["-1", "+1", "", "1x", "99999999999999999999"])
    func numbers(text: String) {
        #expect(self.reply("PB1 200 OK c\nnext=\(text)\n")?.number("next") == nil)
    }

    @Test(
        "A refusal has the broker's words, what to do, and a status",
        arguments: [
            (400, 69), (403, 77), (404, 69), (408, 69), (409, 69), (413, 69), (415, 69), (429, 69), (500, 71),
            (501, 69), (503, 69), (505, 69), (599, 69),
        ] as [(Int, UInt8)])
    func refusals(code: Int, status: UInt8) throws {
        let reply = try #require(self.reply("PB1 \(code) WORD c\ntext=because\n"))
        let failure = BrokerFailure("drop \"smtp\"", refusedBy: reply)
        #expect(failure.message.hasPrefix("drop \"smtp\": the broker refuses (\(code)): because"))
        #expect(failure.status == status)
        #expect(failure.code == code)
        #expect(code == 599 || !failure.advice.isEmpty)
    }

    @Test("A 500 has the error's number")
    func errno() throws {
        let reply = try #require(self.reply("PB1 500 INTERNAL c\ntext=dup\nerrno=24\n"))
        #expect(BrokerFailure("x", refusedBy: reply).cause == "the broker refuses (500): dup (errno 24)")
    }
}
