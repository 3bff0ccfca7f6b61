import Foundation
import Testing

/// The lookup as somebody would misuse it: what a client says, what a server answers, and answers that lead back here.
@Suite("The lookup", .waits, .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct LookupEdgeCases {
    private static let names: Set<String> = [
        "host", "auth-method", "auth-user", "auth-pass", "auth-protocol", "auth-login-attempt", "client-ip",
        "client-host", "auth-smtp-helo", "auth-smtp-from", "auth-smtp-to",
    ]

    @Test("65: nothing that a client says, or its PTR record, forges a header of the lookup")
    func forgery() throws {
        for label in ["a\\r\\nX-Forged: 1", "a\\x00b", "\\xe9", "a\\nb"] {
            let trial = try RelayResolverTests.Trial(["\(RelayResolverTests.reverse)!label:\(label)"])
            if label.hasPrefix("a\\r") {
                let octets: [[UInt8]] = ["\r", "\n", "\0", "\u{0B}", "\u{85}", "\u{1C}"].map { latin1($0) }
                for poison in octets {
                    try Self.poison(trial, poison)
                }
            }
            let found = try trial.clientHost()
            #expect(found.header == "[TEMPUNAVAIL]")
            #expect(found.received.contains("(unknown [127.0.0.1])"), "\(found.received)")
            let requests = trial.lookup.requests.read { $0 }
            #expect(!requests.isEmpty)
            for request in requests {
                let names = request.fields.map { $0.prefix { $0 != ":" }.lowercased() }
                #expect(Set(names) == Self.names && names.count == Self.names.count, "\(request.fields)")
            }
        }
    }

    /// Says EHLO, MAIL and RCPT with these octets in each place; whatever becomes of it, the session is in step or over.
    private static func poison(_ trial: RelayResolverTests.Trial, _ poison: [UInt8]) throws {
        let forged = poison + latin1("X-Forged: 1")
        let commands: [[[UInt8]]] = [
            [latin1("EHLO a") + forged, latin1("MAIL FROM:<a@b.example>"), latin1("RCPT TO:<c@flxw.de>")],
            [
                latin1("EHLO a.example"), latin1("MAIL FROM:<a@b.example") + forged + latin1(">"),
                latin1("RCPT TO:<c@flxw.de>"),
            ],
            [latin1("EHLO a.example"), latin1("MAIL FROM:<a@b.example> X=") + forged, latin1("RCPT TO:<c@flxw.de>")],
            [
                latin1("EHLO a.example"), latin1("MAIL FROM:<a@b.example>"),
                latin1("RCPT TO:<c") + forged + latin1("@flxw.de>"),
            ],
            [
                latin1("EHLO a.example"), latin1("MAIL FROM:<a@b.example>"),
                latin1("RCPT TO:<\"c") + forged + latin1("\"@flxw.de>"),
            ],
        ]
        for lines in commands {
            let dialogue = try SMTPDialogue(trial.network, port: 2526)
            for line in lines {
                guard (try? dialogue.send(bytes: line + [0x0D, 0x0A])) != nil, (try? dialogue.reply()) != nil else {
                    break
                }
            }
        }
    }

    @Test("65: a lookup that gives no answer is 451 4.3.0 and never a refusal", .timeLimit(.minutes(3)))
    func noAnswer() throws {
        let trial = try RelayTrial(asking: true)
        let answers: [ScriptedLookup.Answer] = [
            .silence, .close, .raw("nonsense\r\n\r\n"), .raw("HTTP/1.1 200 OK\r\nAuth-Stat"), .raw("\0\0\0\r\n\r\n"),
            .raw("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"), .raw("HTTP/1.1 404 No\r\n\r\n550 no"),
            .raw("HTTP/1.1 200 OK\r\nX: " + String(repeating: "x", count: 1_000_000) + "\r\n\r\n"),
            .raw("HTTP/1.1 200 OK\r\n" + String(repeating: "X: y\r\n", count: 200_000) + "\r\n"),
            .fields(["Auth-Status: OK", "Auth-Server: 127.0.0.1", "Auth-Port: 99999"]),
        ]
        let dialogue = try trial.relay.greeted()
        try dialogue.say("MAIL FROM:<sender@example.org>", gets: "250 ")
        for answer in answers {
            trial.lookup?.give(answer)
            try dialogue.say("RCPT TO:<other@flxw.de>", gets: "451 4.3.0")
        }
        try dialogue.expectInStep()
        try dialogue.quit()
        try trial.expectUnharmed()
    }

    @Test("66: a refusal's code is of its class, its wait bounded, and its text one line")
    func refusals() throws {
        let trial = try RelayTrial(asking: true)
        let cases: [([String], String)] = [
            (["Auth-Status: no", "Auth-Error-Code: 550 5.1.1"], "550 5.1.1 no"),
            (["Auth-Status: no", "Auth-Error-Code: 450"], "450 4.0.0 no"),
            (["Auth-Status: no", "Auth-Error-Code: 451 4.7.1"], "451 4.7.1 no"),
            (["Auth-Status: no"], "535 5.7.0 no"),
            (["Auth-Status: no", "Auth-Error-Code: 250 2.0.0"], "535 5.7.0 no"),
            (["Auth-Status: no", "Auth-Error-Code: 354"], "535 5.7.0 no"),
            (["Auth-Status: no", "Auth-Error-Code: 550 4.7.1"], "535 5.7.0 no"),
            (["Auth-Status: no", "Auth-Error-Code: 550 5.7.1 x"], "535 5.7.0 no"),
            (["Auth-Status: no", "Auth-Error-Code: 999"], "535 5.7.0 no"),
            (["Auth-Status: no\t  250 OK", "Auth-Error-Code: 550"], "550 5.0.0 no 250 OK"),
            // A field over several lines is none for nginx, nor for RFC 9112 section 5.2, but the reply stays one line.
            (
                ["Auth-Status: no\r\n more\r\n\t250 OK", "Auth-Error-Code: 550"],
                "451 4.3.0 Recipient cannot be verified now, try again later"
            ),
        ]
        let dialogue = try trial.relay.greeted()
        try dialogue.say("MAIL FROM:<sender@example.org>", gets: "250 ")
        for (fields, expected) in cases {
            trial.lookup?.give(.fields(fields + ["Auth-Wait: 1"]))
            try dialogue.send("RCPT TO:<other@flxw.de>")
            try dialogue.getsExactly(expected)
        }
        try dialogue.expectInStep()
        // Whatever waits, no reply comes with it; and a wait that is none closes.
        for wait in ["0", "-1", "soon", ""] {
            trial.lookup?.give(.fields(["Auth-Status: no", "Auth-Wait: \(wait)"]))
            let other = try trial.relay.greeted()
            try other.say("MAIL FROM:<sender@example.org>", gets: "250 ")
            try other.say("RCPT TO:<other@flxw.de>", gets: "535 5.7.0 no")
            try other.expectClosed()
        }
        try dialogue.quit()
        try trial.expectUnharmed()
    }

    @Test("67: a lookup that leads back to the relay, at first hand or through another program, makes no loop")
    func loops() throws {
        let trial = try RelayTrial(asking: true)
        let asked = { trial.lookup?.requests.read { $0.count } ?? 0 }
        // Its own address, in each spelling.
        for server in ["127.0.0.1", "::ffff:127.0.0.1", "[::ffff:127.0.0.1]", "localhost", "0.0.0.0"] {
            trial.lookup?.give(.fields(["Auth-Status: OK", "Auth-Server: \(server)", "Auth-Port: 2526"]))
            let before = asked()
            let dialogue = try trial.relay.greeted()
            try dialogue.say("MAIL FROM:<sender@example.org>", gets: "250 ")
            try dialogue.say("RCPT TO:<other@flxw.de>", gets: "451 4.3.0")
            try dialogue.quit()
            #expect(asked() == before + 1, "\(server)")
        }
        // A program in between hides the address: the relay knows its own EHLO when it comes back.
        let forwarder = try Forwarder(trial.network, from: 2599, to: 2526)
        trial.lookup?.give(.fields(["Auth-Status: OK", "Auth-Server: 127.0.0.1", "Auth-Port: 2599"]))
        let before = asked()
        let dialogue = try trial.relay.greeted()
        try dialogue.say("MAIL FROM:<sender@example.org>", gets: "250 ")
        try dialogue.say("RCPT TO:<other@flxw.de>", gets: "554 5.4.6")
        try dialogue.quit()
        #expect(asked() == before + 1)
        forwarder.stop()
        // What neither has seen ends by the count of its Received fields (RFC 5321 section 6.3).
        trial.lookup?.give(ScriptedLookup.accepting)
        let last = try trial.relay.greeted()
        let fields = String(repeating: "Received: from a by b; now\r\n", count: 101)
        try last.deliver(fields + "Subject: x\r\n\r\nx", gets: "554 5.4.6")
        try last.quit()
        try trial.expectUnharmed()
    }
}

/// Passes connections on from one port to another, as a balancer does.
private final class Forwarder: Sendable {
    private let listener: Socket
    private let ends = Watched<[Socket]>([])

    init(_ network: TestNetwork, from: UInt16, to: UInt16) throws {
        self.listener = try network.listen(from)
        Thread.detachNewThread { [listener, ends] in
            while let near = listener.accept() {
                guard let far = try? network.connect(to) else { return near.interrupt() }
                ends.change { $0 += [near, far] }
                for (source, sink) in [(near, far), (far, near)] {
                    Thread.detachNewThread {
                        while let octets = try? source.receive(until: .now + .seconds(60)), !octets.isEmpty {
                            guard (try? sink.send(octets)) != nil else { break }
                        }
                        source.interrupt()
                        sink.interrupt()
                    }
                }
            }
        }
    }

    func stop() {
        self.listener.interrupt()
        self.ends.read { $0 }.forEach { $0.interrupt() }
        self.ends.change { $0 = [] }
    }
}
