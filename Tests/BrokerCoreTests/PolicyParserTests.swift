import BrokerCore
import Testing

/// What a text's first error says, `LINE:COLUMN: …`; nil if it has none.
private func firstError(_ text: String) -> String? {
    let bytes = Array(text.utf8)
    var parser = PolicyParser()
    do throws(PolicyError) {
        while try parser.next(in: bytes.span) != nil {}
        return nil
    } catch {
        var message = TextBuffer<512>()
        error.append(to: &message, in: bytes.span)
        return message.string
    }
}

/// Every entry of a text without errors, as a line a test can compare.
private func entries(_ text: String) throws -> [String] {
    let bytes = Array(text.utf8)
    var parser = PolicyParser()
    var result: [String] = []
    while let entry = try parser.next(in: bytes.span) {
        let socket = entry.socket
        var line = TextBuffer<256>()
        line.append(bytes.span, entry.name)
        line.append(" ")
        entry.appendSocket(to: &line, in: bytes.span)
        var options = " \(socket.backlog) \(socket.siblings)"
        if socket.isV6Only { options += " v6only" }
        if socket.isFreebind { options += " freebind" }
        if socket.hasKeepalive { options += " keepalive" }
        if socket.device.count > 0 { options += " device=\(socket.device.string)" }
        for index in 0..<5 {
            let range = entry.rights[index]
            options += " [" + String(decoding: bytes[range.start..<range.end], as: UTF8.self) + "]"
        }
        result.append(line.string + options)
    }
    return result
}

extension TextBuffer {
    /// The text as a string.
    var string: String {
        var bytes: [UInt8] = []
        for index in 0..<self.count { bytes.append(self.storage[index]) }
        return String(decoding: bytes, as: UTF8.self)
    }
}

@Suite struct PolicyParserTests {
    @Test(
        "A line is a name, a socket, options and rights",
        arguments: [
            ("smtp tcp [::]:25", "smtp tcp [::]:25 4096 0 [] [] [] [] []"),
            (
                "  smtp\ttcp [::]:25  backlog=7 v6only get=postern bind=postern,@mail,7 store=a drop=b list=c # why\n",
                "smtp tcp [::]:25 7 0 v6only [postern] [postern,@mail,7] [a] [b] [c]"
            ),
            (
                "http tcp *:80 reuseport=8 keepalive freebind device=eth0",
                "http tcp *:80 4096 8 freebind keepalive device=eth0 [] [] [] [] []"
            ),
            ("r udp 127.0.0.1:53 get=@0", "r udp 127.0.0.1:53 4096 0 [@0] [] [] [] []"),
            ("A.b_c-1 tcp 255.255.255.255:65535", "A.b_c-1 tcp 255.255.255.255:65535 4096 0 [] [] [] [] []"),
        ])
    func entry(text: String, expected: String) throws {
        let found = try entries("\(text)\n")
        #expect(found == [expected])
    }

    @Test("Blank lines and comments are no entries, and need no line end")
    func blank() throws {
        let found = try entries("\n# smtp tcp *:25\n   \t\n#\n a tcp *:1\nb tcp *:2\n  # c")
        #expect(found.count == 2)
        #expect(firstError("") == nil)
    }

    @Test("A policy that is cut off gives nobody a right that the whole one does not: its last line is an error")
    func cutOff() {
        let text = "smtp tcp *:25 bind=postern-app,1001"
        for length in 5...text.utf8.count {
            #expect(firstError(String(text.prefix(length))) != nil)
        }
        #expect(firstError(text) == "1:36: the line end is missing: the file may be cut off here")
        #expect(firstError("a tcp *:1 # c") == "1:14: the line end is missing: the file may be cut off here")
    }

    @Test(
        "An error has its line, its column, the word and the reason",
        arguments: [
            ("a tcp *:25\r\n", #"1:11: "?": control character (a line ends in LF alone)"#),
            ("# \u{1}", #"1:3: "?": control character (a line ends in LF alone)"#),
            ("\n\na/b tcp *:1", #"3:1: "a/b": a name is 1 to 63 of A-Z, a-z, 0-9, '.', '_' and '-'"#),
            ("\u{E9} tcp *:1", #"1:1: "??": a name is 1 to 63 of A-Z, a-z, 0-9, '.', '_' and '-'"#),
            ("postern.x tcp *:1", #"1:1: "postern.x": names that begin with postern. are reserved"#),
            ("smtp", "1:5: the socket is missing: tcp or udp, then ADDRESS:PORT"),
            ("smtp # tcp", "1:6: the socket is missing: tcp or udp, then ADDRESS:PORT"),
            ("smtp sctp *:1", #"1:6: "sctp": a socket is tcp or udp"#),
            ("smtp TCP *:1", #"1:6: "TCP": a socket is tcp or udp"#),
            ("smtp tcp  ", "1:11: ADDRESS:PORT is missing"),
            ("s tcp [::1:25", #"1:7: "[::1:25": the address's ] is missing"#),
            ("s tcp ::1:25", #"1:7: "::1:25": more than one colon: an IPv6 address stands in brackets"#),
            ("s tcp [fe80::1%eth0]:25", #"1:15: "%eth0": an address has no zone here: use device="#),
            ("s tcp [::1]", "1:12: the port is missing"),
            ("s tcp 1.2.3.4", "1:14: the port is missing"),
            ("s tcp *:", "1:9: the port is missing"),
            ("s tcp *", "1:8: the port is missing"),
            ("s tcp *:0", #"1:9: "0": a port is 1 to 65535"#),
            ("s tcp *:65536", #"1:9: "65536": a port is 1 to 65535"#),
            ("s tcp *:025", #"1:9: "025": a port is 1 to 65535"#),
            ("s tcp *:smtp", #"1:9: "smtp": a port is 1 to 65535"#),
            ("s tcp [::1]x:25", #"1:12: "x:25": a port is 1 to 65535"#),
            ("s tcp *:1 Backlog=1", #"1:11: "Backlog": "# + unknownOption),
            ("s tcp *:1 mode=x", #"1:11: "mode": "# + unknownOption),
            ("s tcp *:1 get", "1:14: a value is missing"),
            ("s tcp [::]:1 v6only=1", #"1:20: "=1": this option takes no value"#),
            ("s tcp *:1 get=a get=b", #"1:17: "get": given twice on this line"#),
            ("s tcp *:1 freebind freebind", #"1:20: "freebind": given twice on this line"#),
            ("s udp *:1 backlog=1", #"1:11: "backlog": for tcp only"#),
            ("s udp *:1 keepalive", #"1:11: "keepalive": for tcp only"#),
            ("s tcp *:1 v6only", #"1:11: "v6only": for an IPv6 address only"#),
            ("s tcp 1.2.3.4:1 v6only", #"1:17: "v6only": for an IPv6 address only"#),
            ("s tcp *:1 backlog=0", #"1:19: "0": backlog= is 1 to 65535"#),
            ("s tcp *:1 backlog=65536", #"1:19: "65536": backlog= is 1 to 65535"#),
            ("s tcp *:1 backlog=", "1:19: backlog= is 1 to 65535"),
            ("s tcp *:1 reuseport=0", #"1:21: "0": reuseport= is 1 to 8"#),
            ("s tcp *:1 reuseport=9", #"1:21: "9": reuseport= is 1 to 8"#),
            ("s tcp *:1 device=", "1:18: a device is 1 to 15 bytes of ASCII without '/' and ':'"),
            ("s tcp *:1 device=a/b", #"1:18: "a/b": a device is 1 to 15 bytes of ASCII without '/' and ':'"#),
            ("s tcp *:1 device=\u{E9}", #"1:18: "??": a device is 1 to 15 bytes of ASCII without '/' and ':'"#),
            (
                "s tcp *:1 device=abcdefghijklmnop",
                #"1:18: "abcdefghijklmnop": a device is 1 to 15 bytes of ASCII without '/' and ':'"#
            ),
            ("s tcp *:1 bind=", "1:16: a user, @group or number is missing"),
            ("s tcp *:1 bind=a,", "1:18: a user, @group or number is missing"),
            ("s tcp *:1 bind=a,,b", "1:18: a user, @group or number is missing"),
            ("s tcp *:1 bind=@", "1:17: a user, @group or number is missing"),
            ("s tcp *:1 bind=a,b/c", #"1:18: "b/c": not a user, @group or number"#),
            ("s tcp *:1 bind=-a", #"1:16: "-a": not a user, @group or number"#),
            ("s tcp *:1 bind=007", #"1:16: "007": not a user, @group or number"#),
            ("s tcp *:1 bind=4294967295", #"1:16: "4294967295": not a user, @group or number"#),
            ("s tcp *:1 bind=65534", #"1:16: "65534": 65534 stands for whoever cannot be named, and is refused"#),
            ("s tcp *:1 bind=@65534", #"1:17: "65534": 65534 stands for whoever cannot be named, and is refused"#),
            ("s tcp *:1\ns tcp [::]:2\ns tcp *:1", #"3:7: "*:1": the same socket twice under one name"#),
            ("s tcp [::1]:1\ns tcp [0:0::0:1]:1", #"2:7: "[0:0::0:1]:1": the same socket twice under one name"#),
            ("s tcp *:1 reuseport=8\ns tcp *:2", #"2:1: "s": more than 8 sockets under one name"#),
        ])
    func error(text: String, expected: String) {
        #expect(firstError(text) == expected)
    }

    @Test(
        "An address that is none is an error at its first byte",
        arguments: [
            "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1..2.3", "localhost", "**", "*x", "[]", "[:]", "[:::]",
            "[1:2:3:4:5:6:7]", "[1:2:3:4:5:6:7:8:9]", "[::1::]", "[1:2:3:4:5:6:7::8]", "[12345::]", "[g::]", "[1:]",
            "[:1]", "[::1.2.3]", "[1:2:3:4:5:6:7:1.2.3.4]", "[1.2.3.4]",
        ])
    func badAddress(address: String) {
        let inner = address.hasPrefix("[") ? String(address.dropFirst().dropLast()) : address
        let column = address.hasPrefix("[") ? 8 : 7
        let word = inner.isEmpty ? "" : "\"\(inner)\": "
        let expected = "1:\(column): \(word)not an address: write 192.0.2.1:25, [2001:db8::1]:25 or *:25"
        #expect(firstError("s tcp \(address):25") == expected)
    }

    @Test(
        "An IPv6 address means its 128 bits, however it is written",
        arguments: [
            ("::", 0, 0), ("::1", 0, 1), ("1::", 0x0001_0000_0000_0000, 0),
            ("2001:db8::ff00:42:8329", 0x2001_0db8_0000_0000, 0x0000_ff00_0042_8329),
            ("1:2:3:4:5:6:7:8", 0x0001_0002_0003_0004, 0x0005_0006_0007_0008),
            ("1:2:3:4:5:6:7::", 0x0001_0002_0003_0004, 0x0005_0006_0007_0000),
            ("::2:3:4:5:6:7:8", 0x0000_0002_0003_0004, 0x0005_0006_0007_0008),
            ("::FFFF:192.0.2.1", 0, 0x0000_ffff_c000_0201),
            ("1:2:3:4:5:6:1.2.3.4", 0x0001_0002_0003_0004, 0x0005_0006_0102_0304),
        ] as [(String, UInt64, UInt64)])
    func ipv6(address: String, high: UInt64, low: UInt64) throws {
        let bytes = Array("[\(address)]:25".utf8)
        let socket = try SocketSpec(transport: .tcp, addressAt: TextRange(0, bytes.count), in: bytes.span)
        #expect(socket.host == Host(family: .ipv6, high: high, low: low))
    }

    @Test("The same socket may stand under two names, and one name on two ports")
    func sharedSocket() {
        #expect(firstError("a tcp *:1\nb tcp *:1\na tcp *:2\na udp *:1\na tcp *:1 device=x\n") == nil)
    }

    @Test("A policy has 64 names, and not one more")
    func names() {
        let lines = (0..<64).map { "n\($0) tcp *:\($0 + 1)\n" }.joined()
        #expect(firstError(lines + "n7 tcp *:100\n") == nil)
        #expect(firstError(lines + "n64 tcp *:100") == #"65:1: "n64": more than 64 names"#)
        #expect(firstError("\(String(repeating: "n", count: 63)) tcp *:1\n") == nil)
        #expect(firstError("\(String(repeating: "n", count: 64)) tcp *:1")?.contains("a name is 1 to 63") == true)
    }

    @Test("A policy that is cut anywhere gives entries or an error, and never reads past its end")
    func truncation() {
        let text = "smtp tcp [2001:db8::1]:25 backlog=9 v6only device=eth0 bind=a,@b,3 # c\nhttp udp *:80 reuseport=2\n"
        for length in 0...text.utf8.count {
            _ = firstError(String(decoding: Array(text.utf8.prefix(length)), as: UTF8.self))
        }
        #expect(firstError(text) == nil)
    }
}

private let unknownOption =
    "not an option (backlog= v6only freebind keepalive device= reuseport=) or right (get= bind= store= drop= list=)"
