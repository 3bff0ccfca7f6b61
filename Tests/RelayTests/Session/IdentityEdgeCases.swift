import AuthHTTP
import NIOCore
import ProxyProtocol
import Routing
import SMTPCore
import Testing

@testable import Relay

private func address(_ text: String, _ port: Int = 50000) throws -> SocketAddress {
    try SocketAddress(ipAddress: text, port: port)
}

/// How a client's address is written.
@Suite struct IdentityEdgeCases {
    @Test(
        "76: an IPv4-mapped address is an IPv4 address in the log, to lookups, in XCLIENT and in a PROXY header",
        arguments: [
            ("::ffff:192.0.2.42", "192.0.2.42:50000", "192.0.2.42", "192.0.2.42", "TCP4 192.0.2.42"),
            ("192.0.2.42", "192.0.2.42:50000", "192.0.2.42", "192.0.2.42", "TCP4 192.0.2.42"),
            ("2001:db8::1", "[2001:db8::1]:50000", "2001:db8::1", "IPV6:2001:db8::1", "TCP6 2001:db8::1"),
            (
                "2001:db8:0:0:1:0:0:1", "[2001:db8::1:0:0:1]:50000", "2001:db8::1:0:0:1", "IPV6:2001:db8::1:0:0:1",
                "TCP6 2001:db8::1:0:0:1"
            ),
        ])
    func mapped(_ text: String, _ log: String, _ lookup: String, _ xclient: String, _ header: String) throws {
        let isVersion4 = header.hasPrefix("TCP4")
        let facts = ClientFacts(
            address: try address(text), local: try address(isVersion4 ? "::ffff:198.51.100.1" : "2001:db8::25", 25))
        #expect(facts.name == log)
        #expect(facts.ip == lookup)
        let attributes = facts.xclient(.ehlo("x"), login: nil)
        #expect(attributes.first == ClientAttribute(.address, xclient))
        #expect(
            attributes.contains(ClientAttribute(.destinationAddress, isVersion4 ? "198.51.100.1" : "IPV6:2001:db8::25"))
        )
        #expect(facts.xforward(nil, identifier: "x").contains(ClientAttribute(.address, xclient)))
        let line = String(decoding: facts.proxyHeader.version1, as: UTF8.self)
        #expect(line.hasPrefix("PROXY \(header) \(isVersion4 ? "198.51.100.1" : "2001:db8::25") 50000 25\r\n"))
    }

    @Test("76: a scope is told nobody")
    func scope() throws {
        let raw = try SocketAddress.makeAddressResolvingHost("fe80::1%lo", port: 50000)
        let facts = ClientFacts(address: raw, local: raw)
        #expect(facts.name == "[fe80::1]:50000")
        #expect(facts.ip == "fe80::1")
        #expect(facts.xclient(nil, login: nil).first == ClientAttribute(.address, "IPV6:fe80::1"))
        #expect(
            String(decoding: facts.proxyHeader.version1, as: UTF8.self) == "PROXY TCP6 fe80::1 fe80::1 50000 50000\r\n")
    }
}
