import Foundation
import Testing

/// Clients behind a proxy, and what else a listener may ask of who connects.
@Suite("Listeners", .works, .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct RelayProxyTests {
    private static let header = "PROXY TCP4 192.0.2.42 198.51.100.1 50000 25\r\n"

    private func asking(_ network: TestNetwork, proxies: String = "[127.0.0.1]") throws -> RelayUnderTest {
        try RelayUnderTest(
            in: network, listener: "proxy-protocol: on",
            """
            proxies: \(proxies)
            lookup: {url: "http://127.0.0.1/mail/auth", identity: proxy-v1}
            timeouts: {proxy-header: 2s}
            """)
    }

    @Test("The header comes before the greeting, cut anywhere; the client's address is the one in it, everywhere")
    func told() throws {
        let network = try TestNetwork()
        var script = ScriptedBackend.Script()
        script.others["PROXY"] = .pause(.zero)
        let backend = try ScriptedBackend(network, script)
        let lookup = try ScriptedLookup(network) { _ in ScriptedLookup.accepting }
        let relay = try self.asking(network)
        let dialogue = try SMTPDialogue(connecting: network, port: 2526)
        for part in [Self.header.prefix(1), Self.header.dropFirst().prefix(20), Self.header.dropFirst(21)] {
            try dialogue.send(bytes: Array(part.utf8))
            Thread.sleep(forTimeInterval: 0.05)  // (so that the parts travel apart)
        }
        try dialogue.gets("220 ")
        try dialogue.say("EHLO client.example.org", gets: "250 ")
        #expect(try dialogue.message(to: "user@a.example").code == 250)
        try dialogue.quit()
        let request = try #require(lookup.requests.read { $0.first })
        #expect(
            request.fields.filter { $0.hasPrefix("Client-") || $0.hasPrefix("Proxy-") } == [
                "Client-IP: 192.0.2.42", "Client-Host: [UNAVAILABLE]", "Proxy-Protocol-Addr: 192.0.2.42",
                "Proxy-Protocol-Port: 50000", "Proxy-Protocol-Server-Addr: 198.51.100.1",
                "Proxy-Protocol-Server-Port: 25",
            ])
        let session = backend.wait { $0.messages.count == 1 }.mailSessions.first
        #expect(session?.first == "PROXY TCP4 192.0.2.42 198.51.100.1 50000 25")
        _ = try relay.program.line { $0.contains(" delivered ") && $0.contains(" client=192.0.2.42:50000 ") }
    }

    static let broken = ["EHLO x\r\n", "PROXY TCP4 nonsense\r\n", "PROXY TCP4 192.0.2.42 198.51.100.1 50000 25\n"]

    @Test("What is no header, or does not come, ends the connection without a word", arguments: broken + [""])
    func refused(_ text: String) throws {
        let network = try TestNetwork()
        let relay = try self.asking(network)
        let dialogue = try SMTPDialogue(connecting: network, port: 2526)
        if !text.isEmpty { try dialogue.send(bytes: Array(text.utf8)) }
        try dialogue.expectClosed()
        _ = try relay.program.line { $0.contains(" proxy-refused proxy=127.0.0.1:") }
    }

    @Test("A header from who is no proxy ends the connection without a word")
    func stranger() throws {
        let network = try TestNetwork()
        let relay = try self.asking(network, proxies: "[10.0.0.0/8]")
        let dialogue = try SMTPDialogue(connecting: network, port: 2526)
        try? dialogue.send(bytes: Array(Self.header.utf8))
        #expect((try? dialogue.isClosed()) != false)
        _ = try relay.program.line { $0.contains(" proxy-refused proxy=127.0.0.1:") && $0.contains("none of proxies") }
    }

    @Test("A proxy's own connection, and one that it cannot tell about, have the proxy's address")
    func local() throws {
        let network = try TestNetwork()
        let backend = try ScriptedBackend(network)
        let relay = try RelayUnderTest(
            in: network, listener: "proxy-protocol: on",
            """
            proxies: [127.0.0.1]
            routes: [{recipients: "*", backends: ["127.0.0.1:2525"]}]
            """)
        let local: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10, 0x20, 0, 0, 0]
        for header in [local, Array("PROXY UNKNOWN\r\n".utf8)] {
            let dialogue = try SMTPDialogue(connecting: network, port: 2526)
            try dialogue.send(bytes: header)
            try dialogue.gets("220 ")
            try dialogue.say("EHLO client.example.org", gets: "250 ")
            #expect(try dialogue.message(to: "user@a.example").code == 250)
            try dialogue.quit()
        }
        let messages = backend.wait { $0.messages.count == 2 }.messages
        #expect(messages.allSatisfy { String(decoding: $0.wire, as: UTF8.self).contains("[127.0.0.1]") })
        withExtendedLifetime(relay) {}
    }

    @Test("A greeting that waits: who talks first gets 503, and others their greeting")
    func greetingDelay() throws {
        let network = try TestNetwork()
        let relay = try RelayUnderTest(
            in: network, listener: "greeting-delay: 1s, name: mx2.example.org",
            "routes: [{recipients: \"*\", backends: [\"127.0.0.1:2525\"]}]")
        let early = try SMTPDialogue(connecting: network, port: 2526)
        try early.send("EHLO client.example.org")
        try early.getsExactly("503 5.5.0 Improper use of SMTP command pipelining")
        try early.expectClosed()
        _ = try relay.program.line { $0.contains(" early-input ") }
        let began = ContinuousClock.now
        let patient = try SMTPDialogue(connecting: network, port: 2526)
        try patient.getsExactly("220 mx2.example.org ESMTP ready")
        #expect(ContinuousClock.now - began > .milliseconds(900))
        #expect(try patient.command("EHLO client.example.org").keywords.first == "mx2.example.org")
    }

    @Test("A listener has the backlog, the family and the keep-alive that it was told to have")
    func sockets() throws {
        let network = try TestNetwork()
        let relay = try RelayUnderTest(
            in: network, listener: "backlog: 7, keepalive: {idle: 1h, interval: 5s, probes: 3}, receive-buffer: 32KiB",
            "routes: [{recipients: \"*\", backends: [\"127.0.0.1:2525\"]}]")
        let listening = try network.run(["ss", "-Hltn", "sport", "=", "2526"]).text
        let words = listening.split(separator: " ")
        #expect(words.count > 3 && words[2] == "7", "\(listening)")
        let dialogue = try relay.greeted()
        // (The timer is another one for as long as the kernel waits for the last acknowledgement.)
        var connected = ""
        let deadline = ContinuousClock.now + .seconds(20)
        while !connected.contains("timer:(keepalive,59min"), ContinuousClock.now < deadline {
            connected = try network.run(["ss", "-Htnoim", "sport", "=", "2526"]).text
        }
        #expect(connected.contains("timer:(keepalive,59min"), "\(connected)")
        #expect(connected.contains("rb65536"), "\(connected)")
        try dialogue.quit()
    }
}
