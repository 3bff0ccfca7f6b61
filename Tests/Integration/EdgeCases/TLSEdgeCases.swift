import Foundation
import Testing

/// Section G of the list: TLS, with openssl's and Python's clients.
@Suite("TLS, case by case", .works, .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct TLSEdgeCases {
    @Test("54: what comes in clear behind STARTTLS is thrown away and told of, on both legs")
    func injection() throws {
        let trial = try TLSTrial()
        let backend = try trial.backend("injecting mail", port: 2525)
        let relay = try trial.relay(
            "tls: starttls", "tls: starttls, pipelining: tolerant",
            more: """
                routes:
                  - {recipients: "*", backends: ["127.0.0.1:2525"], tls: {mode: starttls, verify: off}}
                """)
        try trial.play("injects_strictly")
        _ = try relay.program.line { $0.contains(" starttls-injection client=127.0.0.1:") && $0.hasSuffix("count=1") }
        try trial.play("injects_tolerated", port: 2527)
        _ = try relay.program.line { $0.contains(" starttls-injection client=127.0.0.1:") && $0.hasSuffix("count=2") }
        #expect(try trial.play("sends", "b@flxw.de").contains("451 4.7.5"))
        _ = try relay.program.line { $0.contains(" starttls-injection backend=127.0.0.1:2525 count=3") }
        #expect(!backend.text.contains("message"))
    }

    @Test("55: STARTTLS makes all forgotten that was said in clear, and is served once, alone, outside of transactions")
    func forgotten() throws {
        let trial = try TLSTrial()
        let backend = try ScriptedBackend(trial.network)
        let relay = try trial.relay("tls: starttls")
        try trial.play("forgets")
        let message = try #require(backend.wait { !$0.messages.isEmpty }.messages.first)
        let trace = String(decoding: message.wire.prefix(400), as: UTF8.self)
        #expect(trace.contains("with ESMTPS (TLSv1.3 TLS_AES_"), "\(trace)")
        #expect(relay.program.isRunning)
    }

    @Test("56: a handshake that fails ends the connection without a word in clear; 454 where TLS is not to be had")
    func failures() throws {
        let trial = try TLSTrial()
        let backend = try ScriptedBackend(trial.network)
        let relay = try trial.relay("tls: starttls")
        try trial.play("fails")
        for reason in ["\"no TLS handshake\"", "\"the client left\"", "UNSUPPORTED_PROTOCOL"] {
            _ = try relay.program.line { $0.contains(" tls-failed client=") && $0.contains(reason) }
        }
        // A reload takes TLS away from a session that was told of it.
        let client = try trial.network.start(trial.command("unavailable", 2526, trial.folder), input: true)
        _ = try client.line { $0 == "ready" }
        try relay.rewrite { $0.replacing("tls: starttls}", with: "tls: none}") }
        relay.program.kill(SIGHUP)
        _ = try relay.program.line { $0.contains(" reloaded ") }
        client.input?.write(Data("go on\n".utf8))
        #expect(try client.exitStatus() == 0, "\(client.text)")
        _ = backend.wait { !$0.messages.isEmpty }
    }

    @Test("57: TLS 1.2 and 1.3, resumed, never renegotiated; a close is announced, and a cut ends the message")
    func versions() throws {
        let trial = try TLSTrial()
        let backend = try ScriptedBackend(trial.network)
        let relay = try trial.relay("tls: starttls", "tls: implicit")
        let text = try trial.play("versions")
        #expect(text.contains("TLSv1.2 resumed") && text.contains("TLSv1.3 resumed"))
        try trial.play("truncates", port: 2527)
        let record = backend.wait { $0.truncated == 3 && $0.open == 0 }
        #expect(record.truncated == 3 && record.messages.isEmpty)
        // Who only says that nothing more will come is told what became of the message.
        for _ in 0..<5 { try trial.play("half_closes", port: 2527) }
        #expect(backend.wait { $0.messages.count == 5 }.messages.count == 5)
        #expect(relay.program.isRunning)
    }

    @Test(
        "58: the certificate is chosen by SNI, the first where it names none of ours; ALPN has \"smtp\" in it or ends it"
    )
    func names() throws {
        let trial = try TLSTrial()
        let relay = try trial.relay("tls: implicit")
        try trial.play("chooses")
        _ = try relay.program.line { $0.contains(" tls-failed ") && $0.contains("no application protocol in common") }
    }

    @Test("59: where TLS is required all but NOOP, EHLO, STARTTLS and QUIT is 530 before it")
    func required() throws {
        let trial = try TLSTrial()
        let backend = try ScriptedBackend(trial.network)
        let relay = try trial.relay("tls: required")
        try trial.play("required")
        #expect(backend.wait { $0.messages.count == 1 }.messages.count == 1)
        #expect(relay.program.isRunning)
    }

    @Test("60: a PROXY header comes first, then TLS, however they are cut; LOCAL leaves the address")
    func proxied() throws {
        let trial = try TLSTrial()
        let backend = try ScriptedBackend(trial.network)
        let relay = try trial.relay(
            "tls: implicit, proxy-protocol: on", more: "proxies: [127.0.0.1]\n" + TLSTrial.everybody)
        try trial.play("proxied")
        let traces = backend.wait { $0.messages.count == 9 }.messages.map {
            String(decoding: $0.wire.prefix(300), as: UTF8.self)
        }
        #expect(traces.count == 9 && traces.allSatisfy { $0.contains("with ESMTPS (TLSv1.3 ") }, "\(traces)")
        #expect(traces.prefix(6).allSatisfy { $0.contains("[192.0.2.42]") })
        #expect(traces.suffix(3).allSatisfy { $0.contains("[127.0.0.1]") })
        _ = try relay.program.line { $0.contains(" proxy-refused proxy=127.0.0.1:") }
    }

    @Test("60: a PROXY header from who is none of proxies is dropped in front of TLS")
    func proxiedByStranger() throws {
        let trial = try TLSTrial()
        let relay = try trial.relay(
            "tls: implicit, proxy-protocol: on", more: "proxies: [10.0.0.0/8]\n" + TLSTrial.everybody)
        try trial.play("stranger")
        _ = try relay.program.line { $0.contains(" proxy-refused ") && $0.contains("none of proxies") }
    }

    @Test("61: a client's certificate is asked for, and a bad one breaks no mail where it is not needed")
    func certificates() throws {
        let trial = try TLSTrial()
        let backend = try ScriptedBackend(trial.network)
        let relay = try trial.relay(
            "tls: implicit", "tls: implicit, client-certificates: on", "tls: implicit, client-certificates: optional",
            "tls: implicit, client-certificates: optional-no-ca")
        try trial.play("certificates")
        for reason in ["=NONE", "certificate has expired", "self-signed certificate"] {
            _ = try relay.program.line { $0.contains(" client-certificate-refused ") && $0.contains(reason) }
        }
        #expect(backend.record.read { $0.messages.count } == 22)
    }
}
