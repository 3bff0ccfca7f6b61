import AuthHTTP
import NIOCore
import NginxImport
import Routing
import Testing

@testable import Relay

@Suite("relay.yaml made of an nginx.conf") struct ImportedConfigurationTests {
    private struct OneFile: NginxFiles {
        var text: String
        func octets(of path: String) throws(NginxFileError) -> [UInt8] { Array(self.text.utf8) }
        func matches(_ pattern: String) throws(NginxFileError) -> [String] { [] }
    }

    private func configuration(_ server: String) throws -> RelayConfiguration {
        let text = "mail { auth_http 127.0.0.1/auth; server {\n\(server)\n} }"
        let imported = try NginxImport("nginx.conf", from: OneFile(text: text))
        let loaded = try RelayConfiguration.decode(Array(imported.yaml.utf8), file: "relay.yaml")
        #expect(loaded.warnings.isEmpty)
        return loaded.configuration
    }

    @Test("The article's is what it says")
    func article() throws {
        let configuration = try self.configuration(
            """
            listen 25; protocol smtp; timeout 5s; proxy on; xclient off; smtp_auth none; so_keepalive on;
            proxy_pass_error_message on; auth_http http://127.0.0.1/mail/auth;
            """)
        var listener = RelayConfiguration.Listener(.socket(name: "smtp"))
        listener.requiresHello = false
        listener.isPipeliningStrict = false
        #expect(configuration.listeners == [listener])
        #expect(configuration.lookup?.endpoints.first == (try LookupEndpoint(parsing: "http://127.0.0.1/mail/auth")))
        #expect(configuration.lookup?.timeout == .seconds(60))
        #expect(configuration.lookupPolicy.masksReplies == false)
        #expect(configuration.timeouts.command == .seconds(5))
        #expect(configuration.timeouts.connect == .seconds(5))
        #expect(configuration.limits.messageSize == 0)
        #expect(configuration.limits.errors == 5)
        #expect(configuration.routes.isEmpty)
    }

    /// What of a server has a place under keys that every version has.
    static let servers = [
        "listen 587; server_name mail.example.org;", "listen 25; max_errors 0;", "listen 25; max_errors 123456;",
        "listen 25; timeout 1ms;", "listen 25; timeout 30d;", "listen 25; auth_http_timeout 0;",
        "listen 25; auth_http_timeout 1h;", "listen 25; smtp_capabilities \"SIZE 1\" SMTPUTF8 AUTH X;",
        "listen 25; smtp_capabilities \"SIZE 99999999999999999\" 8BITMIME SMTPUTF8 DSN;",
        "listen 25; smtp_capabilities CHUNKING PIPELINING ENHANCEDSTATUSCODES LIMITS;",
        "listen 25; server_name \"not a name\";", "listen 25; server_name '';",
        "listen 25; listen 127.0.0.1:2525; listen [::]:25; listen 26; listen 465;",
        "listen 25; auth_http localhost:9000/?a=b&c=%20;", "listen 25; auth_http [::1]:81;",
        "listen 25; auth_http_header Auth-Method x; auth_http_header Host y; auth_http_header \"a b\" z;",
        "listen 25; auth_http_header X-Empty '';",
    ]

    @Test("What an import writes is taken, clamped where it has to be", arguments: servers)
    func accepted(_ server: String) throws {
        _ = try self.configuration("smtp_auth none; xclient off;" + server)
    }

    /// What of a server has a place under keys of TLS's, AUTH's and the client's identity's.
    static let others = [
        "listen 25; proxy_smtp_auth on;", "listen 25; xclient off; proxy_protocol on;",
        "listen 25; xclient off; smtp_auth none;", "listen 25; smtp_greeting_delay 3s;",
        "listen 25; smtp_greeting_delay 10m;", "listen 127.0.0.1:2525 proxy_protocol;",
        "listen 127.0.0.1:2525 proxy_protocol; set_real_ip_from 10.0.0.0/8; set_real_ip_from unix:;",
        "listen unix:/run/postern/relay.sock; listen 127.0.0.1:2525 backlog=12 rcvbuf=64k sndbuf=1m;",
        "listen [::1]:2525 ipv6only=off so_keepalive=on; listen 127.0.0.1:2526 so_keepalive=30m:1m:10;",
        "listen 127.0.0.1:2526 so_keepalive=off; server_name other.example.org;",
        "listen 127.0.0.1:2526; smtp_auth plain login cram-md5 none;", "listen 25; resolver 127.0.0.1 [::1]:5353;",
        "listen 25; auth_http_pass_client_cert on;",
    ]

    @Test("What an import writes of a client's identity is taken", arguments: others)
    func identity(_ server: String) throws {
        let text = "mail { auth_http 127.0.0.1/auth; server { protocol smtp; \(server) } }"
        let imported = try NginxImport("nginx.conf", from: OneFile(text: text))
        let loaded = try RelayConfiguration.decode(Array(imported.yaml.utf8), file: "relay.yaml")
        #expect(loaded.configuration.lookupPolicy.identity == .xclient || server.contains("xclient off"))
    }

    static let values = [
        "plain", "1", "on", "null", "~", " ", "a: b", "a #b", "- a", "[a]", "{a: b}", "&a", "*a", "!a", "%a", "@a",
        "`a",
        "'a'", "|", ">", "a\\\\b", "a\\\"b", "?", "a,b", "é", "\u{1F4E7}", "\u{FEFF}a", "0x10", "1e3", "a:",
        "http://a:b",
    ]

    @Test("A value comes out of relay.yaml as it stood in nginx.conf", arguments: values)
    func value(_ value: String) throws {
        let configuration = try self.configuration(
            "listen 25; smtp_auth none; xclient off; auth_http_header X-Value \"\(value)\";")
        let expected = value.replacing("\\\"", with: "\"").replacing("\\\\", with: "\\")
        #expect(configuration.lookup?.extraHeaders.map(\.value) == [expected])
    }
}
