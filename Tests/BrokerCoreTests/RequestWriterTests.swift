import BrokerCore
import Testing

@Suite struct RequestWriterTests {
    @Test("What is written is what the broker reads")
    func lines() throws {
        let names = Array("smtp http".utf8)
        var writer = RequestWriter("GET", tag: "binder")
        writer.append("name", names.span, TextRange(0, 4))
        writer.append("name", names.span, TextRange(5, 9))
        writer.append("mode", "exclusive")
        writer.append("wait", decimal: 5000)
        #expect(writer.text.string == "PB1 GET binder\nname=smtp\nname=http\nmode=exclusive\nwait=5000\n")
        let bytes = Array(writer.text.string.utf8)
        let request = try Request(bytes.span)
        #expect(request.verb == .get && request.nameCount == 2 && request.isExclusive && request.wait == 5000)
    }

    @Test("A request that does not fit is remembered as cut off, and 32 of the longest names fit")
    func length() throws {
        let name = Array(String(repeating: "n", count: 61).utf8)
        var writer = RequestWriter("RELEASE", tag: "12345678")
        for number in 10..<42 {
            let text = name + Array("\(number)".utf8)
            writer.append("name", text.span, TextRange(0, text.count))
        }
        #expect(!writer.text.isTruncated)
        let request = try Request(Array(writer.text.string.utf8).span)
        #expect(request.nameCount == 32)
        while writer.text.count < Packet.maxRequest { writer.append("x", "a") }
        writer.append("x", "a")
        #expect(writer.text.isTruncated)
    }
}
