import Glibc
import Testing

/// The relay's admin socket, and postern-admin, which answers other proxies from it.
@Suite("The admin socket", .works, .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct AdminTests {
    private static let routes = """
        groups:
          app: {backends: ["127.0.0.1:2525"]}
          names: {backends: ["localhost:2525"]}
          local: {backends: ["unix:/run/nobody.sock"]}
        routes:
          - {recipients: ["gone@flxw.de"], reject: "550 5.1.6 Moved away"}
          - {recipients: [flxw.de], group: app}
          - {recipients: [names.example], group: names}
          - {recipients: [local.example], group: local}
        """

    /// Asks a relay's admin socket as a user, with everything sent at once; what it answers until it closes, or for a while.
    private func ask(_ relay: RelayUnderTest, as user: String = "postern-admin", _ octets: String) throws -> String {
        let script = """
            import socket, sys
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(20)
            connection.connect(sys.argv[1])
            try:
                connection.sendall(sys.argv[2].encode("latin-1").decode("unicode_escape").encode("latin-1") * int(sys.argv[3]))
                connection.shutdown(socket.SHUT_WR)
            except (BrokenPipeError, ConnectionResetError, OSError):
                pass
            answer = b""
            try:
                while octets := connection.recv(65536):
                    answer += octets
            except ConnectionResetError:
                pass
            sys.stdout.write(answer.decode())
            """
        let parts = octets.split(separator: "*", maxSplits: 1, omittingEmptySubsequences: false)
        let (count, text) = parts.count == 2 ? (String(parts[0]), String(parts[1])) : ("1", octets)
        let program = try relay.network.start(
            ["python3", "-I", "-c", script, relay.adminSocket, text, count], as: user)
        _ = try program.exitStatus(within: .seconds(60))
        return program.text
    }

    private func admin(for relay: RelayUnderTest) throws -> RunningProgram {
        let program = try relay.network.start(
            [RelayWorld.programs + "/postern-admin", "--socket", relay.adminSocket], as: "postern-admin")
        try relay.network.waitForPort(8025, of: program)
        return program
    }

    @Test("the socket answers by the route table, in order, and survives questions that make no sense")
    func questions() throws {
        let network = try TestNetwork()
        let relay = try RelayUnderTest(in: network, Self.routes)
        func route(_ recipient: String) throws -> String {
            try self.ask(relay, #"{"command":"route","recipient":"\#(recipient)"}\n"#)
        }
        #expect(
            try route("RCPT TO:<user@flxw.de> NOTIFY=NEVER")
                == #"{"route":{"backend":"127.0.0.1:2525","group":"app","verdict":"forward"}}"#)
        #expect(
            try route("RCPT TO:<gone@flxw.de>")
                == #"{"route":{"enhancedCode":"5.1.6","replyCode":550,"text":"Moved away","verdict":"refuse"}}"#)
        #expect(try route("RCPT TO:<user@elsewhere.example>").contains(#""replyCode":550"#))
        #expect(try route("RCPT TO:<<>").contains(#""verdict":"refuse""#))
        #expect(try route("DATA") == #"{"error":"not a RCPT command"}"#)
        #expect(try self.ask(relay, #"{"command":"dance"}\n"#) == #"{"error":"unknown command \"dance\""}"#)
        #expect(try self.ask(relay, #"{"command":"route"}\n"#) == #"{"error":"\"recipient\" is missing"}"#)
        #expect(try self.ask(relay, #"nonsense\n\n{\n"#).split(separator: "\n").count == 3)
        #expect(try self.ask(relay, #"\xff\x00\n"#) == #"{"error":"not a question in JSON"}"#)
        let many = try self.ask(relay, #"1000*{"command":"route","recipient":"RCPT TO:<user@flxw.de>"}\n"#)
        #expect(many.split(separator: "\n").count { $0.contains("127.0.0.1:2525") } == 1000)
        #expect(try self.ask(relay, "9000*x").contains("longer than 8192 octets"))
        #expect(relay.program.isRunning)
        #expect(try relay.greeted().command("NOOP").code == 250)
    }

    @Test("who is not allowed gets no answer, and the log has the user")
    func strangers() throws {
        let network = try TestNetwork()
        let relay = try RelayUnderTest(in: network, Self.routes)
        let question = #"{"command":"route","recipient":"RCPT TO:<user@flxw.de>"}\n"#
        #expect(try self.ask(relay, as: "postern-app", question).isEmpty)
        #expect(try relay.program.line { $0.contains("admin-refused uid=62526") }.isEmpty == false)
        #expect(try self.ask(relay, as: "postern", question).contains("forward"), "the relay's own user may")
    }

    @Test("nginx's mail proxy asks postern-admin, and its mail goes where the relay's routes lead")
    func nginxAsks() throws {
        let network = try TestNetwork()
        let backend = try ScriptedBackend(network)
        let relay = try RelayUnderTest(in: network, Self.routes)
        let admin = try self.admin(for: relay)
        let nginx = try Peers.nginxMail(in: network, asking: "127.0.0.1:8025")
        let dialogue = try SMTPDialogue.greeted(network, port: 25)
        #expect(try dialogue.command("MAIL FROM:<sender@example.org>").code == 250)
        #expect(try dialogue.command("RCPT TO:<gone@flxw.de>").text == "550 5.1.6 Moved away")
        #expect(try dialogue.command("RCPT TO:<user@elsewhere.example>").is(550, "5.7.1"))
        #expect(try dialogue.command("RCPT TO:<user@flxw.de>").code == 250)
        #expect(try dialogue.command("DATA").code == 354)
        #expect(try dialogue.content("Subject: asked\r\n\r\nthrough nginx").code == 250)
        #expect(backend.wait { $0.messages.count == 1 }.messages.map(\.forwardPaths) == [["RCPT TO:<user@flxw.de>"]])
        // A name is resolved, since nginx takes addresses alone.
        let named = try SMTPDialogue.greeted(network, port: 25)
        #expect(try named.message(to: "user@names.example").code == 250)
        // A backend that nobody else can reach is an error of ours, and a 451 to the client.
        let local = try SMTPDialogue.greeted(network, port: 25)
        #expect(try local.command("MAIL FROM:<sender@example.org>").code == 250)
        #expect(try local.command("RCPT TO:<user@local.example>").code == 451)
        withExtendedLifetime((admin, nginx)) {}
    }

    @Test("another relay asks postern-admin; without the relay behind it, its clients are told 451")
    func relayAsks() throws {
        let network = try TestNetwork()
        let backend = try ScriptedBackend(network)
        var relay: RelayUnderTest? = try RelayUnderTest(in: network, Self.routes)
        let admin = try relay.map(self.admin)
        let front = try RelayUnderTest(in: network, port: 2600, "lookup: {url: \"http://127.0.0.1:8025/mail/auth\"}")
        #expect(try front.greeted().message(to: "user@flxw.de").code == 250)
        #expect(backend.wait { $0.messages.count == 1 }.messages.count == 1)
        let dialogue = try front.greeted()
        #expect(try dialogue.command("MAIL FROM:<sender@example.org>").code == 250)
        #expect(try dialogue.command("RCPT TO:<gone@flxw.de>").text == "550 5.1.6 Moved away")
        if let relay {
            relay.program.kill(SIGTERM)
            _ = try relay.program.exitStatus(within: .seconds(60))
        }
        relay = nil
        #expect(try dialogue.command("RCPT TO:<user@flxw.de>").is(451, "4.3.0"))
        withExtendedLifetime(admin) {}
    }
}
