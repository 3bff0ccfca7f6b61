import SMTPCore
import Testing

@Suite struct ReceivedFieldCounterTests {
    @Test(
        "Received fields are counted at line starts of the header, in any case",
        arguments: [
            ("", 0), ("Received: a\r\n", 1), ("received:\r\nRECEIVED:\r\nReCeIvEd:x\r\n", 3),
            ("Received : a\r\nReceived\t :b\r\n", 2),
            ("Received\r\nReceivedx: a\r\nXReceived: b\r\n Received: c\r\n", 0),
            ("Received: a\r\n\tReceived: b\r\nReceive: c\r\n", 1), ("Subject: x\r\n\r\nReceived: a\r\n", 0),
            ("\r\nReceived: a\r\n", 0), ("a\r\n \r\nReceived: a\r\n", 1), ("Received: a\n\nReceived: b\n", 1),
            ("RReceived: a\r\nReceived: Received: b\r\nRe\r\nceived: c\r\n", 1), ("\rReceived: a\r\n", 0),
            ("Received:Received:Received:", 1), ("Received", 0),
        ])
    func counts(text: String, count: UInt64) {
        let octets = Array(text.utf8)
        for cut in 0...octets.count {
            var counter = ReceivedFieldCounter(.stuffed)
            counter.receive(octets.span.extracting(0..<cut))
            counter.receive(octets.span.extracting(cut..<octets.count))
            #expect(counter.count == count, "cut at \(cut)")
        }
        var counter = ReceivedFieldCounter(.stuffed)
        for index in octets.indices { counter.receive(octets.span.extracting(index..<index + 1)) }
        #expect(counter.count == count)
        #expect(Int(count) == MessageModel(octets + [13, 10], .chunks, .pass).receivedFields)
    }

    @Test("A dot that stuffs a line is not part of it, and one that does not is")
    func dots() {
        let octets = Array(".Received: a\r\n..Received: b\r\n".utf8)
        var stuffed = ReceivedFieldCounter(.stuffed)
        stuffed.receive(octets.span)
        #expect(stuffed.count == 1)
        var content = ReceivedFieldCounter(.content)
        content.receive(octets.span)
        #expect(content.count == 0)
    }

    @Test("Behind the header nothing is looked at")
    func completes() {
        var counter = ReceivedFieldCounter(.stuffed)
        counter.receive(Array("Received: a\r\n".utf8).span)
        #expect(!counter.isComplete)
        counter.receive(Array("\r\n".utf8).span)
        #expect(counter.isComplete)
        counter.receive(Array("Received: a\r\n".utf8).span)
        #expect(counter.count == 1)
    }
}
