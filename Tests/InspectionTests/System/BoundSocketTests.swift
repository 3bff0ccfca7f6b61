import BrokerCore
import Inspection
import Testing

@Suite struct BoundSocketTests {
    private static let tcp = """
          sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
           0: 0100007F:0019 00000000:0000 0A 00000000:00000000 00:00000000 00000000 62525        0 4711 1 0 100 0 0 10 0
           1: 0100007F:0019 0100007F:D2F0 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 20 4 30 10 -1
           2: 00000000:0050 00000000:0000 0A 00000000:00000005 00:00000000 00000000     0        0 4713 1 0 100 0 0 10 0

        """
    private static let tcp6 = """
          sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
           0: 00000000000000000000000000000000:0019 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 99 1 0 100 0 0 10 0
           1: B80D0120000000000000000001000000:0019 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 98 1 0 100 0 0 10 0

        """

    private static func spec(_ text: String) throws -> SocketSpec {
        let bytes = Array(text.utf8)
        return try SocketSpec(wireAt: TextRange(0, bytes.count), in: bytes.span)
    }

    @Test("Of TCP the listeners are read, with address, port, uid and inode")
    func listeners() {
        #expect(
            BoundSocket.read(Array(Self.tcp.utf8), .tcp) == [
                .init(transport: .tcp, host: Host(family: .ipv4, low: 0x7F00_0001), port: 25, uid: 62525, inode: 4711),
                .init(transport: .tcp, host: Host(family: .ipv4), port: 80, uid: 0, inode: 4713),
            ])
        #expect(
            BoundSocket.read(Array(Self.tcp6.utf8), .tcp) == [
                .init(transport: .tcp, host: Host(family: .ipv6), port: 25, uid: 0, inode: 99),
                .init(
                    transport: .tcp, host: Host(family: .ipv6, high: 0x2001_0DB8_0000_0000, low: 1), port: 25, uid: 0,
                    inode: 98),
            ])
    }

    @Test("Of UDP every socket is read, connected or not")
    func udp() {
        let text =
            "  7: 0100007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000   101        0 5 2 0 0\n"
            + "  8: 0100007F:0036 0100007F:1234 01 00000000:00000000 00:00000000 00000000   101        0 6 2 0 0\n"
        #expect(BoundSocket.read(Array(text.utf8), .udp).map(\.port) == [53, 54])
        #expect(BoundSocket.read(Array(text.utf8), .udp).map(\.inode) == [5, 6])
    }

    @Test("A line that was cut anywhere is left out or whole, and never read wrongly")
    func cut() {
        let line = "   0: 0100007F:0019 00000000:0000 0A 00000000:00000000 00:00000000 00000000 62525        0 4711 1"
        let whole = BoundSocket.read(Array(line.utf8), .tcp)
        #expect(whole.count == 1)
        let inode = line.utf8.count - "4711 1".utf8.count
        for length in 0..<line.utf8.count {
            let found = BoundSocket.read(Array(line.utf8.prefix(length)), .tcp)
            #expect(found.isEmpty || length > inode)
            #expect(found.allSatisfy { $0.port == 25 && $0.uid == 62525 })
        }
    }

    @Test(
        "Who is in whose way",
        arguments: [
            ("tcp 127.0.0.1:25", "tcp 127.0.0.1:25", .certain), ("tcp 127.0.0.1:25", "tcp 127.0.0.2:25", .none),
            ("tcp 127.0.0.1:25", "tcp 127.0.0.1:26", .none), ("tcp 127.0.0.1:25", "udp 127.0.0.1:25", .none),
            ("tcp 127.0.0.1:25", "tcp *:25", .certain), ("tcp 127.0.0.1:25", "tcp 0.0.0.0:25", .certain),
            ("tcp 127.0.0.1:25", "tcp [::]:25", .certain), ("tcp 127.0.0.1:25", "tcp [::]:25 v6only", .none),
            ("tcp 127.0.0.1:25", "tcp [::1]:25", .none), ("tcp [::]:25", "tcp *:25", .certain),
            ("tcp [::]:25", "tcp [::1]:25", .certain), ("tcp [::1]:25", "tcp [::2]:25", .none),
            ("tcp [::]:25", "tcp 127.0.0.1:25", .possible), ("tcp [::1]:25", "tcp 127.0.0.1:25", .none),
            ("tcp 0.0.0.0:25", "tcp [::1]:25", .none), ("tcp 127.0.0.1:25", "tcp *:25 device=eth0", .possible),
        ] as [(String, String, BoundSocket.Conflict)])
    func conflicts(bound: String, wanted: String, expected: BoundSocket.Conflict) throws {
        let spec = try Self.spec(bound)
        let socket = BoundSocket(transport: spec.transport, host: spec.host, port: spec.port, uid: 0, inode: 1)
        #expect(socket.conflict(with: try Self.spec(wanted)) == expected)
    }
}
