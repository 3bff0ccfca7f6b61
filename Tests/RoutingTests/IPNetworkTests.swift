import Routing
import Testing

@Suite struct IPNetworkTests {
    @Test(
        "A network has the addresses with its prefix",
        arguments: [
            ("192.0.2.0/24", "192.0.2.0", true), ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false), ("0.0.0.0/0", "255.255.255.255", true), ("0.0.0.0/0", "::1", false),
            ("192.0.2.1", "192.0.2.1", true), ("192.0.2.1", "192.0.2.2", false), ("192.0.2.1/32", "192.0.2.1", true),
            ("2001:db8::/32", "2001:db8:ffff::1", true), ("2001:db8::/32", "2001:db9::", false),
            ("2001:db8::/64", "2001:db8::ffff:0:0:1", true), ("2001:db8::/64", "2001:db8:0:1::", false),
            ("2001:db8::/65", "2001:db8::7fff:0:0:1", true), ("2001:db8::/65", "2001:db8::8000:0:0:0", false),
            ("::/0", "ffff::", true), ("::/0", "192.0.2.1", false), ("::1", "::1", true), ("::1/128", "::2", false),
            ("192.0.2.0/24", "::ffff:192.0.2.7", true), ("127.0.0.0/8", "127.8.9.10", true),
        ])
    func contains(_ text: String, _ address: String, _ expected: Bool) throws {
        let network = try IPNetwork(parsing: text)
        let address = try #require(IPAddress(address))
        #expect(network.contains(address) == expected)
    }

    @Test(
        "What is no network is refused, with the reason",
        arguments: [
            ("", "\"\" is not an IP address or a network: write 192.0.2.0/24 or 2001:db8::/32"),
            ("x/8", "\"x/8\" is not an IP address or a network: write 192.0.2.0/24 or 2001:db8::/32"),
            ("192.0.2.0/33", "the prefix of \"192.0.2.0/33\" is not a number from 0 to 32"),
            ("192.0.2.0/", "the prefix of \"192.0.2.0/\" is not a number from 0 to 32"),
            ("192.0.2.0/+8", "the prefix of \"192.0.2.0/+8\" is not a number from 0 to 32"),
            ("::ffff:192.0.2.0/24", "the prefix of \"::ffff:192.0.2.0/24\" is not a number from 0 to 32"),
            ("::/129", "the prefix of \"::/129\" is not a number from 0 to 128"),
            (
                "192.0.2.1/24",
                "\"192.0.2.1/24\" has bits behind its prefix: write 192.0.2.0/24 or 192.0.2.1"
            ),
        ])
    func refused(_ text: String, _ message: String) {
        #expect {
            try IPNetwork(parsing: text)
        } throws: {
            ($0 as? AddressError)?.message == message
        }
    }

    @Test("A network is written as it was", arguments: ["192.0.2.0/24", "2001:db8::/32", "::1", "192.0.2.1", "::/0"])
    func description(_ text: String) throws {
        #expect(try IPNetwork(parsing: text).description == text)
    }
}
