import Foundation
import Testing

/// What the relay makes of the DNS: the names of clients, and of the servers that lookups name.
@Suite("The resolver", .waits, .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct RelayResolverTests {
    /// A relay that asks a DNS server on port 5300 about its clients, and a lookup on port 80 about its recipients.
    struct Trial {
        let network: TestNetwork
        let backend: ScriptedBackend
        let lookup: ScriptedLookup
        let server: RunningProgram
        let relay: RelayUnderTest

        init(
            _ zone: [String], timeout: String = "10s", _ more: String = "",
            _ answer: ScriptedLookup.Answer = ScriptedLookup.accepting
        ) throws {
            self.network = try TestNetwork()
            self.backend = try ScriptedBackend(self.network)
            self.lookup = try ScriptedLookup(self.network) { _ in answer }
            self.server = try Self.nameserver(self.network, zone)
            self.relay = try RelayUnderTest.asking(
                in: self.network, "resolver: {servers: [\"127.0.0.1:5300\"], timeout: \(timeout)}\n\(more)")
        }

        static func nameserver(_ network: TestNetwork, _ zone: [String]) throws -> RunningProgram {
            let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Mail")
            let program = try network.start(
                ["/usr/bin/python3", "-B", folder.appending(path: "nameserver.py").path, "5300"] + zone)
            _ = try program.line { $0 == "ready" }
            return program
        }

        /// What the lookup is told of a client, and the Received field that the backend gets.
        func clientHost() throws -> (header: String?, received: String) {
            let dialogue = try self.relay.greeted()
            #expect(try dialogue.message(to: "user@flxw.de").code == 250)
            try dialogue.quit()
            let messages = self.backend.wait { !$0.messages.isEmpty }.messages
            let wire = String(decoding: messages.last?.wire ?? [], as: UTF8.self)
            let received = wire.components(separatedBy: "\r\n").first ?? ""
            return (self.lookup.requests.read { $0.last?.value("Client-Host") }, received)
        }
    }

    static let reverse = "1.0.0.127.in-addr.arpa/PTR="

    static let cases: [(zone: [String], host: String)] = [
        (["\(reverse)client.example", "client.example/A=127.0.0.1"], "client.example"),
        (["\(reverse)client.example", "client.example/A=!truncated", "client.example/A=127.0.0.1"], "client.example"),
        (
            [
                "\(reverse)client.example", "client.example/A=!truncated", "client.example/A=!many:1000",
                "client.example/A=127.0.0.1",
            ], "client.example"
        ),
        ([], "[UNAVAILABLE]"),
        (["\(reverse)client.example"], "[UNAVAILABLE]"),
        (["\(reverse)client.example", "client.example/A=192.0.2.1"], "[UNAVAILABLE]"),
        (["\(reverse)!servfail"], "[TEMPUNAVAIL]"),
        (["\(reverse)client.example", "client.example/A=!servfail"], "[TEMPUNAVAIL]"),
        (["\(reverse)a_b.example", "a_b.example/A=127.0.0.1"], "[TEMPUNAVAIL]"),
    ]

    @Test("The lookup and Received have the client's name, as nginx has it", arguments: cases.indices)
    func names(_ index: Int) throws {
        let (zone, expected) = Self.cases[index]
        let trial = try Trial(zone)
        let found = try trial.clientHost()
        #expect(found.header == expected)
        let name = expected.hasPrefix("[") ? "unknown" : expected
        #expect(found.received.contains("(\(name) [127.0.0.1])"), "\(found.received)")
    }

    @Test(
        "A DNS server that says nothing, or with another identifier: the greeting waits for its time, and no longer",
        arguments: ["!silent", "!wrong-id"])
    func silent(_ trouble: String) throws {
        let zone = ["\(Self.reverse)\(trouble)", "\(Self.reverse)client.example"]
        let trial = try Trial(zone, timeout: "2s")
        let began = ContinuousClock.now
        let found = try trial.clientHost()
        #expect(found.header == "[TEMPUNAVAIL]")
        // (The harness's own wait for the port was the first client.)
        #expect(ContinuousClock.now - began > .seconds(1))
        #expect(ContinuousClock.now - began < .seconds(30))
    }

    @Test("A DNS server that is not there costs the client nothing but its name")
    func down() throws {
        let trial = try Trial([], timeout: "2s")
        trial.server.kill(SIGKILL)
        #expect(try trial.clientHost().header == "[TEMPUNAVAIL]")
    }

    @Test("What a client sends before the greeting is not lost, and a client that leaves costs nothing")
    func early() throws {
        let trial = try Trial(["\(Self.reverse)!silent"], timeout: "2s", "message: {received: off}")
        let idle = trial.relay.excess(within: .seconds(10)) { trial.relay.descriptorsWhenReady }
        for _ in 0..<20 {
            let client = try trial.network.connect(2526)
            client.interrupt()
        }
        let dialogue = try SMTPDialogue(connecting: trial.network, port: 2526)
        try dialogue.send("EHLO early.example")
        #expect(try dialogue.reply().code == 220)
        #expect(try dialogue.reply().code == 250)
        try dialogue.quit()
        let left = trial.relay.excess(within: .seconds(10)) { trial.relay.descriptorsWhenReady }
        #expect(left <= idle, "\(trial.relay.descriptorKinds)")
    }

    @Test("A relay that drains tells a client that still waits for its greeting")
    func draining() throws {
        let trial = try Trial(["\(Self.reverse)!silent"], timeout: "1m")
        let dialogue = try SMTPDialogue(connecting: trial.network, port: 2526)
        _ = try trial.server.line { $0.contains("in-addr.arpa/PTR") }
        trial.relay.program.kill(SIGTERM)
        #expect(try dialogue.reply().is(421, "4.3.2"))
        #expect(try dialogue.isClosed())
        #expect(try trial.relay.program.exitStatus(within: .seconds(20)) == 0)
    }

    @Test("A server that the lookup names is resolved; without an address it is 451")
    func namedServer() throws {
        let named = ScriptedLookup.Answer.fields(["Auth-Status: OK", "Auth-Server: app.example", "Auth-Port: 2525"])
        let trial = try Trial(["app.example/A=127.0.0.1"], "", named)
        let dialogue = try trial.relay.greeted()
        #expect(try dialogue.message(to: "user@flxw.de").code == 250)
        trial.lookup.give(.fields(["Auth-Status: OK", "Auth-Server: none.example", "Auth-Port: 2525"]))
        #expect(try dialogue.command("MAIL FROM:<sender@example.org>").code == 250)
        #expect(try dialogue.command("RCPT TO:<user@flxw.de>").is(451, "4.3.0"))
        try dialogue.quit()
    }

    @Test("A server that lookup.allow does not have is 451 4.3.0, by address and by name")
    func notAllowed() throws {
        let network = try TestNetwork()
        let backend = try ScriptedBackend(network)
        let lookup = try ScriptedLookup(network) { request in
            request.value("Auth-SMTP-To")?.contains("good") == true
                ? ScriptedLookup.accepting
                : .fields(["Auth-Status: OK", "Auth-Server: 127.0.0.2", "Auth-Port: 2525"])
        }
        let relay = try RelayUnderTest(
            in: network,
            """
            lookup:
              urls: ["http://127.0.0.1:81/mail/auth", "http://127.0.0.1/mail/auth"]
              more-headers: on
              allow: [127.0.0.1]
            """)
        let dialogue = try relay.greeted()
        #expect(try dialogue.command("MAIL FROM:<sender@example.org>").code == 250)
        #expect(try dialogue.command("RCPT TO:<bad@flxw.de>").is(451, "4.3.0"))
        #expect(try dialogue.command("RCPT TO:<good@flxw.de>").code == 250)
        try dialogue.quit()
        let request = try #require(lookup.requests.read { $0.last })
        #expect(request.value("Auth-SMTP-From-Address") == "sender@example.org")
        #expect(request.value("Auth-SMTP-To-Address") == "good@flxw.de")
        #expect(request.value("Client-Port").flatMap(Int.init) != nil)
        withExtendedLifetime(backend) {}
    }
}
