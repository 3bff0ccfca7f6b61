import NIOCore
import Testing

@testable import Resolver

@Suite struct HostsFileTests {
    static let file = HostsFile(
        Array(
            """
            # comment
            127.0.0.1\tlocalhost
            10.0.0.1  App.internal app   # the first
            10.0.0.2 app
            2001:db8::1 app six
            10.0.0.1 app
            ::ffff:10.0.0.9 mapped
            nonsense app
            10.0.0.3
            fe80::1%eth0 link\r
            """.utf8))

    @Test(
        "A name has every address of its lines, once, in any case",
        arguments: [
            ("app", [[10, 0, 0, 1], [10, 0, 0, 2], [0x20, 1, 0xD, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]]),
            ("APP.INTERNAL", [[10, 0, 0, 1]]), ("mapped", [[10, 0, 0, 9]]), ("comment", []), ("10.0.0.3", []),
            ("localhost", [[127, 0, 0, 1]]),
        ] as [(String, [[UInt8]])])
    func names(_ name: String, _ expected: [[UInt8]]) {
        #expect(Self.file.addresses(of: name) == expected)
    }

    @Test("localhost is this host without a file, too, and what is below it (RFC 6761)")
    func local() {
        let both: [[UInt8]] = [[127, 0, 0, 1], [UInt8](repeating: 0, count: 15) + [1]]
        #expect(HostsFile().addresses(of: "localhost") == both)
        #expect(Self.file.addresses(of: "app.localhost") == both)
        #expect(HostsFile().addresses(of: "notlocalhost").isEmpty)
    }
}

@Suite struct ResolverFileTests {
    @Test("Servers, search list and ndots are read, and nothing else")
    func read() throws {
        let file = ResolverFile(
            Array(
                """
                ; comment
                domain ignored.example
                search one.example two.example. # more
                nameserver 192.0.2.53
                nameserver nonsense
                nameserver ::1
                options timeout:1 ndots:2 rotate
                nameserver 192.0.2.54
                nameserver 192.0.2.55
                """.utf8))
        #expect(
            file.servers == [
                try SocketAddress(ipAddress: "192.0.2.53", port: 53), try SocketAddress(ipAddress: "::1", port: 53),
                try SocketAddress(ipAddress: "192.0.2.54", port: 53),
            ])
        #expect(file.candidates(for: "app") == ["app.one.example", "app.two.example", "app"])
        #expect(file.candidates(for: "a.b.c") == ["a.b.c", "a.b.c.one.example", "a.b.c.two.example"])
    }

    @Test("Without a server it is the one on this host")
    func empty() throws {
        let file = ResolverFile()
        #expect(file.servers == [try SocketAddress(ipAddress: "127.0.0.1", port: 53)])
        #expect(file.candidates(for: "app") == ["app"])
    }
}
