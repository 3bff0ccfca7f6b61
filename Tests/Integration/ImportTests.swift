import Foundation
import Testing

/// `postern import`, beside nginx itself.
@Suite("postern import", .works, .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct ImportTests {
    /// A file of Tests/Integration/Nginx.
    private static func fixture(_ name: String) throws -> String {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Nginx")
        return try String(contentsOf: folder.appending(path: name), encoding: .utf8)
    }

    /// What nginx needs in front of a configuration so that it knows mail and writes nowhere, in one line with it.
    private static func preamble(_ folder: String) -> String {
        "load_module \(RelayWorld.mailModule); pid \(folder)/pid; error_log stderr; "
    }

    private static func makeCertificate(in folder: String, _ network: TestNetwork) throws {
        let (status, text) = try network.run([
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=mail.example.org", "-days", "2",
            "-keyout", "\(folder)/key.pem", "-out", "\(folder)/certificate.pem",
        ])
        guard status == 0 else { throw HarnessError("openssl: \(text)") }
    }

    /// What nginx says of a file: nil, or `LINE: MESSAGE`.
    private static func nginx(_ path: String, _ folder: String, _ network: TestNetwork) throws -> String? {
        let (status, text) = try network.run(["nginx", "-t", "-e", "stderr", "-p", folder, "-c", path])
        guard status != 0 else { return nil }
        guard let begin = text.range(of: #"\[emerg\] [0-9#]+: "#, options: .regularExpression) else { return text }
        let rest = text[begin.upperBound...]
        guard let end = rest.range(of: " in \(path):", options: .backwards) else {
            return String(rest.prefix { $0 != "\n" })
        }
        let line = rest[end.upperBound...].prefix { $0.isNumber }
        return "\(line): \(rest[..<end.lowerBound])"
    }

    /// What the import says of it, in the same form.
    private static func postern(_ path: String, _ network: TestNetwork) throws -> String? {
        let (status, text) = try network.run([RelayWorld.postern, "import", path])
        guard status != 0 else { return nil }
        #expect(status == 65, "\(text)")
        return text.replacing("\(path):", with: "").trimmingCharacters(in: .whitespacesAndNewlines)
    }

    @Test("nginx refuses what the import refuses, in the same words at the same line, and starts with the rest")
    func snippets() throws {
        let network = try TestNetwork()
        let folder = try RelayWorld.newFolder()
        try Self.makeCertificate(in: folder, network)
        let all = try Self.fixture("snippets.txt")
        // (By octets: "\r\n" is one character to Swift.)
        let snippets = all.components(separatedBy: "=== ").dropFirst().map { part in
            part.components(separatedBy: "\n").dropFirst().joined(separator: "\n")
        }
        #expect(snippets.count == 161)
        var (accepted, refused, differing) = (0, 0, 0)
        for (index, snippet) in snippets.enumerated() {
            let path = "\(folder)/\(index + 1).conf"
            let events = snippet.hasPrefix("events") ? "" : "events {} "
            let text = snippet.replacing("@CERTIFICATE@", with: "\(folder)/certificate.pem")
                .replacing("@KEY@", with: "\(folder)/key.pem")
            try Data((Self.preamble(folder) + events + text).utf8).write(to: URL(fileURLWithPath: path))
            let theirs = try Self.nginx(path, folder, network)
            var ours = try Self.postern(path, network)
            // (Of this nginx does not say the line.)
            if let theirs, let said = ours, !theirs.contains(": "), said.hasSuffix(": " + theirs) { ours = theirs }
            #expect(ours == theirs, "snippet \(index + 1): \(snippet.prefix(300))")
            if theirs == nil { accepted += 1 } else { refused += 1 }
            if ours != theirs { differing += 1 }
        }
        print(
            "import: \(snippets.count) snippets, nginx accepts \(accepted), refuses \(refused), differing \(differing)")
    }

    @Test(
        "nginx starts with the examples that the import takes, without what it has dropped",
        arguments: ["article.conf", "documentation.conf", "debian.conf", "everything.conf"])
    func examples(_ name: String) throws {
        let network = try TestNetwork()
        let folder = try RelayWorld.newFolder()
        try Self.makeCertificate(in: folder, network)
        let text = try Self.fixture(name)
        let path = "\(folder)/\(name)"
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        let (status, said) = try network.run([RelayWorld.postern, "import", path, "--output", "\(folder)/relay.yaml"])
        #expect(status == 0, "\(said)")
        #expect(said.contains("/etc/postern/sockets.conf has to have:") == (name != "debian.conf"))

        // What was written is taken whole: with its certificates, too.
        let (verdict, summary) = try network.run([RelayWorld.postern, "check", "--config", "\(folder)/relay.yaml"])
        #expect(verdict == 0, "\(summary)")

        // (nginx without its own paths, which a test may not write to, and with its module.)
        var lines = text.components(separatedBy: "\n")
        lines.removeAll { line in
            ["so_keepalive on", "error_log /", "pid ", "include /", "\tinclude /", "\taccess_log /"].contains {
                line.trimmingCharacters(in: .init(charactersIn: " ")).hasPrefix($0)
            }
        }
        if !text.contains("events") { lines.insert("events {}", at: 0) }
        let rival = "\(folder)/rival.conf"
        let paths = text.contains("http {") ? Self.httpPaths(folder) : ""
        let own = lines.joined(separator: "\n").replacing("\nhttp {", with: "\nhttp { \(paths)")
        let preamble = "load_module \(RelayWorld.mailModule); pid \(folder)/pid; "
        try Data((preamble + own).utf8).write(to: URL(fileURLWithPath: rival))
        #expect(try Self.nginx(rival, folder, network) == nil)
    }

    private static func httpPaths(_ folder: String) -> String {
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map { "\($0)_temp_path \(folder)/\($0);" }
            .joined(separator: " ")
    }

    @Test("The article's nginx.conf, imported without an edit, runs on port 25 from the broker and delivers")
    func articleRuns() throws {
        let network = try TestNetwork()
        let folder = try RelayWorld.newFolder(owner: 62525)
        let source = try RelayWorld.file("nginx.conf", Self.fixture("article.conf"))
        let output = "\(folder)/relay.yaml"
        let (status, said) = try network.run([RelayWorld.postern, "import", source, "--output", output])
        #expect(status == 0, "\(said)")
        #expect(said.contains("\(source):13: so_keepalive on;: obsolete"))
        #expect(said.contains("\(source):10: proxy on;: obsolete"))

        // The lines that it says sockets.conf needs, as they stand: the broker's policy.
        let lines = said.components(separatedBy: "\n").filter { $0.hasPrefix("    ") }.map { $0.dropFirst(4) }
        #expect(lines == ["smtp tcp 0.0.0.0:25 get=postern bind=postern store=postern-binder"])
        let policy = lines.joined(separator: "\n") + "\n"
        let inside = try network.run(["sh", "-c", "printf %s \"$1\" >/etc/postern/sockets.conf", "sh", policy])
        #expect(inside.status == 0, "\(inside.text)")

        let (checked, summary) = try network.run([RelayWorld.postern, "check", "--config", output])
        #expect(checked == 0, "\(summary)")

        let broker = try BrokerUnderTest(in: network, sockets: [("smtp", "0.0.0.0", 25)])
        // As the article's location answers, published: everybody is accepted.
        let lookup = try ScriptedLookup(network) { _ in
            .fields(["Auth-Status: OK", "Auth-Server: 127.0.0.1", "Auth-Port: 2525", "Auth-Wait: 1"])
        }
        let backend = try ScriptedBackend(network)
        let relay = try network.start([RelayWorld.postern, "relay", "--config", output], as: "postern")
        _ = try relay.line { $0.hasSuffix("ready listener=0.0.0.0:25 source=broker") }
        try network.waitForPort(25, of: relay)

        let (sent, text) = try Peers.swaks(in: network, port: 25, to: "user@flxw.de")
        #expect(sent == 0, "\(text)")
        // And as nginx takes it: without EHLO.
        let dialogue = try SMTPDialogue(network, port: 25)
        #expect(try dialogue.command("MAIL FROM:<sender@example.org>").code == 250)
        #expect(try dialogue.command("RCPT TO:<user@flxw.de>").code == 250)
        #expect(try dialogue.command("DATA").code == 354)
        #expect(try dialogue.content("Subject: two\r\n\r\nx").code == 250)
        let record = backend.wait { $0.messages.count == 2 }
        #expect(record.messages.map(\.forwardPaths) == [["RCPT TO:<user@flxw.de>"], ["RCPT TO:<user@flxw.de>"]])
        #expect(lookup.requests.read { $0.first?.value("Auth-Protocol") } == "smtp")
        relay.kill(SIGTERM)
        withExtendedLifetime((broker, lookup)) {}
    }

    @Test("A file that is there is replaced only with --force, and what is written is as secret as what was read")
    func output() throws {
        let network = try TestNetwork()
        let folder = try RelayWorld.newFolder()
        let source = "\(folder)/nginx.conf"
        try Data(try Self.fixture("article.conf").utf8).write(to: URL(fileURLWithPath: source))
        let output = "\(folder)/relay.yaml"
        func run(_ more: String...) throws -> (status: Int32, text: String) {
            try network.run([RelayWorld.postern, "import", source] + more)
        }
        func mode() throws -> Int? {
            try FileManager.default.attributesOfItem(atPath: output)[.posixPermissions] as? Int
        }
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: source)
        #expect(try run("--output", output).status == 0)
        #expect(try mode() == 0o644)
        let second = try run("--output", output)
        #expect(second.status == 73)
        #expect(second.text.contains("\(output): it is there already; --force replaces it"))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: source)
        #expect(try run("--output", output, "--force").status == 0)
        #expect(try mode() == 0o600)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["nginx.conf", "relay.yaml"])

        #expect(try run("--force").status == 64)
        #expect(try run("--output", "\(folder)/nowhere/relay.yaml").status == 73)
        let missing = try network.run([RelayWorld.postern, "import", "\(folder)/none.conf"])
        #expect(missing.status == 66)
        #expect(missing.text.contains("\(folder)/none.conf: there is no such file"))
        #expect(try network.run([RelayWorld.postern, "import", folder]).status == 66)
    }

    @Test("Includes are found by patterns, beside the first file")
    func includes() throws {
        let network = try TestNetwork()
        let folder = try RelayWorld.newFolder()
        try FileManager.default.createDirectory(atPath: "\(folder)/mail.d", withIntermediateDirectories: false)
        for (name, text) in [
            ("nginx.conf", "mail { include mail.d/[a-b]*.conf; include none/*; }"),
            ("mail.d/a.conf", "auth_http 127.0.0.1;"),
            ("mail.d/b.conf", "server { listen 25; }"), ("mail.d/c.conf", "}"),
        ] {
            try Data(text.utf8).write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
        }
        let (status, text) = try network.run([RelayWorld.postern, "import", "\(folder)/nginx.conf"])
        #expect(status == 0, "\(text)")
        #expect(text.contains("socket: smtp"))
    }
}
