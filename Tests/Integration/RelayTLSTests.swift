import Foundation
import Testing

/// TLS as operators meet it: certificates that change, lookups that are told of clients, backends with TLS.
@Suite("TLS", .works, .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct RelayTLSTests {
    @Test("A certificate replaced under load is shown within a second, and no session is dropped")
    func replaced() throws {
        let trial = try TLSTrial()
        let backend = try ScriptedBackend(trial.network)
        let relay = try trial.relay("tls: starttls", "tls: implicit")
        let text = try trial.play("replaces")
        print("    " + text)
        #expect(text.contains("dropped 0"))
        _ = backend.wait { $0.open == 0 }
        #expect(relay.program.isRunning)
    }

    @Test("A certificate file half written leaves the old one in place, and is told of once")
    func halfWritten() throws {
        let trial = try TLSTrial()
        let relay = try trial.relay("tls: implicit")
        let live = URL(fileURLWithPath: trial.folder + "/live.pem")
        let whole = try Data(contentsOf: live)
        for (octets, reason) in [
            (whole.prefix(whole.count / 2), "live.pem: it ends in the middle of a PEM block"),
            (Data(), "live.pem: it is empty"),
            (
                try Data(contentsOf: URL(fileURLWithPath: trial.folder + "/new1.pem")),
                "live.key: the key does not match"
            ),
        ] {
            try octets.write(to: live)
            _ = try relay.program.line { $0.contains(" certificates-refused ") && $0.contains(reason) }
            #expect(try trial.play("chooses").contains("chosen"))
        }
        try whole.write(to: live)
        _ = try relay.program.line { $0.contains(" certificates-reloaded") }
        #expect(try trial.play("chooses").contains("chosen"))
        #expect(relay.program.text.components(separatedBy: "certificates-refused").count == 4, "each reason once")
    }

    @Test("A lookup is told of TLS and of the client's certificate, in nginx's words and order")
    func lookup() throws {
        let trial = try TLSTrial()
        let backend = try ScriptedBackend(trial.network)
        let lookup = try ScriptedLookup(trial.network) { _ in ScriptedLookup.accepting }
        let relay = try trial.relay(
            "tls: implicit", "tls: implicit, client-certificates: on", "tls: implicit, client-certificates: optional",
            "tls: implicit, client-certificates: optional-no-ca",
            more: "lookup: {url: \"http://127.0.0.1/mail/auth\", pass-client-certificate: on}")
        try trial.play("certificates")
        let requests = lookup.requests.read { $0 }
        let good = try #require(requests.first { $0.value("Auth-SSL-Verify") == "SUCCESS" })
        let names = good.fields.compactMap { $0.split(separator: ":").first.map(String.init) }
        let tls = names.filter { $0.hasPrefix("Auth-SSL") }
        #expect(
            tls == [
                "Auth-SSL", "Auth-SSL-Protocol", "Auth-SSL-Cipher", "Auth-SSL-Verify", "Auth-SSL-Subject",
                "Auth-SSL-Issuer", "Auth-SSL-Serial", "Auth-SSL-Fingerprint", "Auth-SSL-Cert",
            ])
        #expect(good.value("Auth-SSL-Subject") == "CN=Zo\\C3\\AB,O=Ex\\, Inc,C=DE")
        #expect(good.value("Auth-SSL-Issuer") == "CN=ca")
        #expect(good.value("Auth-SSL-Cert")?.hasPrefix("-----BEGIN%20CERTIFICATE-----%0A") == true)
        // What openssl says of the same file.
        let (_, said) = try trial.network.run([
            "openssl", "x509", "-in", trial.folder + "/client.pem", "-noout", "-serial", "-fingerprint", "-sha1",
        ])
        let serial = try #require(good.value("Auth-SSL-Serial"))
        let fingerprint = try #require(good.value("Auth-SSL-Fingerprint"))
        #expect(said.contains("serial=\(serial)"), "\(said)")
        #expect(said.replacing(":", with: "").lowercased().contains("fingerprint=\(fingerprint)"), "\(said)")
        #expect(requests.contains { $0.value("Auth-SSL-Verify") == "NONE" && $0.value("Auth-SSL-Subject") == nil })
        #expect(requests.contains { $0.value("Auth-SSL-Verify") == "FAILED:certificate has expired" })
        #expect(requests.contains { $0.value("Auth-SSL-Verify") == nil && $0.value("Auth-SSL") == "on" })
        _ = backend.wait { $0.open == 0 }
        #expect(relay.program.isRunning)
    }

    @Test("Backends are spoken to under TLS, or not at all")
    func backends() throws {
        let trial = try TLSTrial()
        let known = "ca: \(trial.folder)/ca.pem, name: mail.flxw.de"
        let own = "certificate: \(trial.folder)/client.pem, key: \(trial.folder)/client.key"
        let modes = ["starttls mail", "implicit mail", "starttls rogue", "refusing mail", "bare mail"]
        let backends = try modes.enumerated().map { try trial.backend($0.element, port: 2541 + UInt16($0.offset)) }
        let groups: [(name: String, port: Int, tls: String, reply: String)] = [
            ("starttls", 2541, "{mode: starttls, \(known), \(own)}", "250"),
            ("implicit", 2542, "{mode: implicit, \(known), protocols: [TLSv1.2]}", "250"),
            ("wrong-name", 2542, "{mode: implicit, ca: \(trial.folder)/ca.pem, name: wrong.example}", "451 4.7.5"),
            ("no-name", 2542, "{mode: implicit, ca: \(trial.folder)/ca.pem}", "451 4.7.5"),
            ("unknown", 2541, "{mode: starttls, name: mail.flxw.de}", "451 4.7.5"),
            ("rogue", 2543, "{mode: starttls, \(known)}", "451 4.7.5"),
            ("unverified", 2543, "{mode: starttls, verify: off}", "250"),
            ("refusing", 2544, "{mode: starttls, verify: off}", "451 4.7.5"),
            ("not-offered", 2545, "{mode: starttls, verify: off}", "451 4.7.5"),
            ("no-tls", 2545, "implicit", "451 4.7.5"),
            ("clear", 2545, "none", "250"),
        ]
        let relay = try trial.relay(
            "tls: none",
            more: (["groups:"]
                + groups.map { "  \($0.name): {backends: [\"127.0.0.1:\($0.port)\"], tls: \($0.tls)}" }
                + ["routes:"] + groups.map { "  - {recipients: \"\($0.name)@\", group: \($0.name)}" })
                .joined(separator: "\n"))
        for group in groups {
            let text = try trial.play("sends", "\(group.name)@flxw.de")
            #expect(text.contains("\(group.name)@flxw.de \(group.reply)"), "\(group.name): \(text)")
        }
        #expect(backends[0].text.contains("message EHLO STARTTLS EHLO+ MAIL+ RCPT+ DATA+ sni mail.flxw.de peer Zoë"))
        #expect(backends[1].text.contains("message EHLO+ MAIL+ RCPT+ DATA+ sni mail.flxw.de peer -"))
        #expect(backends[4].text.contains("message EHLO MAIL RCPT DATA"))
        #expect(!backends[3].text.contains("message"))
        _ = try relay.program.line { $0.contains(" backend-tls-failed backend=127.0.0.1:2543 ") }
        _ = try relay.program.line { $0.contains(" backend-tls-failed backend=127.0.0.1:2542 ") }
    }

    @Test("A client's certificate with policy constraints ends its handshake, and not the relay")
    func constrained() throws {
        let trial = try TLSTrial()
        let relay = try trial.relay("tls: implicit, client-certificates: on")
        try trial.play("constrained")
        _ = try relay.program.line { $0.contains(" tls-failed client=") && $0.contains("CERTIFICATE_VERIFY_FAILED") }
        #expect(relay.program.isRunning)
    }

    @Test("swaks delivers under TLS, with STARTTLS and without")
    func swaks() throws {
        let trial = try TLSTrial()
        let backend = try ScriptedBackend(trial.network)
        let relay = try trial.relay("tls: required", "tls: implicit")
        for (port, option) in [(UInt16(2526), "--tls"), (2527, "--tls-on-connect")] {
            let (status, text) = try Peers.swaks(
                in: trial.network, port: port, to: "user@flxw.de", [option])
            #expect(status == 0, "\(text)")
        }
        #expect(backend.wait { $0.messages.count == 2 }.messages.count == 2)
        #expect(relay.program.isRunning)
    }
}
