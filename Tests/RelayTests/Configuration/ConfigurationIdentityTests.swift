import Foundation
import NIOCore
import Routing
import SMTPCore
import Testing

@testable import Relay

@Suite("identity, auth and proxies, in relay.yaml") struct ConfigurationIdentityTests {
    private static func text(_ group: String, _ more: String = "") -> String {
        """
        listeners: [{socket: smtp}]
        groups:
          app: {backends: ["a:1"]\(group.isEmpty ? "" : ", \(group)")}
        routes: [{recipients: a.de, group: app}]
        \(more)
        """
    }

    private func policy(_ group: String, _ more: String = "") throws -> DeliveryPolicy {
        try #require(try decodeConfiguration(Self.text(group, more)).configuration.groups.first?.policy)
    }

    private static func file(_ content: String) throws -> String {
        let path = FileManager.default.temporaryDirectory.path + "/password-" + UUID().uuidString
        try Data(content.utf8).write(to: URL(fileURLWithPath: path))
        return path
    }

    @Test("Every identity is read, and decides whether there is a Received field")
    func identities() throws {
        for identity in BackendIdentity.allCases {
            let policy = try self.policy("identity: \(identity.rawValue)")
            #expect(policy.identity == identity)
            #expect(policy.addsReceived == [.none, .xforward].contains(identity))
        }
        #expect(try self.policy("identity: none") == DeliveryPolicy())
    }

    @Test("What message says of Received holds, in the group as at the top")
    func received() throws {
        #expect(try self.policy("identity: xclient, message: {received: on}").addsReceived)
        #expect(try self.policy("identity: xclient", "message: {received: on}").addsReceived)
        #expect(try !self.policy("identity: xforward", "message: {received: off}").addsReceived)
        // To say what holds anyway makes no other policy.
        #expect(try self.policy("identity: xclient, message: {received: off}") == self.policy("identity: xclient"))
        #expect(try self.policy("message: {received: on}") == self.policy(""))
    }

    @Test("Identity and login belong to the policy of a destination: two of them share no transaction")
    func sharing() throws {
        let one = BackendGroup(name: "one", backends: [Backend(.host("a", port: 1))])
        var other = one
        other.name = "other"
        #expect(one.sharesTransactions(with: other))
        other.policy.identity = .proxyV1
        #expect(!one.sharesTransactions(with: other))
        other.policy = one.policy
        other.policy.login = .client
        #expect(!one.sharesTransactions(with: other))
    }

    @Test("A route with backends and a lookup have them, too")
    func places() throws {
        let configuration = try decodeConfiguration(
            """
            listeners: [{socket: smtp}]
            routes: [{recipients: a.de, backends: ["a:1"], identity: proxy-v2}]
            lookup: {url: "http://127.0.0.1/", identity: xclient, auth: login-of-client}
            """
        ).configuration
        #expect(configuration.routes.map { $0.group?.policy.identity } == [.proxyV2])
        #expect(configuration.lookupPolicy.identity == .xclient)
        #expect(configuration.lookupPolicy.login == .client)
        #expect(!configuration.lookupPolicy.addsReceived)
        #expect(
            configuration.summary.contains(", identity xclient, auth login-of-client"))
    }

    @Test("A user's password is the first line of a file, and in no description")
    func password() throws {
        let path = try Self.file("s3cret pass\r\nsecond line\n")
        let loaded = try decodeConfiguration(Self.text("auth: {user: relay, password-file: \(path)}"))
        let policy = try #require(loaded.configuration.groups.first?.policy)
        #expect(
            policy.login
                == .user(ClientCredentials(user: Array("relay".utf8), password: "s3cret pass")))
        #expect(loaded.configuration.summary.contains("auth as relay"))
        var dumped = ""
        dump(loaded.configuration, to: &dumped)
        for text in ["\(loaded.configuration)", loaded.configuration.summary, dumped] {
            #expect(!text.contains("s3cret"))
            #expect(!text.contains("115, 51, 99"))
        }
    }

    @Test("Mistakes are told with their place, and never with what a password file holds")
    func mistakes() throws {
        let empty = try Self.file("\nsecond")
        let nul = try Self.file("a\u{0}b")
        let table: [(String, String)] = [
            (
                "identity: xclint",
                "3:38: groups.app.identity: \"xclint\" is not one of none, xclient, xforward, proxy-v1, proxy-v2; did you mean \"xclient\"?"
            ),
            (
                "auth: login",
                "3:34: groups.app.auth: \"login\" is not one of login-of-client; did you mean \"login-of-client\"?"
            ),
            ("auth: {user: x}", "3:34: groups.app.auth: it needs a user and a password-file, or is login-of-client"),
            (
                "auth: {user: x, password: y}",
                "3:44: groups.app.auth: unknown key \"password\"; did you mean \"password-file\"?|3:34: groups.app.auth: it needs a user and a password-file, or is login-of-client"
            ),
            ("auth: {user: x, password-file: y}", "3:59: groups.app.auth.password-file: \"y\" is not an absolute path"),
            (
                "auth: {user: x, password-file: /nonexistent/y}",
                "3:59: groups.app.auth.password-file: cannot read /nonexistent/y: there is no such file"
            ),
            (
                "auth: {user: x, password-file: \(empty)}",
                "3:59: groups.app.auth.password-file: the first line of \(empty) is no password: it is empty, has a NUL, or more than 255 octets"
            ),
            (
                "auth: {user: x, password-file: \(nul)}",
                "3:59: groups.app.auth.password-file: the first line of \(nul) is no password: it is empty, has a NUL, or more than 255 octets"
            ),
        ]
        for (group, message) in table {
            #expect(
                configurationErrors(Self.text(group)).sorted()
                    == message.split(separator: "|").map(String.init).sorted())
        }
        let route = Self.text("").replacing(
            "group: app}", with: "group: app, identity: xclient, auth: login-of-client}")
        #expect(
            configurationErrors(route) == [
                "4:51: routes[0]: an identity belongs to backends: write it in the group",
                "4:66: routes[0]: auth belongs to backends: write it in the group",
            ])
    }

    @Test("Proxies are networks, and Unix sockets")
    func proxies() throws {
        let text = Self.text("", "proxies: [127.0.0.1, 10.0.0.0/8, \"2001:db8::/32\", \"unix:\"]")
        let configuration = try decodeConfiguration(text).configuration
        let proxies = configuration.proxies
        #expect(configuration.summary.contains("proxies: 127.0.0.1, 10.0.0.0/8, 2001:db8::/32, unix:"))
        for (address, expected) in [
            ("127.0.0.1", true), ("127.0.0.2", false), ("10.1.2.3", true), ("11.0.0.1", false), ("2001:db8::1", true),
            ("2001:db9::1", false), ("::ffff:10.1.2.3", true), ("::1", false),
        ] {
            #expect(proxies.contains(try SocketAddress(ipAddress: address, port: 1)) == expected, "\(address)")
        }
        #expect(proxies.contains(try SocketAddress(unixDomainSocketPath: "/x")))
        #expect(!RelayConfiguration.Proxies().contains(try SocketAddress(unixDomainSocketPath: "/x")))
    }

    @Test(
        "Mistakes among proxies are told",
        arguments: [
            ("proxies: 10.0.0.0/8", "5:10: proxies: a list is expected here, not \"10.0.0.0/8\""),
            (
                "proxies: [10.0.0.1/8]",
                "5:11: proxies[0]: \"10.0.0.1/8\" has bits behind its prefix: write 10.0.0.0/8 or 10.0.0.1"
            ),
            ("proxies: [\"::1\", \"::1\"]", "5:18: proxies[1]: ::1 is here a second time"),
        ])
    func proxyMistakes(_ more: String, _ message: String) {
        #expect(configurationErrors(Self.text("", more)) == [message])
    }

    @Test("proxy-protocol without proxies would refuse everybody")
    func noProxies() {
        let text = Self.text("").replacing("socket: smtp", with: "socket: smtp, proxy-protocol: on")
        #expect(
            configurationErrors(text) == [
                "1:22: listeners[0]: proxy-protocol is on, and no proxies are known: every client would be refused; name them under proxies"
            ])
        #expect(configurationErrors(text + "\nproxies: [127.0.0.1]\n") == [])
    }
}
