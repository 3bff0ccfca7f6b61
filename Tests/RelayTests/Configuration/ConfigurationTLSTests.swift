import AuthHTTP
import Foundation
import Routing
import Testing

@testable import Relay

private let pair = "{certificate: /a.pem, key: /a.key}"

private func text(_ listener: String, _ more: String = "") -> String {
    RelayConfigurationTests.minimal.replacing("socket: smtp", with: "{socket: smtp, \(listener)}") + more
}

@Suite("TLS, in relay.yaml") struct ConfigurationTLSTests {
    @Test("The keys of a listener and of tls are read")
    func listeners() throws {
        let file = text(
            "tls: required, client-certificates: optional",
            """
            tls:
              certificates: [\(pair)]
              protocols: [TLSv1.3]
              ciphers: HIGH:!RSA:!SHA
              session-tickets: off
              client-ca: /ca.pem
              verify-depth: 3
            """)
        let configuration = try decodeConfiguration(file).configuration
        #expect(configuration.listeners[0].tls == .required)
        #expect(configuration.listeners[0].clientCertificates == .optional)
        #expect(configuration.tls.certificates == [CertificateFiles(certificate: "/a.pem", key: "/a.key")])
        #expect(configuration.tls.protocols == [.tls13])
        #expect(configuration.tls.ciphers.count == 6)
        #expect(!configuration.tls.sessionTickets)
        #expect(configuration.tls.clientAuthorities == "/ca.pem")
        #expect(configuration.tls.verifyDepth == 3)
        #expect(configuration.tlsFiles == ["/a.pem", "/a.key", "/ca.pem"])
        let summary = configuration.summary
        #expect(summary.contains("tls required, client-certificates optional"))
        #expect(summary.contains("tls: certificate /a.pem, protocols TLSv1.3, ciphers ECDHE-ECDSA-AES128-GCM-SHA256:"))
    }

    @Test("A listener's own certificates stand in place of those at the top")
    func ownCertificates() throws {
        let file = text("tls: starttls, certificates: [\(pair)]", "tls: {certificates: [{certificate: /b, key: /c}]}")
        let configuration = try decodeConfiguration(file).configuration
        #expect(configuration.certificates(of: configuration.listeners[0]).map(\.certificate) == ["/a.pem"])
        #expect(configuration.tlsFiles == ["/a.pem", "/a.key"])
    }

    @Test("TLS towards backends is a word, or a mapping")
    func backends() throws {
        func tls(_ value: String) throws -> BackendTLS {
            let file = RelayConfigurationTests.minimal.replacing(
                "    backends: [127.0.0.1:2525]", with: "    {backends: [127.0.0.1:2525], tls: \(value)}")
            return try #require(try decodeConfiguration(file).configuration.groups.first).policy.tls
        }
        #expect(try tls("none") == BackendTLS())
        #expect(try tls("implicit") == BackendTLS(mode: .implicit))
        #expect(try tls("starttls").verifies)
        let whole = try tls(
            "{mode: starttls, verify: off, ca: /ca, name: mx.example, certificate: /a, key: /b, protocols: [TLSv1.2]}")
        #expect(whole.mode == .startTLS && !whole.verifies && whole.authorities == "/ca")
        #expect(whole.name == "mx.example" && whole.certificate == CertificateFiles(certificate: "/a", key: "/b"))
        #expect(whole.protocols == [.tls12])
        let lookup = try decodeConfiguration(
            RelayConfigurationTests.minimal
                + "\nlookup: {url: \"http://x/\", tls: starttls, pass-client-certificate: on}")
        #expect(lookup.configuration.lookupPolicy.tls.mode == .startTLS)
        #expect(lookup.configuration.lookup?.passesClientCertificate == true)
    }

    @Test(
        "A mistake is told with its place",
        arguments: [
            ("tls: starttls", "", "2:25: listeners[0].tls: there is no certificate"),
            ("client-certificates: on", "", "2:41: listeners[0].client-certificates: this listener has no TLS"),
            (
                "tls: implicit, client-certificates: on", "tls: {certificates: [\(pair)]}",
                "listeners[0].client-certificates: \"on\" needs the authorities that are trusted: tls.client-ca"
            ),
            ("tls: none", "tls: {certificates: []}", "9:21: tls.certificates: there has to be one at least"),
            ("tls: none", "tls: {certificates: [{key: /a}]}", "it needs a certificate and a key"),
            ("tls: none", "tls: {certificates: [{key: a, certificate: /b}]}", "\"a\" is not an absolute path"),
            ("tls: none", "tls: {protocols: [TLSv1.1]}", "\"TLSv1.1\" is not one of TLSv1.2, TLSv1.3"),
            ("tls: none", "tls: {ciphers: RC4-MD5}", "\"RC4-MD5\" names no cipher suite of TLS 1.2"),
            ("tls: none", "tls: {verify-depth: 101}", "tls.verify-depth: 101 is not from 0 to 100"),
            ("tls: none", "timeouts: {handshake: 0s}", "timeouts.handshake: 0s is not from 1s to 10m"),
        ])
    func mistakes(_ listener: String, _ more: String, _ expected: String) {
        #expect {
            _ = try decodeConfiguration(text(listener, more))
        } throws: { error in
            let said = "\(error)"
            return said.contains(expected)
        }
    }

    @Test("A file that cannot be used is named, where it stands in relay.yaml")
    func files() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString).path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for (content, expected) in [
            (nil, "/a.pem: cannot read the certificate: there is no such file"),
            ("", "/a.pem: it is empty"),
            ("hello\n", "/a.pem: it is not PEM"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n", "/a.pem: it ends in the middle of a PEM block"),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                "/a.pem: it holds no certificate that can be read"
            ),
        ] {
            if let content { try Data(content.utf8).write(to: URL(fileURLWithPath: folder + "/a.pem")) }
            let file = text(
                "tls: starttls", "tls: {certificates: [{certificate: \(folder)/a.pem, key: \(folder)/a.key}]}")
            #expect {
                _ = try RelayConfiguration.decode(Array(file.utf8), file: "relay.yaml", readsFiles: true)
            } throws: { error in
                "\(error)".hasPrefix("relay.yaml:9:36: tls.certificates[0]: \(folder)\(expected)")
            }
        }
    }
}
