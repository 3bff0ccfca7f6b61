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

/// What is told of a client.
@Suite struct ClientFactsTests {
    @Test("XCLIENT begins as nginx's, with a login where there is one")
    func order() throws {
        let facts = ClientFacts(address: try address("192.0.2.42"), local: try address("198.51.100.1", 25))
        let login = ClientLogin(user: "user", password: nil)
        let names = facts.xclient(.helo("x"), login: login).map(\.name)
        #expect(
            names == [
                .address, .login, .name, .port, .protocolName, .helo, .destinationAddress, .destinationPort,
            ])
        #expect(facts.xclient(.helo("x"), login: nil).map(\.name) == names.filter { $0 != .login })
        #expect(facts.xclient(.helo("x"), login: nil).contains(ClientAttribute(.protocolName, "SMTP")))
        #expect(facts.xclient(nil, login: nil).contains(ClientAttribute(.helo, "[UNAVAILABLE]")))
        #expect(facts.xclient(nil, login: nil).contains(ClientAttribute(.name, "[UNAVAILABLE]")))
    }

    @Test("The client of a Unix socket has no address to tell")
    func unix() throws {
        let path = try SocketAddress(unixDomainSocketPath: "/run/x.sock")
        let facts = ClientFacts(address: path, local: path)
        #expect(facts.ip == "unix:")
        #expect(facts.xclient(nil, login: nil).first == ClientAttribute(.address, "[UNAVAILABLE]"))
        #expect(facts.proxyHeader == ProxyHeader(.unknown))
    }

    @Test("What a proxy told is the client's")
    func proxied() throws {
        let proxy = LookupRequest.ProxyAddresses(
            source: try address("192.0.2.42"), destination: try address("198.51.100.1", 25))
        let facts = ClientFacts(address: try address("10.0.0.1"), local: try address("10.0.0.2", 2526), proxy: proxy)
        #expect(facts.name == "192.0.2.42:50000")
        #expect(facts.local?.hostAndPort == "198.51.100.1:25")
        #expect(facts.proxy == proxy)
    }

    @Test("No description has a login's password")
    func secrets() {
        let login = ClientLogin(user: "user", password: "hunter2")
        var dumped = ""
        dump(login, to: &dumped)
        #expect(!"\(login)".contains("104") && !"\(login)".contains("hunter2"))
        #expect(!dumped.contains("104") && !dumped.contains("hunter2"))
    }
}
