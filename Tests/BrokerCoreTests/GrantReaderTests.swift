import BrokerCore
import Testing

@Suite struct GrantReaderTests {
    /// Everything that a reply to the request `t` grants, or what is wrong with it.
    private static func read(_ bytes: [UInt8]) -> String {
        func text(_ range: TextRange) -> String { String(decoding: bytes[range.start..<range.end], as: UTF8.self) }
        do throws(GrantError) {
            let grant = try GrantReader(reply: bytes.span, tag: "t")
            var words = ["\(grant.code)"]
            for index in 0..<grant.count {
                let socket = try grant.spec(index, in: bytes.span)
                words.append("\(text(grant.name(index))):\(socket.transport.word):\(socket.port)")
            }
            if let reason = grant.reason { words.append("text=" + text(reason)) }
            if let generation = grant.generation { words.append("generation=" + text(generation)) }
            return words.joined(separator: " ")
        } catch {
            return "\(error.text)"
        }
    }

    @Test(
        "A grant is as many descriptors as announced, each with its line",
        arguments: [
            ("PB1 200 OK t\nfds=2\nfd.0=smtp tcp [::]:25\nfd.1=dns udp *:53\n", "200 smtp:tcp:25 dns:udp:53"),
            ("PB1 200 OK t\nfd.1=dns udp *:53\nx=y\nfds=2\nfd.0=smtp tcp [::]:25", "200 smtp:tcp:25 dns:udp:53"),
            ("PB1 200 OK t\nfds=0\n", "200"), ("PB1 200 OK t\n", "200"),
            ("PB1 200 OK t\nfds=1\nfd.0=a tcp *:1\nfd.1=b tcp\nfd.x=\nfd.=\nfd.00=\nfd.64=", "200 a:tcp:1"),
            ("PB1 200 OK t\ngeneration=9f1c07a2b35d4e68\n", "200 generation=9f1c07a2b35d4e68"),
            ("PB1 403 DENIED t\ntext=no such luck\n", "403 text=no such luck"),
            ("PB1 429 TOO-MANY 0\ntext=go\n", "429 text=go"), ("PB1 200 OK 0\n", "the reply to another request"),
            ("PB1 200 OK u\nfds=0\n", "the reply to another request"),
            ("PB1 403 DENIED tt\n", "the reply to another request"),
            ("PB1 200 OK t\nfds=1\n", "a descriptor without its line"),
            ("PB1 200 OK t\nfds=2\nfd.0=a tcp *:1\nfd.2=b tcp *:2\n", "a descriptor without its line"),
            ("PB1 200 OK t\nfds=1\nfd.0= tcp *:1\n", "a descriptor without its line"),
            ("PB1 200 OK t\nfds=1\nfd.0=a/b tcp *:1\n", "a descriptor without its line"),
            ("PB1 200 OK t\nfds=1\nfd.0=a\n", "a spec is tcp or udp, then ADDRESS:PORT"),
            ("PB1 200 OK t\nfds=1\nfd.0=a tcp\n", "a spec is tcp or udp, then ADDRESS:PORT"),
            ("PB1 200 OK t\nfds=1\nfd.0=a tcp *:0\n", "a port is 1 to 65535"),
            ("PB1 200 OK t\nfds=65\n", "fds= is 0 to 64"), ("PB1 200 OK t\nfds=\n", "fds= is 0 to 64"),
            ("PB1 200 OK t\nfds=01\nfd.0=a tcp *:1\n", "fds= is 0 to 64"),
            ("PB1 200 OK t\nfds=1\nfds=1\nfd.0=a tcp *:1\n", "not a PB1 reply"),
            ("PB1 200 OK t\nfds=1\nfd.0=a tcp *:1\nfd.0=b tcp *:2\n", "not a PB1 reply"),
            ("PB1 200 OK t\n\n", "not a PB1 reply"), ("PB1 HELLO t\n", "not a PB1 reply"), ("", "not a PB1 reply"),
        ])
    func reply(text: String, expected: String) {
        #expect(Self.read(Array(text.utf8)) == expected)
    }

    @Test("A grant has 64 descriptors")
    func most() {
        let lines = (0..<64).map { "fd.\($0)=n tcp *:\($0 + 1)\n" }.joined()
        let expected = (1...64).map { " n:tcp:\($0)" }.joined()
        #expect(Self.read(Array("PB1 200 OK t\nfds=64\n\(lines)".utf8)) == "200\(expected)")
    }

    @Test("A grant that is cut off anywhere is refused, or is a whole one of fewer bytes")
    func cut() {
        let text = "PB1 200 OK t\nfds=2\nfd.0=a tcp *:1\nfd.1=b tcp [::]:25"
        let bytes = Array(text.utf8)
        let whole: Set = ["200", "200 a:tcp:1 b:tcp:2", "200 a:tcp:1 b:tcp:25"]
        for length in 0..<bytes.count {
            let found = Self.read(Array(bytes.prefix(length)))
            #expect(!found.hasPrefix("200") || whole.contains(found), "\(length): \(found)")
        }
        // (Before `fds=` is there, nothing is announced, and whoever got descriptors sees that.)
        #expect(Self.read(Array(bytes.prefix(13))) == "200")
        #expect(Self.read(bytes) == "200 a:tcp:1 b:tcp:25")
    }
}
