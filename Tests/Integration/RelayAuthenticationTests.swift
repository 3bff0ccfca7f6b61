import Foundation
import Testing

/// AUTH as real clients do it, and what follows from it: by lookup, and by a users file.
@Suite("AUTH", .waits, .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct RelayAuthenticationTests {
    private static let good = AuthenticationTrial.plain("user", "secret")

    @Test(
        "swaks authenticates itself by each mechanism, by lookup and by a users file",
        arguments: ["PLAIN", "LOGIN", "CRAM-MD5"])
    func swaks(_ mechanism: String) throws {
        let users = try RelayWorld.file("users", "user:{PLAIN}secret\n")
        let byLookup = try AuthenticationTrial("auth: [plain, login, cram-md5]") { request in
            // What CRAM-MD5 says can be checked by who has the password: that it is there, and whole, is enough here.
            let isGood =
                request.value("Auth-User") == "user"
                && (request.value("Auth-Pass") == "secret"
                    || request.value("Auth-Method") == "cram-md5" && request.value("Auth-Pass")?.count == 32)
            return isGood ? ScriptedLookup.accepting : .fields(["Auth-Status: no"])
        }
        let byFile = try AuthenticationTrial("auth: [plain, login, cram-md5], users: \(users)")
        for trial in [byLookup, byFile] {
            let (status, text) = try Peers.swaks(
                in: trial.network, port: 2526, to: "user@flxw.de",
                ["--auth", mechanism, "--auth-user", "user", "--auth-password", "secret"])
            #expect(status == 0, "\(text)")
            #expect(text.contains("235 2.0.0 OK"))
            let messages = trial.backend.wait { $0.messages.count == 1 }.messages
            let wire = String(decoding: try #require(messages.first).wire, as: UTF8.self)
            #expect(wire.contains("(Postern) with ESMTPA id "), "\(wire)")
            let log = try trial.logged { $0.contains(" authenticated ") }
            #expect(log.contains(" user=user mechanism=\(mechanism)"))
            try trial.expectUnlogged(["secret"])
        }
        let (status, text) = try Peers.swaks(
            in: byFile.network, port: 2526, to: "user@flxw.de",
            ["--auth", mechanism, "--auth-user", "user", "--auth-password", "wrong"])
        #expect(status != 0 && text.contains("535 5.7.8"), "\(text)")
    }

    @Test("Python's smtplib logs in, with the mechanism that it likes best")
    func smtplib() throws {
        for auth in ["[plain]", "[login]", "[cram-md5]", "[plain, login, cram-md5]"] {
            let users = try RelayWorld.file("users", "jane@example.org:{PLAIN}correct horse\n")
            let trial = try AuthenticationTrial("auth: \(auth), users: \(users)")
            let program = """
                import smtplib
                with smtplib.SMTP("127.0.0.1", 2526) as client:
                    try:
                        client.login("jane@example.org", "wrong")
                        raise SystemExit("the wrong password was taken")
                    except smtplib.SMTPAuthenticationError as error:
                        assert error.smtp_code == 535, error
                with smtplib.SMTP("127.0.0.1", 2526) as client:
                    client.login("jane@example.org", "correct horse")
                    client.sendmail("jane@example.org", ["user@flxw.de"], "Subject: x\\n\\ny")
                """
            let (status, text) = try trial.network.run(["python3", "-c", program])
            #expect(status == 0, "\(auth): \(text)")
            #expect(trial.backend.wait { $0.messages.count == 1 }.messages.count == 1)
        }
    }

    @Test(
        "The lookup that authenticated a client serves its whole session: no recipient is asked about, no route is taken"
    )
    func lookupServes() throws {
        let trial = try AuthenticationTrial(
            "auth: [plain, none]",
            """
            routes:
              - recipients: "*.example"
                backends: ["127.0.0.1:2600"]
              - recipients: refused.org
                reject: 550 5.1.1 No such user
            """)
        let other = try ScriptedBackend(trial.network, port: 2600)
        let dialogue = try trial.greeted()
        // Before AUTH the route counts.
        #expect(try dialogue.message(to: "a@b.example").code == 250)
        try dialogue.say("AUTH PLAIN \(Self.good)", gets: "235 2.0.0 OK")
        try dialogue.say("MAIL FROM:<sender@example.org>", gets: "250")
        for recipient in ["a@b.example", "c@refused.org", "d@anywhere.org"] {
            try dialogue.say("RCPT TO:<\(recipient)>", gets: "250 2.1.5")
        }
        try dialogue.say("DATA", gets: "354 ")
        try dialogue.say(octets: "Subject: x\r\n\r\ny\r\n.\r\n", gets: "250 ")
        #expect(try dialogue.message(to: "e@b.example").code == 250)
        try dialogue.quit()
        #expect(other.wait { $0.messages.count == 1 }.messages.count == 1)
        #expect(trial.backend.wait { $0.messages.count == 2 }.messages.map(\.forwardPaths.count) == [3, 1])
        #expect(trial.lookup.requests.read { $0.map { $0.value("Auth-Method") } } == ["plain"])
    }

    @Test("With a users file, routes and lookups decide where the mail of an authenticated client goes")
    func routesServe() throws {
        let users = try RelayWorld.file("users", "user:{PLAIN}secret\n")
        let trial = try AuthenticationTrial(
            "auth: [plain], users: \(users)",
            """
            routes:
              - recipients: refused.org
                reject: 550 5.1.1 No such user
            """)
        let dialogue = try trial.greeted()
        try dialogue.say("AUTH PLAIN \(Self.good)", gets: "235 2.0.0 OK")
        try dialogue.say("MAIL FROM:<sender@example.org>", gets: "250")
        try dialogue.say("RCPT TO:<a@refused.org>", gets: "550 5.1.1")
        try dialogue.say("RCPT TO:<a@flxw.de>", gets: "250 2.1.5")
        let requests = trial.lookup.requests.read { $0 }
        #expect(requests.map { $0.value("Auth-Method") } == ["none"])
        #expect(requests.first?.value("Auth-User") == "" && requests.first?.value("Auth-Pass") == "")
        try dialogue.quit()
    }

    @Test("What a failed AUTH showed is in no later question")
    func forgotten() throws {
        let trial = try AuthenticationTrial("auth: [plain, login, cram-md5, none]")
        let dialogue = try trial.greeted()
        try dialogue.say("AUTH PLAIN \(AuthenticationTrial.plain("mallory", "guess"))", gets: "535 5.7.0")
        try dialogue.say("AUTH CRAM-MD5", gets: "334 ")
        try dialogue.say(AuthenticationTrial.base64("mallory \(String(repeating: "0", count: 32))"), gets: "535 5.7.0")
        try dialogue.begin()
        let request = try #require(trial.lookup.requests.read { $0.last })
        #expect(request.value("Auth-Method") == "none" && request.value("Auth-User") == "")
        #expect(request.value("Auth-Pass") == "" && request.value("Auth-Salt") == nil)
        #expect(request.value("Auth-Login-Attempt") == "3")
        try dialogue.quit()
    }

    @Test("Whom a client names as the author with AUTH= goes on only where the client is somebody itself")
    func author() throws {
        let trial = try AuthenticationTrial("auth: [plain, none]")
        var script = ScriptedBackend.Script()
        script.ehlo = .say("250-backend.example.org\r\n250 AUTH PLAIN")
        trial.backend.follow(script)
        let dialogue = try trial.greeted()
        try dialogue.say("MAIL FROM:<a@example.org> AUTH=boss@example.org", gets: "250")
        try dialogue.say("RCPT TO:<user@flxw.de>", gets: "250")
        try dialogue.say("RSET", gets: "250")
        try dialogue.say("AUTH PLAIN \(Self.good)", gets: "235 2.0.0 OK")
        try dialogue.say("MAIL FROM:<b@example.org> AUTH=user@example.org", gets: "250")
        try dialogue.say("RCPT TO:<user@flxw.de>", gets: "250")
        try dialogue.quit()
        let commands = trial.backend.wait { $0.commands.count { $0.hasPrefix("MAIL") } == 2 }.commands
        #expect(
            commands.filter { $0.hasPrefix("MAIL") } == [
                "MAIL FROM:<a@example.org> AUTH=<>", "MAIL FROM:<b@example.org> AUTH=user@example.org",
            ])
    }

    struct Answer: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let answer: ScriptedLookup.Answer
        let expected: String
        var closes = false
    }

    static let answers = [
        Answer(
            testDescription: "a denial", answer: .fields(["Auth-Status: no"]), expected: "535 5.7.0 no", closes: true),
        Answer(
            testDescription: "a denial with a wait", answer: .fields(["Auth-Status: no", "Auth-Wait: 1"]),
            expected: "535 5.7.0 no"),
        Answer(
            testDescription: "a code",
            answer: .fields(["Auth-Status: later", "Auth-Error-Code: 454 4.7.0", "Auth-Wait: 1"]),
            expected: "454 4.7.0 later"),
        Answer(
            testDescription: "421",
            answer: .fields(["Auth-Status: away", "Auth-Error-Code: 421 4.7.0", "Auth-Wait: 1"]),
            expected: "421 4.7.0 away", closes: true),
        Answer(testDescription: "allowed, but nowhere", answer: .fields(["Auth-Status: OK"]), expected: "454 4.7.0"),
        Answer(testDescription: "no answer", answer: .close, expected: "454 4.7.0"),
        Answer(testDescription: "nonsense", answer: .raw("nonsense\r\n\r\n"), expected: "454 4.7.0"),
        Answer(
            testDescription: "the relay itself",
            answer: .fields(["Auth-Status: OK", "Auth-Server: 127.0.0.1", "Auth-Port: 2526"]), expected: "454 4.7.0"),
    ]

    @Test("Each answer of a lookup to AUTH has its reply", arguments: answers)
    func answered(_ trouble: Answer) throws {
        let trial = try AuthenticationTrial()
        trial.lookup.give(trouble.answer)
        let dialogue = try trial.greeted()
        let start = ContinuousClock.now
        try dialogue.say("AUTH PLAIN \(Self.good)", gets: trouble.expected)
        if case .fields(let fields) = trouble.answer, fields.contains("Auth-Wait: 1"), !trouble.closes {
            #expect(start.duration(to: .now) >= .milliseconds(950))
        }
        if trouble.closes {
            try dialogue.expectClosed()
        } else {
            trial.lookup.give(ScriptedLookup.accepting)
            try dialogue.say("MAIL FROM:<sender@example.org>", gets: "530 5.7.1")
            try dialogue.say("AUTH PLAIN \(Self.good)", gets: "235 2.0.0 OK")
            try dialogue.deliver("Subject: x\r\n\r\ny")
            try dialogue.quit()
        }
    }

    @Test("WAIT is waited for, unseen by the client")
    func waiting() throws {
        let asked = Watched(0)
        let trial = try AuthenticationTrial { _ in
            asked.change { count in (count += 1, count).1 } == 1
                ? .fields(["Auth-Status: WAIT", "Auth-Wait: 1"]) : ScriptedLookup.accepting
        }
        let dialogue = try trial.greeted()
        try dialogue.say("AUTH PLAIN \(Self.good)", gets: "235 2.0.0 OK")
        #expect(trial.lookup.requests.read { $0.map { $0.value("Auth-Login-Attempt") } } == ["1", "1"])
        try dialogue.quit()
    }

    @Test("A users file is read anew when it changes; one with a mistake changes nothing, and is told of once")
    func changedUsers() throws {
        let users = try RelayWorld.file("users", "user:{PLAIN}secret\n")
        func replace(_ text: String) throws {
            // (Under another name first, then renamed.)
            try Data(text.utf8).write(to: URL(fileURLWithPath: users), options: .atomic)
        }
        let trial = try AuthenticationTrial("auth: [plain], users: \(users)")
        func answers(_ user: String, _ password: String, _ expected: String) throws {
            let dialogue = try trial.greeted()
            try dialogue.say("AUTH PLAIN \(AuthenticationTrial.plain(user, password))", gets: expected)
            try dialogue.quit()
        }
        try answers("user", "secret", "235 2.0.0")
        // "secret", by bcrypt.
        try replace("other:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n")
        try answers("user", "secret", "535 5.7.8")
        try answers("other", "secret", "235 2.0.0")
        try replace("other:{PLAIN}new\nbroken\n")
        try answers("other", "secret", "235 2.0.0")
        try answers("other", "new", "535 5.7.8")
        try FileManager.default.removeItem(atPath: users)
        try answers("other", "secret", "235 2.0.0")
        _ = try trial.relay.program.line { $0.contains("users-refused") && !$0.contains(":2:") }
        let lines = trial.relay.program.text.split(separator: "\n").filter { $0.contains("users-") }
        #expect(lines.count == 3 && lines[0].contains("users-reloaded file=\(users) users=1"), "\(lines)")
        #expect(lines[1].contains("users-refused \(users):2: no colon behind the user's name"), "\(lines)")
    }

    @Test("A client that leaves while its password is checked harms nobody")
    func gone() throws {
        let users = try RelayWorld.file("users", "user:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n")
        let trial = try AuthenticationTrial("auth: [plain], users: \(users)")
        for password in ["secret", "wrong"] {
            for _ in 1...20 {
                let dialogue = try trial.greeted()
                try dialogue.send("AUTH PLAIN \(AuthenticationTrial.plain("user", password))")
                dialogue.socket.interrupt()
            }
        }
        let dialogue = try trial.greeted()
        try dialogue.say("AUTH PLAIN \(Self.good)", gets: "235 2.0.0")
        try dialogue.deliver("Subject: x\r\n\r\ny")
        try dialogue.quit()
        #expect(trial.relay.program.isRunning)
    }
}
