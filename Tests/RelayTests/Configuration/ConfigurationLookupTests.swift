import AuthHTTP
import NIOCore
import Resolver
import Testing

@testable import Relay

@Suite struct ConfigurationLookupTests {
    private func decode(_ text: String) throws -> LoadedConfiguration {
        try RelayConfiguration.decode(Array((RelayConfigurationTests.minimal + text).utf8), file: "relay.yaml")
    }

    @Test("Every key of a lookup and of the resolver is read")
    func whole() throws {
        let loaded = try self.decode(
            """
            lookup:
              urls: ["http://127.0.0.1/a", "https://auth.example/b", "http://unix:/run/auth.sock:/c"]
              more-headers: on
              ca: /etc/ssl/certs/ca-certificates.crt
              allow: [10.0.0.0/8, "::1", "unix:/run/apps/"]
            resolver: {servers: [127.0.0.1, "127.0.0.1:5353", "[::1]:53", "2001:db8::53"], timeout: 2s}
            """)
        #expect(loaded.warnings.isEmpty)
        let lookup = try #require(loaded.configuration.lookup)
        #expect(
            lookup.endpoints.map(\.description) == [
                "http://127.0.0.1:80/a", "https://auth.example:443/b", "http://unix:/run/auth.sock:/c",
            ])
        #expect(lookup.sendsMoreHeaders)
        #expect(lookup.trustedCertificates == "/etc/ssl/certs/ca-certificates.crt")
        #expect(lookup.allow?.map(\.description) == ["10.0.0.0/8", "::1/128", "unix:/run/apps/"])
        let resolver = try #require(loaded.configuration.resolver)
        #expect(
            resolver.servers.map(\.hostAndPort) == [
                "127.0.0.1:53", "127.0.0.1:5353", "[::1]:53", "[2001:db8::53]:53",
            ])
        #expect(resolver.timeout == .seconds(2))
        let summary = loaded.configuration.summary
        #expect(
            summary.contains(
                "otherwise: ask http://127.0.0.1:80/a, then https://auth.example:443/b, then http://unix:/run/auth.sock:/c; "
                    + "more-headers on; ca /etc/ssl/certs/ca-certificates.crt; allow 10.0.0.0/8 ::1/128 unix:/run/apps/"
            ))
        #expect(summary.contains("resolver: 127.0.0.1:53, 127.0.0.1:5353, [::1]:53, [2001:db8::53]:53, timeout 2s"))
    }

    @Test("The defaults: one URL, nginx's headers alone, every server allowed, 30 s for the resolver")
    func defaults() throws {
        let loaded = try self.decode(
            "lookup: {url: \"http://127.0.0.1/\"}\nresolver: {servers: [127.0.0.1]}\n")
        let lookup = try #require(loaded.configuration.lookup)
        #expect(lookup == LookupConfiguration(endpoint: try LookupEndpoint(parsing: "http://127.0.0.1/")))
        #expect(lookup.allow == nil && !lookup.sendsMoreHeaders && lookup.trustedCertificates == nil)
        #expect(loaded.configuration.resolver?.timeout == .seconds(30))
        #expect(try self.decode("").configuration.resolver == nil)
    }

    @Test("A ca that nothing is verified with is a warning")
    func unusedCA() throws {
        let loaded = try self.decode(
            "lookup: {url: \"http://127.0.0.1/\", ca: /etc/ssl/certs/ca-certificates.crt}\n")
        #expect(loaded.warnings.map(\.message) == ["lookup.ca: no URL is https: nothing is verified with it"])
    }

    static let mistakes: [(String, String)] = [
        ("lookup: {urls: []}", "9:16: lookup.urls: there has to be one at least"),
        (
            "lookup: {url: \"http://x/\", urls: [\"http://y/\"]}",
            "9:34: lookup: it has a url and urls: write all of them under urls"
        ),
        (
            "lookup: {urls: [\"http://x/\", \"http://x:80/\"]}",
            "9:30: lookup.urls[1]: http://x:80/ is here a second time"
        ),
        ("lookup: {urls: [x]}", "9:17: lookup.urls[0]: \"x\" is not a URL that begins with http:// or https://"),
        ("lookup: {url: \"https://unix:/x\"}", "9:15: lookup.url: https goes to a host, not to a Unix socket"),
        (
            "lookup: {url: \"http://unix:x\"}",
            "9:15: lookup.url: \"x\" is not the absolute path of a socket, of 107 octets at most"
        ),
        ("lookup: {url: \"http://x/\", more-headers: yes}", "9:42: lookup.more-headers: \"yes\" is not one of on, off"),
        ("lookup: {url: \"https://x/\", ca: x}", "9:33: lookup.ca: \"x\" is not an absolute path"),
        (
            "lookup: {url: \"http://x/\", allow: []}",
            "9:35: lookup.allow: there has to be one at least: no answer could name a server"
        ),
        (
            "lookup: {url: \"http://x/\", allow: [x]}",
            "9:36: lookup.allow[0]: \"x\" is not an address, a network such as 10.0.0.0/8, or unix:/run/apps/"
        ),
        (
            "lookup: {url: \"http://x/\", allow: [10.0.0.1/8]}",
            "9:36: lookup.allow[0]: \"10.0.0.1/8\" has bits behind its first 8"
        ),
        ("resolver: {}", "9:11: resolver: it has no servers"),
        ("resolver: {servers: []}", "9:21: resolver.servers: there has to be one at least"),
        (
            "resolver: {servers: [ns.example]}",
            "9:22: resolver.servers[0]: \"ns.example\" is not an IP address, with a port or without: "
                + "192.0.2.53, 127.0.0.1:5353 or [::1]:53"
        ),
        ("resolver: {servers: [127.0.0.1], timeout: 1ms}", "9:43: resolver.timeout: 1ms is not from 100ms to 2m"),
        (
            "resolver: {servers: [127.0.0.1], timout: 1s}",
            "9:34: resolver: unknown key \"timout\"; did you mean \"timeout\"?"
        ),
    ]

    @Test("A mistake is told with its place", arguments: mistakes)
    func mistake(_ text: String, _ message: String) {
        let error = #expect(throws: ConfigurationError.self) { try self.decode(text) }
        let messages = (error?.problems ?? []).filter { $0.severity == .error }.map {
            $0.description(file: "relay.yaml")
        }
        #expect(messages.first == "relay.yaml:" + message)
    }

    @Test("A ca that is no file, or no certificate, is a mistake", arguments: ["/nonexistent", "/etc/hostname"])
    func badCA(_ path: String) {
        let error = #expect(throws: ConfigurationError.self) {
            try self.decode("lookup: {url: \"https://x/\", ca: \(path)}")
        }
        #expect(
            error?.description.contains("9:33: lookup.ca: \(path) cannot be read as certificates in PEM form") == true)
    }
}
