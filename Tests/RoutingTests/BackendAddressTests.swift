import Routing
import Testing

@Suite struct BackendAddressTests {
    @Test(
        "An address is parsed and written in one spelling",
        arguments: [
            ("127.0.0.1:2525", "127.0.0.1:2525"), ("[::1]:25", "[::1]:25"), ("[0:0::1]:65535", "[::1]:65535"),
            ("App2.Internal.:2525", "app2.internal:2525"), ("localhost:1", "localhost:1"),
            ("my_app-1:2525", "my_app-1:2525"), ("unix:/run/app.sock", "unix:/run/app.sock"),
            ("srv:_SMTP._tcp.App.internal.", "srv:_smtp._tcp.app.internal"), ("srv:25", "srv:25"),
        ])
    func parsed(_ text: String, _ expected: String) throws {
        #expect(try BackendAddress(parsing: text).description == expected)
    }

    @Test(
        "A mistake in an address is named",
        arguments: [
            ("", "the address is empty: write HOST:PORT"),
            ("app", "\"app\" has no port: write HOST:PORT"),
            ("app:", "the port \"\" of \"app:\" is not a number from 1 to 65535"),
            ("app:0", "the port \"0\" of \"app:0\" is not a number from 1 to 65535"),
            ("app:65536", "the port \"65536\" of \"app:65536\" is not a number from 1 to 65535"),
            ("app:+25", "the port \"+25\" of \"app:+25\" is not a number from 1 to 65535"),
            ("::1:25", "\"::1:25\" has more than one colon: write an IPv6 address as [ADDRESS]:PORT"),
            ("[::1]", "\"[::1]\" has no port: write [::1]:PORT"),
            ("[::1", "\"[::1\" has no \"]\": write [ADDRESS]:PORT"),
            ("[127.0.0.1]:25", "\"127.0.0.1\" is not an IPv6 address"),
            ("300.1.1.1:25", "\"300.1.1.1\" is neither an IPv4 address nor a host name"),
            ("10.1:25", "\"10.1\" is neither an IPv4 address nor a host name"),
            (":25", "\"\" is neither an IPv4 address nor a host name"),
            ("a b:25", "\"a b\" is not a host name: \" \" cannot be in it"),
            ("-a:25", "\"-a\" is not a host name: a label begins or ends with \"-\""),
            ("a..b:25", "\"a..b\" is not a host name: a label is empty"),
            ("bücher:25", "\"bücher\" is not a host name: it is not ASCII; write the A-label (xn--…)"),
            ("unix:run/app", "\"unix:run/app\" is not an absolute path: write unix:/run/app.sock"),
            ("srv:app.internal", "\"srv:app.internal\" is not the name of a service: write srv:_smtp._tcp.DOMAIN"),
            ("srv:_smtp._tcp", "\"srv:_smtp._tcp\" is not the name of a service: write srv:_smtp._tcp.DOMAIN"),
            ("srv:_._tcp.a", "\"srv:_._tcp.a\" is not the name of a service: write srv:_smtp._tcp.DOMAIN"),
            ("srv:_smtp._tcp.a:25", "\"_smtp._tcp.a:25\" is not a domain name: \":\" cannot be in it"),
            (
                "unix:/" + String(repeating: "a", count: 107),
                "the path has 108 octets; a Unix socket's has 107 at most"
            ),
        ])
    func mistakes(_ text: String, _ message: String) {
        let error = #expect(throws: AddressError.self) { try BackendAddress(parsing: text) }
        #expect(error?.message == message)
    }

    @Test("An IPv4-mapped address in brackets is refused, since it is IPv4")
    func mapped() {
        #expect(throws: AddressError.self) { try BackendAddress(parsing: "[::ffff:127.0.0.1]:25") }
    }

    @Test("The name of a service is the domain's, whatever hosts the DNS names for it")
    func names() throws {
        #expect(try BackendAddress(parsing: "srv:_smtp._tcp.app.internal").hostName == "app.internal")
        #expect(try BackendAddress(parsing: "app.internal:25").hostName == "app.internal")
        #expect(try BackendAddress(parsing: "192.0.2.1:25").hostName == nil)
    }

    @Test(
        "A backend that leads back to a listener is recognised",
        arguments: [
            ("127.0.0.1:2525", "127.0.0.1", true), ("127.0.0.1:2526", "127.0.0.1", false),
            ("127.0.0.2:2525", "127.0.0.1", false), ("127.0.0.2:2525", "0.0.0.0", true),
            ("192.0.2.1:2525", "0.0.0.0", false), ("192.0.2.1:2525", "192.0.2.1", true),
            ("0.0.0.0:2525", "127.0.0.1", true), ("localhost:2525", "127.0.0.1", true),
            ("localhost:2525", "192.0.2.1", false), ("localhost:2525", "::", true),
            ("127.0.0.1:2525", "::", true), ("app:2525", "127.0.0.1", false),
            ("unix:/run/app.sock", "0.0.0.0", false),
        ])
    func loops(_ backend: String, _ listener: String, _ expected: Bool) throws {
        let address = try #require(IPAddress(listener))
        #expect(try BackendAddress(parsing: backend).reaches(listener: address, port: 2525) == expected)
    }
}
