import NIOCore
import Testing

@testable import Relay

@Suite struct SubjectFinderTests {
    static let cases: [(String, String?)] = [
        ("Subject: hello\r\n\r\nbody", "hello"),
        ("From: a\r\nsubject:  hello \r\n\r\n", "hello"),
        ("Subject: one\r\n two\r\n\tthree\r\nTo: x\r\n\r\n", "one two three"),
        ("From: a\r\n\r\nSubject: not in the header\r\n", nil),
        ("Subject:\r\n\r\n", ""),
        ("X-Subject: no\r\n\r\n", nil),
        ("\r\nSubject: no\r\n", nil),
        ("Subject: first\r\nSubject: second\r\n\r\n", "first"),
        ("Subject: caf\u{e9}\u{1B}[1m\r\n\r\n", "caf   [1m"),
        ("Subject: unfinished", nil),
        ("", nil),
    ]

    @Test("The subject is found, however the message is cut", arguments: cases)
    func found(message: String, subject: String?) {
        let octets = Array(message.utf8)
        for cut in 0...octets.count {
            var finder = SubjectFinder()
            finder.receive(ByteBuffer(bytes: octets[..<cut]))
            finder.receive(ByteBuffer(bytes: octets[cut...]))
            #expect(finder.subject == subject, "cut at \(cut)")
        }
    }

    @Test("A line without end is not kept")
    func endless() {
        var finder = SubjectFinder()
        finder.receive(ByteBuffer(string: "Subject: "))
        for _ in 0..<1000 { finder.receive(ByteBuffer(repeating: UInt8(ascii: "x"), count: 1000)) }
        finder.receive(ByteBuffer(string: "\r\n\r\n"))
        #expect(finder.subject?.utf8.count == 998 - "Subject: ".utf8.count)
    }
}
