import Inspection
import Testing

@Suite struct BrokerSocketTests {
    @Test("An item is read with every word that it may have")
    func items() throws {
        let plain = try #require(BrokerSocket(item: "smtp tcp [::]:25 leases=2 queue=0"))
        #expect(plain.name == "smtp" && plain.socket == "tcp [::]:25" && plain.leases == 2 && plain.queue == 0)
        #expect(plain.state == "ok")
        let full = try #require(
            BrokerSocket(item: "dns udp [fe80::1]:53 v6only device=eth0 leases=1 queue=212 exclusive spoiled later"))
        #expect(full.socket == "udp [fe80::1]:53 v6only device=eth0")
        #expect(full.state == "spoiled exclusive")
        #expect(try #require(BrokerSocket(item: "a tcp *:1 leases=0 queue=0 missing")).state == "missing")
    }

    @Test(
        "What is no item is refused",
        arguments: [
            "", "smtp", "smtp tcp *:25 leases=1", "smtp tcp *:25 leases=x queue=0", "tcp *:25 leases=1 queue=0",
        ])
    func malformed(item: String) {
        #expect(BrokerSocket(item: item) == nil)
    }

    @Test("The table is aligned: words left, numbers right, nothing behind the last word")
    func table() throws {
        let sockets = try [
            "smtp tcp [::]:25 leases=12 queue=0", "resolver udp 127.0.0.1:53 leases=0 queue=4096 missing",
        ]
        .map { try #require(BrokerSocket(item: $0)) }
        #expect(
            BrokerSocket.table(sockets) == """
                NAME      SOCKET            LEASES  QUEUE  STATE
                smtp      tcp [::]:25           12      0  ok
                resolver  udp 127.0.0.1:53       0   4096  missing

                """)
        #expect(BrokerSocket.table([]) == "NAME  SOCKET  LEASES  QUEUE  STATE\n")
    }
}
