import Foundation
import Testing

/// Routes that ask for more than a domain: for the listener, the client's network, the name that it asked for, the user; by
/// expression; and to a lookup of their own.
@Suite("Conditions of routes", .works, .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct RelayRouteConditionTests {
    /// The reply to a recipient, in a session of its own.
    private func answer(_ dialogue: SMTPDialogue, _ recipient: String = "user@flxw.de") throws -> String {
        _ = try dialogue.command("MAIL FROM:<a@b.example>")
        let text = try dialogue.command("RCPT TO:<\(recipient)>").text
        _ = try dialogue.command("RSET")
        return text
    }

    @Test("By listener: each application has its port")
    func listeners() throws {
        let network = try TestNetwork()
        let one = try ScriptedBackend(network)
        let other = try ScriptedBackend(network, port: 2625)
        let relay = try RelayUnderTest(
            in: network,
            """
              - {address: "127.0.0.1:2527"}
            routes:
              - {listeners: "127.0.0.1:2527", backends: ["127.0.0.1:2625"]}
              - {recipients: flxw.de, backends: ["127.0.0.1:2525"]}
            """)
        for port: UInt16 in [2526, 2527] {
            let dialogue = try SMTPDialogue.greeted(network, port: port)
            #expect(try dialogue.message(to: "user@flxw.de", "Subject: \(port)\r\n\r\nx").code == 250)
            if port == 2526 { #expect(try self.answer(dialogue, "user@b.example").hasPrefix("550 5.7.1 ")) }
            try dialogue.quit()
        }
        #expect(one.wait { $0.messages.count == 1 }.messages.map(\.content) == ["Subject: 2526\r\n\r\nx"])
        #expect(other.wait { $0.messages.count == 1 }.messages.map(\.content) == ["Subject: 2527\r\n\r\nx"])
        withExtendedLifetime(relay) {}
    }

    @Test("By the client's network, which a proxy may tell")
    func clients() throws {
        let network = try TestNetwork()
        let relay = try RelayUnderTest(
            in: network, listener: "proxy-protocol: on",
            """
            proxies: [127.0.0.1]
            routes:
              - {clients: [10.0.0.0/8, "2001:db8::/32"], reject: 550 5.7.1 inside}
              - {recipients: flxw.de, clients: 127.0.0.1, reject: 550 5.7.1 here}
              - {recipients: "*", reject: 550 5.7.1 outside}
            """)
        for (header, word) in [
            ("TCP4 10.1.2.3 198.51.100.1 50000 25", "inside"), ("TCP6 2001:db8::7 2001:db8::1 50000 25", "inside"),
            ("TCP6 ::ffff:10.1.2.3 ::1 50000 25", "inside"), ("TCP4 192.0.2.1 198.51.100.1 50000 25", "outside"),
            ("TCP6 2001:db9::7 2001:db8::1 50000 25", "outside"), ("UNKNOWN", "here"),
        ] {
            let dialogue = try SMTPDialogue(connecting: network, port: 2526)
            try dialogue.send("PROXY \(header)")
            try dialogue.gets("220 ")
            try dialogue.say("EHLO client.example.org", gets: "250 ")
            #expect(try self.answer(dialogue) == "550 5.7.1 \(word)", "\(header)")
            try dialogue.quit()
        }
        withExtendedLifetime(relay) {}
    }

    @Test("By the name that a client asks for when TLS begins, with the connection or by STARTTLS")
    func serverNames() throws {
        let trial = try TLSTrial()
        let relay = try trial.relay(
            "tls: implicit", "tls: starttls",
            more: """
                routes:
                  - {server-names: [shop.flxw.de], reject: 550 5.7.1 shop}
                  - {server-names: "*.apps.flxw.de", reject: 550 5.7.1 apps}
                  - {recipients: "*", reject: 550 5.7.1 others}
                """)
        #expect(try trial.play("routes_by_name").contains("routed"))
        withExtendedLifetime(relay) {}
    }

    @Test("By the user who a client is, for as long as it is that user")
    func users() throws {
        let users = try RelayWorld.file("users", "anna:{PLAIN}secret\nbob:{PLAIN}secret\njörg:{PLAIN}secret\n")
        let network = try TestNetwork()
        let relay = try RelayUnderTest(
            in: network, listener: "auth: [plain, none], users: \(users)",
            """
            routes:
              - {users: [anna, jörg], reject: 550 5.7.1 anna}
              - {users: "*", reject: 550 5.7.1 somebody}
              - {recipients: "*", reject: 550 5.7.1 nobody}
            """)
        for (user, password, word) in [
            ("anna", "secret", "anna"), ("jörg", "secret", "anna"), ("bob", "secret", "somebody"),
            ("anna", "wrong", "nobody"),
        ] {
            let dialogue = try relay.greeted()
            #expect(try self.answer(dialogue) == "550 5.7.1 nobody")
            let reply = try dialogue.command("AUTH PLAIN \(AuthenticationTrial.plain(user, password))")
            #expect(reply.code == (password == "secret" ? 235 : 535))
            #expect(try self.answer(dialogue) == "550 5.7.1 \(word)", "\(user)")
            try dialogue.quit()
        }
    }

    @Test(
        "By expression; one that goes beyond its bounds costs its recipient 451, and the log a line that names the route"
    )
    func expressions() throws {
        let network = try TestNetwork()
        let backend = try ScriptedBackend(network)
        let relay = try RelayUnderTest(
            in: network,
            """
            routes:
              - {recipients: early.example, reject: 550 5.1.1 early}
              - {recipients: ["/^list-.*@flxw\\\\.de$/", "/^NEWS@/i"], backends: ["127.0.0.1:2525"]}
              - {recipients: "/^(q+)+$/", reject: 550 5.1.1 q}
              - {recipients: "*", reject: 550 5.1.1 nobody}
            """)
        let dialogue = try relay.greeted()
        let long = String(repeating: "q", count: 64)
        for (recipient, reply) in [
            ("list-a@FLXW.de", "250 "), ("\"list-b\"@flxw.de", "250 "), ("news@a.example", "250 "),
            ("\"list-c@flxw.de\"@other.example", "550 5.1.1 nobody"), ("list-d@flxw.de.example", "550 5.1.1 nobody"),
            ("\(long)@b.example", "451 4.3.5 "), ("\(long)@early.example", "550 5.1.1 early"),
            ("q@b.example", "550 5.1.1 nobody"),
        ] {
            #expect(try self.answer(dialogue, recipient).hasPrefix(reply), "\(recipient)")
        }
        let line = try relay.program.line { $0.contains(" route-undecided ") }
        #expect(line.contains("client=127.0.0.1:") && line.contains("route=routes[2]"), "\(line)")
        // A hundred of them are over in a moment, and nobody else waits.
        let began = ContinuousClock.now
        _ = try dialogue.command("MAIL FROM:<a@b.example>")
        for _ in 0..<100 { #expect(try dialogue.command("RCPT TO:<\(long)@b.example>").code == 451) }
        #expect(ContinuousClock.now - began < .seconds(10))
        #expect(try dialogue.command("RCPT TO:<list-x@flxw.de>").code == 250)
        try dialogue.quit()
        _ = backend.wait { $0.connections > 0 }
    }

    @Test("By a lookup of the route's own, which is asked about its recipients and about no others")
    func lookups() throws {
        let network = try TestNetwork()
        let one = try ScriptedBackend(network)
        let other = try ScriptedBackend(network, port: 2625)
        let general = try ScriptedLookup(network) { _ in ScriptedLookup.accepting }
        let own = try ScriptedLookup(network, port: 81) { request in
            request.value("Auth-SMTP-To")?.contains("denied") == true
                ? .fields(["Auth-Status: no such list", "Auth-Error-Code: 550 5.1.1", "Auth-Wait: 1"])
                : .fields(["Auth-Status: OK", "Auth-Server: 127.0.0.1", "Auth-Port: 2625"])
        }
        let relay = try RelayUnderTest(
            in: network,
            """
            routes:
              - {recipients: "/^list-/", lookup: {url: "http://127.0.0.1:81/lists"}}
            lookup: {url: "http://127.0.0.1/mail/auth"}
            """)
        let dialogue = try relay.greeted()
        #expect(try dialogue.message(to: "user@flxw.de").code == 250)
        #expect(try dialogue.message(to: "list-a@flxw.de").code == 250)
        #expect(try self.answer(dialogue, "list-denied@flxw.de").hasPrefix("550 5.1.1 no such list"))
        // Whatever the domain, what another lookup answers is another destination.
        _ = try dialogue.command("MAIL FROM:<a@b.example>")
        #expect(try dialogue.command("RCPT TO:<user@flxw.de>").code == 250)
        #expect(try dialogue.command("RCPT TO:<list-b@flxw.de>").is(452, "4.5.3"))
        #expect(try dialogue.command("RCPT TO:<more@flxw.de>").code == 250)
        try dialogue.quit()
        #expect(one.wait { $0.messages.count == 1 }.messages.map(\.forwardPaths) == [["RCPT TO:<user@flxw.de>"]])
        #expect(other.wait { $0.messages.count == 1 }.messages.map(\.forwardPaths) == [["RCPT TO:<list-a@flxw.de>"]])
        #expect(own.requests.read { $0.map(\.line) }.allSatisfy { $0.hasPrefix("GET /lists ") })
        #expect(own.requests.read { $0.count } == 3)
        #expect(general.requests.read { $0.count } == 3)
        withExtendedLifetime(relay) {}
    }

    @Test("A reload brings new routes and lookups to the transactions behind it")
    func reload() throws {
        let network = try TestNetwork()
        let backend = try ScriptedBackend(network)
        let lookup = try ScriptedLookup(network) { _ in ScriptedLookup.accepting }
        let relay = try RelayUnderTest(in: network, "routes:\n  - {recipients: \"/^old@/\", reject: 550 5.1.1 old}")
        let dialogue = try relay.greeted()
        #expect(try self.answer(dialogue, "old@flxw.de").hasPrefix("550 5.1.1 old"))
        try relay.rewrite {
            $0.replacing(
                "{recipients: \"/^old@/\", reject: 550 5.1.1 old}",
                with: "{clients: 127.0.0.0/8, lookup: {url: \"http://127.0.0.1/new\"}}")
        }
        relay.program.kill(SIGHUP)
        _ = try relay.program.line { $0.contains("reloaded") }
        #expect(try dialogue.message(to: "old@flxw.de").code == 250)
        try dialogue.quit()
        #expect(backend.wait { $0.messages.count == 1 }.messages.count == 1)
        #expect(lookup.requests.read { $0.map(\.line) }.first?.hasPrefix("GET /new ") == true)
    }
}
