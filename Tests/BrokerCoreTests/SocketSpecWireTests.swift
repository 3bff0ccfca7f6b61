import BrokerCore
import Testing

/// The spec that a text is, in the words of the policy; or what is wrong with it. The text stands in the middle of another.
private func read(_ text: String) -> String {
    let bytes = Array(" 1\(text)1 v6only".utf8)
    do throws(PolicyError) {
        let spec = try SocketSpec(wireAt: TextRange(2, 2 + text.utf8.count), in: bytes.span)
        var result = "\(spec.transport.word) \(spec.host.family) \(spec.host.high) \(spec.host.low) \(spec.port)"
        if spec.isV6Only { result += " v6only" }
        if spec.device.count > 0 { result += " device=\(spec.device.string)" }
        return result
    } catch {
        return "\(error.text)"
    }
}

@Suite struct SocketSpecWireTests {
    @Test(
        "A spec is tcp or udp, an address and a port, then v6only and device= where they hold",
        arguments: [
            ("tcp *:25", "tcp any 0 0 25"), ("udp 127.0.0.1:53", "udp ipv4 0 2130706433 53"),
            ("tcp [::]:25", "tcp ipv6 0 0 25"), ("tcp [::]:25 v6only", "tcp ipv6 0 0 25 v6only"),
            ("tcp [::1]:25 v6only device=eth0", "tcp ipv6 0 1 25 v6only device=eth0"),
            ("tcp [::1]:25 device=abcdefghijklmno v6only", "tcp ipv6 0 1 25 v6only device=abcdefghijklmno"),
            ("tcp *:25 device=a=b", "tcp any 0 0 25 device=a=b"),
        ])
    func spec(text: String, expected: String) {
        #expect(read(text) == expected)
    }

    @Test(
        "What is more, less, or elsewhere than that is no spec",
        arguments: [
            ("", "a spec is tcp or udp, then ADDRESS:PORT"), ("tcp", "a spec is tcp or udp, then ADDRESS:PORT"),
            ("tcp ", "a spec is tcp or udp, then ADDRESS:PORT"),
            ("tcp  *:25", "a spec is tcp or udp, then ADDRESS:PORT"), ("TCP *:25", "a socket is tcp or udp"),
            (" tcp *:25", "a socket is tcp or udp"), ("sctp *:25", "a socket is tcp or udp"),
            ("tcp *", "the port is missing"), ("tcp *:", "the port is missing"), ("tcp *:0", "a port is 1 to 65535"),
            ("tcp *:65536", "a port is 1 to 65535"),
            ("tcp ::1:25", "more than one colon: an IPv6 address stands in brackets"),
            ("tcp *:25 ", "not a word of a spec"), ("tcp *:25  device=a", "not a word of a spec"),
            ("tcp [::]:25 v6only v6only", "not a word of a spec"), ("tcp *:25 v6only", "not a word of a spec"),
            ("tcp 1.2.3.4:25 v6only", "not a word of a spec"), ("tcp *:25 device=a device=b", "not a word of a spec"),
            ("tcp *:25 device=", "not a word of a spec"), ("tcp *:25 device=abcdefghijklmnop", "not a word of a spec"),
            ("tcp *:25 device=a/b", "not a word of a spec"), ("tcp *:25 device=a:b", "not a word of a spec"),
            ("tcp *:25 device=5\n", "not a word of a spec"), ("tcp *:25 device=et\u{E9}", "not a word of a spec"),
            ("tcp *:25 backlog=1", "not a word of a spec"), ("tcp *:25 get=a", "not a word of a spec"),
            ("tcp *:25 # a comment", "not a word of a spec"),
        ])
    func refusal(text: String, expected: String) {
        #expect(read(text) == expected)
    }

    @Test(
        "What the policy's line is written as is read as its socket",
        arguments: [
            "tcp *:1", "udp 192.0.2.1:65535 freebind", "tcp [2001:DB8::1]:25 v6only backlog=7 keepalive",
            "tcp [1111:2222:3333:4444:5555:6666:111.111.111.111]:65535 reuseport=8 v6only device=abcdefghijklmno",
        ])
    func roundTrip(line: String) throws {
        let bytes = Array("n \(line)\n".utf8)
        var parser = PolicyParser()
        let entry = try #require(try parser.next(in: bytes.span))
        var text = TextBuffer<96>()
        entry.appendSpec(to: &text, in: bytes.span)
        #expect(!text.isTruncated)
        let spec = try SocketSpec(wireAt: TextRange(0, text.count), in: Array(text.string.utf8).span)
        let isEquivalent = spec.isEquivalent(to: entry.socket)
        #expect(isEquivalent)
    }

    @Test("Two specs are for one socket if address and port are the same by value, and the options, as far as seen")
    func equivalence() throws {
        let specs = [
            "tcp [::1]:25", "tcp [::1]:25 v6only", "tcp [::1]:26", "udp [::1]:25", "tcp *:25", "tcp [::]:25",
            "tcp 0.0.0.0:25", "tcp [::1]:25 device=lo", "tcp [::1]:25 device=lo0", "tcp [::1:0:0:1]:25",
        ]
        for (row, one) in specs.enumerated() {
            for (column, other) in specs.enumerated() {
                let first = try SocketSpec(wireAt: TextRange(0, one.utf8.count), in: Array(one.utf8).span)
                let second = try SocketSpec(wireAt: TextRange(0, other.utf8.count), in: Array(other.utf8).span)
                let isEquivalent = first.isEquivalent(to: second)
                #expect(isEquivalent == (row == column), "\(one), \(other)")
            }
        }
        let spelled = "tcp [0:0::0:1]:25"
        let long = try SocketSpec(wireAt: TextRange(0, spelled.utf8.count), in: Array(spelled.utf8).span)
        let short = try SocketSpec(wireAt: TextRange(0, specs[0].utf8.count), in: Array(specs[0].utf8).span)
        let isEquivalent = long.isEquivalent(to: short)
        #expect(isEquivalent)
    }
}
