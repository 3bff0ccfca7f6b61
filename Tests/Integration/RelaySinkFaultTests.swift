import Foundation
import Glibc
import Testing

/// Postfix's smtp-sink as a backend that refuses, drops, delays and lacks whatever its options let it.
@Suite("smtp-sink's faults", .waits, .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct RelaySinkFaultTests {
    /// The command whose reply tells the client.
    enum Step: Sendable { case rcpt, data, dot }

    struct Fault: Sendable, CustomTestStringConvertible {
        let options: String
        let at: Step
        /// The reply begins so.
        let expected: String
        var testDescription: String { "smtp-sink \(self.options): \(self.expected) at \(self.at)" }

        init(_ options: String, _ step: Step, _ expected: String) {
            (self.options, self.at, self.expected) = (options, step, expected)
        }
    }

    private static let taken = "250 2.0.0 Ok"

    static let faults: [Fault] = [
        // A hard refusal is the backend's own, once it is about this mail; a greeting is about none.
        Fault("-f CONNECT", .rcpt, "451 4."),
        Fault("-f EHLO", .dot, taken),
        Fault("-f EHLO,HELO", .rcpt, "451 4."),
        Fault("-f MAIL", .rcpt, "500 5.3.0 Error: command failed"),
        Fault("-f RCPT", .rcpt, "500 5.3.0 Error: command failed"),
        Fault("-f DATA", .data, "500 5.3.0 Error: command failed"),
        Fault("-f .", .dot, "500 5.3.0 Error: command failed"),
        Fault("-f RSET", .dot, taken),
        Fault("-f NOOP", .dot, taken),
        Fault("-f QUIT", .dot, taken),
        Fault("-B 552_5.2.2_full -f RCPT", .rcpt, "552 5.2.2 full"),
        // A soft one, too.
        Fault("-r CONNECT", .rcpt, "451 4."),
        Fault("-r EHLO", .rcpt, "451 4."),
        Fault("-r MAIL", .rcpt, "450 4.3.0 Error: command failed"),
        Fault("-r RCPT", .rcpt, "450 4.3.0 Error: command failed"),
        Fault("-r DATA", .data, "450 4.3.0 Error: command failed"),
        Fault("-r .", .dot, "450 4.3.0 Error: command failed"),
        Fault("-r RSET", .dot, taken),
        Fault("-r NOOP", .dot, taken),
        Fault("-r QUIT", .dot, taken),
        Fault("-b 452_4.2.2_full -r RCPT", .rcpt, "452 4.2.2 full"),
        // Disconnected without a word.
        Fault("-q CONNECT", .rcpt, "451 4.4."),
        Fault("-q EHLO", .rcpt, "451 4.4."),
        Fault("-q MAIL", .rcpt, "451 4.4."),
        Fault("-q RCPT", .rcpt, "451 4.4."),
        Fault("-q DATA", .data, "451 4.4."),
        Fault("-q .", .dot, "451 4.4.2"),
        Fault("-q RSET", .dot, taken),
        Fault("-q NOOP", .dot, taken),
        Fault("-q QUIT", .dot, taken),
        // Disconnected with 421.
        Fault("-Q CONNECT", .rcpt, "451 4."),
        Fault("-Q EHLO", .rcpt, "451 4."),
        Fault("-Q MAIL", .rcpt, "451 4."),
        Fault("-Q RCPT", .rcpt, "451 4."),
        Fault("-Q DATA", .data, "451 4."),
        Fault("-Q .", .dot, "451 4."),
        Fault("-Q RSET", .dot, taken),
        Fault("-Q NOOP", .dot, taken),
        Fault("-Q QUIT", .dot, taken),
        // Refused while the message is still on its way.
        Fault("-A 0", .dot, "550 "),
        // What it does not announce is done without.
        Fault("-p", .dot, taken),
        Fault("-e", .dot, "250 2.0.0 Ok"),
        Fault("-8", .dot, taken),
        Fault("-E", .dot, "250 "),
        Fault("-N -a -C -F", .dot, taken),
        Fault("-P", .dot, "250 "),
        Fault("-e -p -8 -E", .dot, "250 "),
        // One connection at a time; one that is over after a message.
        Fault("-m 1", .dot, taken),
        // Late, but in time; and too late.
        Fault("-w 1", .dot, taken),
        Fault("-H 1", .dot, taken),
        Fault("-W CONNECT:1", .dot, taken),
        Fault("-W EHLO:1", .dot, taken),
        // (It answers late, and has forgotten what.)
        Fault("-W MAIL:1", .rcpt, "503 5.5.1 Error: need MAIL command"),
        Fault("-W RCPT:1", .dot, taken),
        Fault("-W .:1", .dot, taken),
        Fault("-W CONNECT:30", .rcpt, "451 4.4."),
        Fault("-W EHLO:30", .rcpt, "451 4.4."),
        Fault("-W MAIL:30", .rcpt, "451 4.4."),
        Fault("-W RCPT:30", .rcpt, "451 4.4."),
        Fault("-w 30", .data, "451 4.4."),
        Fault("-W .:30", .dot, "451 4.4.2"),
        // A narrow window.
        Fault("-T 1000", .dot, taken),
    ]

    @Test("is told to the client as what it is, and the next message passes", arguments: faults)
    func told(_ fault: Fault) throws {
        var trial = try RelayTrial("timeouts: \(RelayUnderTest.hasty)")
        trial.backend.stop()
        let options = fault.options.split(separator: " ").map { String($0).replacingOccurrences(of: "_", with: " ") }
        let sink = try trial.network.start(
            ["smtp-sink", "-c", "-u", "postern-app"] + options + ["127.0.0.1:2525", "99"])
        try trial.network.waitForPort(2525, of: sink)
        let dialogue = try trial.relay.greeted()
        // Twice: the second time a connection may have been kept. (Not where each time takes as long as a timeout.)
        for _ in 1...(fault.options.contains("30") ? 1 : 2) {
            #expect(try dialogue.command("MAIL FROM:<sender@example.org>").code == 250)
            var reply = try dialogue.command("RCPT TO:<user@flxw.de>")
            if fault.at != .rcpt {
                try #require(reply.code / 100 == 2, "\(dialogue.failure("RCPT was refused"))")
                reply = try dialogue.command("DATA")
            }
            if fault.at == .dot {
                try #require(reply.code == 354, "\(dialogue.failure("DATA was refused"))")
                let line = String(repeating: "x", count: 998) + "\r\n"
                reply = try dialogue.content("Subject: fault\r\n\r\n" + String(repeating: line, count: 200) + "end")
            }
            #expect(reply.text.hasPrefix(fault.expected), "\(dialogue.failure("not “\(fault.expected)…”"))")
            #expect(try dialogue.command("RSET").code == 250)
        }
        try dialogue.quit()
        sink.kill(SIGKILL)
        _ = try sink.exitStatus()
        try trial.replaceBackend()
        try trial.expectUnharmed()
    }

    @Test("a sink that ends at a message's end is 451 4.4.2, and 451 4.4.1 from then on")
    func ends() throws {
        var trial = try RelayTrial("timeouts: \(RelayUnderTest.hasty)")
        trial.backend.stop()
        let sink = try trial.network.start(["smtp-sink", "-M", "1", "-u", "postern-app", "127.0.0.1:2525", "99"])
        try trial.network.waitForPort(2525, of: sink)
        let dialogue = try trial.relay.greeted()
        // (-M 1: it takes the message and ends without a reply. Whether it has it nobody knows.)
        let first = try dialogue.message(to: "user@flxw.de")
        #expect(first.is(451, "4.4.2"), "\(first)")
        #expect(try sink.exitStatus() == 0)
        #expect(try dialogue.command("MAIL FROM:<sender@example.org>").code == 250)
        let reply = try dialogue.command("RCPT TO:<user@flxw.de>")
        #expect(reply.is(451, "4.4.1"), "\(reply)")
        try dialogue.quit()
        try trial.replaceBackend()
        try trial.expectUnharmed()
    }
}
