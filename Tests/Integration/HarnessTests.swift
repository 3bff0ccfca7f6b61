import Foundation
import Testing

/// The tools of the other suites, against nginx and against each other: a test that cannot fail proves nothing.
@Suite("The harness", .works, .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct HarnessTests {
    @Test("it sees the loose ends that nginx lets through")
    func looseEnds() throws {
        let network = try TestNetwork()
        let backend = try ScriptedBackend(network)
        let lookup = try Peers.nginxLookup(in: network, status: "OK")
        let relay = try Peers.nginxMail(in: network)
        let dialogue = try SMTPDialogue.greeted(network, port: 25)
        for line in ["MAIL FROM:<a@example.org>", "RCPT TO:<b@flxw.de>", "DATA"] {
            #expect(try dialogue.command(line).code < 400)
        }
        #expect(try dialogue.content("Subject: x\r\n\r\ntext\n.\nmore").code == 250)
        let message = backend.wait { $0.messages.count == 1 }.messages.first
        #expect(message?.looseEnds == ["a dot alone", "a bare LF at 18", "a bare LF at 20"])
        #expect(message?.content == "Subject: x\r\n\r\ntext\n.\nmore")
        withExtendedLifetime((lookup, relay)) {}
    }

    @Test("it sees a message cut off, and a connection that stays")
    func truncated() throws {
        let network = try TestNetwork()
        let backend = try ScriptedBackend(network)
        func leave() throws {
            let dialogue = try SMTPDialogue.greeted(network, port: 2525)
            for line in ["MAIL FROM:<a@example.org>", "RCPT TO:<b@flxw.de>", "DATA"] {
                #expect(try dialogue.command(line).code < 400)
            }
            try dialogue.send("Subject: half")
            #expect(backend.record.read { $0.open } == 1)
        }
        try leave()
        let record = backend.wait { $0.truncated == 1 && $0.open == 0 }
        #expect(record.truncated == 1 && record.open == 0 && record.messages.isEmpty)
    }

    @Test("a backend that was stopped refuses, and another can take its place")
    func replaced() throws {
        let network = try TestNetwork()
        let backend = try ScriptedBackend(network)
        let dialogue = try SMTPDialogue.greeted(network, port: 2525)
        backend.stop()
        #expect(try dialogue.isClosed())
        #expect(throws: HarnessError.self) { try network.connect(2525) }
        let other = try ScriptedBackend(network, .init(greeting: .say("220 other")))
        #expect(try SMTPDialogue.greeted(network, port: 2525).message(to: "b@flxw.de").code == 250)
        #expect(other.record.read { $0.messages.count } == 1)
        withExtendedLifetime(backend) {}
    }

    @Test("programs: what they print, how they end, and that they end with the test")
    func programs() throws {
        let program = try RunningProgram(
            ["sh", "-c", "echo out; echo err >&2; read line; echo \"$line\"; exit 7"], input: true)
        #expect(try program.line { $0 == "err" } == "err")
        try program.input?.write(contentsOf: Data("said\n".utf8))
        #expect(try program.exitStatus() == 7)
        #expect(program.text == "out\nerr\nsaid")
        #expect(throws: HarnessError.self) { try program.line { $0 == "never" } }
        #expect(throws: HarnessError.self) { try RunningProgram(["sleep", "60"]).exitStatus(within: .seconds(1)) }
        #expect(throws: HarnessError.self) { try RunningProgram(["no-such-program"]) }
    }

    @Test("a lookup that says nothing leaves nginx waiting, and one that is closed is 451")
    func lookups() throws {
        let network = try TestNetwork()
        let lookup = try ScriptedLookup(network) { _ in .close }
        let relay = try Peers.nginxMail(in: network)
        let dialogue = try SMTPDialogue.greeted(network, port: 25)
        #expect(try dialogue.command("MAIL FROM:<a@example.org>").code == 250)
        #expect(try dialogue.command("RCPT TO:<b@flxw.de>").text == "451 4.3.2 Internal server error")
        #expect(try dialogue.isClosed())
        #expect(lookup.requests.read { $0.first?.value("Auth-SMTP-To") } == "RCPT TO:<b@flxw.de>")
        withExtendedLifetime(relay) {}
    }
}

/// Outside every gate: in a world a suite that skips itself for want of peers is a mistake of the scripts'.
@Test("a world comes with its peers")
func worldHasPeers() {
    #expect(FileManager.default.fileExists(atPath: RelayWorld.folder) == RelayWorld.isHere)
}
