import Foundation
import Testing

/// What an operator does to a running relay.
@Suite("Operating the relay", .waits, .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct RelayOperationTests {
    private func start(
        _ network: TestNetwork, _ settings: String, listener: String = "{address: \"127.0.0.1:2526\"}"
    ) throws -> (program: RunningProgram, configuration: String) {
        let configuration = try RelayWorld.file("relay.yaml", Self.text(settings, listener: listener))
        let program = try network.start([RelayWorld.postern, "relay", "--config", configuration], as: "postern")
        _ = try program.line { $0.contains("ready") }
        return (program, configuration)
    }

    private static func text(_ settings: String, listener: String = "{address: \"127.0.0.1:2526\"}") -> String {
        "server: {name: mail.flxw.de}\nlisteners: [\(listener)]\n\(settings)\n"
    }

    private static func routes(_ domain: String) -> String {
        "routes: [{recipients: [\(domain)], backends: [\"127.0.0.1:2525\"]}]"
    }

    private func replace(_ path: String, _ text: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
    }

    @Test("SIGHUP: the next transaction goes by the new file, one that is open by the old; the session stays")
    func reload() throws {
        let network = try TestNetwork()
        let backend = try ScriptedBackend(network)
        let (program, configuration) = try self.start(network, Self.routes("old.example"))
        defer { program.stop() }
        let dialogue = try SMTPDialogue.greeted(network, port: 2526)
        _ = try dialogue.command("MAIL FROM:<a@b.example>")
        try self.replace(configuration, Self.text(Self.routes("new.example")))
        program.kill(SIGHUP)
        _ = try program.line { $0.contains("reloaded") }
        #expect(try dialogue.command("RCPT TO:<x@old.example>").code == 250)
        #expect(try dialogue.command("RCPT TO:<x@new.example>").is(550, "5.7.1"))
        _ = try dialogue.command("DATA")
        #expect(try dialogue.content("Subject: old\r\n\r\nx").code == 250)
        _ = try dialogue.command("MAIL FROM:<a@b.example>")
        #expect(try dialogue.command("RCPT TO:<x@old.example>").is(550, "5.7.1"))
        #expect(try dialogue.command("RCPT TO:<x@new.example>").code == 250)
        try dialogue.quit()
        #expect(backend.record.read { $0.messages.count } == 1)
    }

    @Test(
        "SIGHUP with a file that cannot be used changes nothing, and says why",
        arguments: [
            (Self.text("routez: []"), ":3:1: unknown key"),
            (Self.text(Self.routes("new.example"), listener: "{address: \"127.0.0.1:2527\"}"), "the listeners differ"),
            ("", "relay.yaml"),
        ])
    func refusedReload(text: String, reason: String) throws {
        let network = try TestNetwork()
        let backend = try ScriptedBackend(network)
        let (program, configuration) = try self.start(network, Self.routes("old.example"))
        defer { program.stop() }
        try self.replace(configuration, text)
        program.kill(SIGHUP)
        _ = try program.line { $0.contains("reload-refused") && $0.contains(reason) }
        let dialogue = try SMTPDialogue.greeted(network, port: 2526)
        #expect(try dialogue.message(to: "x@old.example").code == 250)
        #expect(backend.record.read { $0.messages.count } == 1)
        try dialogue.quit()
    }

    @Test(
        "SIGTERM and SIGQUIT: no new client, 421 to who is idle, a transaction to its end, then exit status 0",
        arguments: [SIGTERM, SIGQUIT])
    func drain(signal: Int32) throws {
        let network = try TestNetwork()
        let backend = try ScriptedBackend(network)
        let (program, _) = try self.start(network, Self.routes("flxw.de"))
        let idle = try SMTPDialogue.greeted(network, port: 2526)
        let busy = try SMTPDialogue.greeted(network, port: 2526)
        _ = try busy.command("MAIL FROM:<a@b.example>")
        program.kill(signal)
        #expect(try idle.reply().is(421, "4.3.2"))
        #expect(try idle.isClosed())
        #expect((try? network.connect(2526)) == nil)
        #expect(try busy.command("RCPT TO:<x@flxw.de>").code == 250)
        #expect(try busy.command("DATA").code == 354)
        #expect(try busy.content("Subject: last\r\n\r\nx").code == 250)
        #expect(try busy.reply().is(421, "4.3.2"))
        #expect(try busy.isClosed())
        #expect(try program.exitStatus() == 0)
        #expect(backend.record.read { $0.messages.count } == 1)
    }

    @Test("Clients over the limit get 421, and the place of one that left is free again")
    func connections() throws {
        let network = try TestNetwork()
        let backend = try ScriptedBackend(network)
        let (program, _) = try self.start(network, Self.routes("flxw.de") + "\nlimits: {connections: 2}")
        defer { program.stop() }
        let first = try SMTPDialogue.greeted(network, port: 2526)
        let second = try SMTPDialogue.greeted(network, port: 2526)
        do {
            _ = try SMTPDialogue(network, port: 2526)
            Issue.record("a third client was served")
        } catch {
            #expect("\(error)".contains("S: 421 4.3.2 Too many connections"))
        }
        try first.quit()
        // The relay hears of the end in its own time: a new client is served within a bounded number of tries.
        let served = (0..<200).contains { _ in
            if (try? SMTPDialogue(network, port: 2526)) != nil { return true }
            Thread.sleep(forTimeInterval: 0.02)
            return false
        }
        #expect(served)
        #expect(try second.message(to: "x@flxw.de").code == 250)
        #expect(backend.record.read { $0.messages.count } == 1)
    }

    @Test("A listener that is not to be had ends the relay with the binder's words and its exit status")
    func noListener() throws {
        let network = try TestNetwork(policy: "smtp tcp *:25 bind=postern-app\n")
        let configuration = try RelayWorld.file(
            "relay.yaml", Self.text(Self.routes("x.example"), listener: "{socket: smtp}"))
        let program = try network.start([RelayWorld.postern, "relay", "--config", configuration], as: "postern")
        #expect(try program.exitStatus() == 77)
        #expect(program.text.contains("\"smtp\": uid 62525 may not bind it"), "\(program.text)")
    }

    @Test("A backend that is the relay's own listener, known only once it is bound, ends the relay with 78")
    func loop() throws {
        let network = try TestNetwork(policy: "smtp tcp 127.0.0.1:25 bind=postern\n")
        let configuration = try RelayWorld.file(
            "relay.yaml",
            Self.text("routes: [{recipients: [x.example], backends: [\"127.0.0.1:25\"]}]", listener: "{socket: smtp}"))
        let program = try network.start([RelayWorld.postern, "relay", "--config", configuration], as: "postern")
        #expect(try program.exitStatus() == 78)
        #expect(
            program.text.contains("backend 127.0.0.1:25 is this relay's own listener 127.0.0.1:25"), "\(program.text)")
    }

    @Test("An address that is taken ends the relay with 69, and says which")
    func addressTaken() throws {
        let network = try TestNetwork()
        let taken = try network.listen(2526)
        defer { withExtendedLifetime(taken) {} }
        let configuration = try RelayWorld.file("relay.yaml", Self.text(Self.routes("x.example")))
        let program = try network.start([RelayWorld.postern, "relay", "--config", configuration], as: "postern")
        #expect(try program.exitStatus() == 69)
        #expect(program.text.contains("bind 127.0.0.1 port 2526"), "\(program.text)")
    }

    @Test("postern check: 0 and a summary, or 78 and every mistake with its place")
    func check() throws {
        let network = try TestNetwork()
        let good = try RelayWorld.file("relay.yaml", Self.text(Self.routes("x.example")))
        let (status, text) = try network.run([RelayWorld.postern, "check", "--config", good])
        #expect(status == 0)
        #expect(text.contains("route: x.example -> "), "\(text)")
        let bad = try RelayWorld.file("relay.yaml", "listener: []\nroutes: [{recipients: 5, group: app}]\n")
        let (badStatus, badText) = try network.run([RelayWorld.postern, "check", "--config", bad])
        #expect(badStatus == 78)
        #expect(badText.contains("\(bad):1:1: unknown key \"listener\"; did you mean \"listeners\"?"), "\(badText)")
        #expect(badText.contains("\(bad):2:"), "\(badText)")
        let (none, noneText) = try network.run([RelayWorld.postern, "check", "--config", "/nonexistent/relay.yaml"])
        #expect(none == 78)
        #expect(noneText.contains("/nonexistent/relay.yaml"), "\(noneText)")
    }

    @Test("postern check says what refuses, and what is not the default")
    func checkSummary() throws {
        let network = try TestNetwork()
        let file = try RelayWorld.file(
            "relay.yaml",
            "listeners: [{socket: smtp, hello: optional}]\n\(RelayRouteEdgeCases.settings)\nlimits: {data-rate: 0}\n")
        let (status, text) = try network.run([RelayWorld.postern, "check", "--config", file])
        #expect(status == 0)
        for line in [
            "listener: socket \"smtp\", hello optional", "route: abuse@ -> 550 5.1.1 No such user",
            "route: dead.example -> 556 5.1.10 Recipient address has null MX",
            "route: flxw.de xn--bcher-kva.example -> 127.0.0.1:2525",
            "route: strict.example -> 127.0.0.1:2525; message: nul reject", "limits: data-rate 0",
        ] {
            #expect(text.split(separator: "\n").contains(Substring(line)), "\(line) in \(text)")
        }
    }

    @Test("postern sink takes a message, prints its line, keeps it, and ends on SIGTERM")
    func sink() throws {
        let network = try TestNetwork()
        let folder = try RelayWorld.newFolder(owner: 62525)
        let program = try network.start(
            [RelayWorld.postern, "sink", "--listen", "127.0.0.1:2600", "--maildir", "\(folder)/mail"], as: "postern")
        try network.waitForPort(2600, of: program)
        let dialogue = try SMTPDialogue.greeted(network, port: 2600)
        #expect(try dialogue.message(to: "x@flxw.de", "Subject: kept\r\n\r\nx").code == 250)
        let line = try program.line { $0.contains("subject=\"kept\"") }
        #expect(line.hasPrefix("from=<sender@example.org> to=<x@flxw.de> size="))
        try dialogue.quit()
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(folder)/mail/new").count == 1)
        program.kill(SIGTERM)
        #expect(try program.exitStatus() == 0)
    }
}
