import Foundation
import Testing

/// Section H of docs/edge-cases.md: AUTH.
@Suite("Edge cases: AUTH", .works, .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct AuthenticationEdgeCases {
    private static let good = AuthenticationTrial.plain("user", "secret")

    @Test(
        "62: PLAIN and LOGIN with and without an initial response; `=` is an empty one, and `*` cancels with 501 5.7.0")
    func exchange() throws {
        let trial = try AuthenticationTrial()
        let dialogue = try trial.greeted()
        let base64 = AuthenticationTrial.base64
        // Cancelled, and refused, at each step: the session goes on.
        for line in ["AUTH PLAIN", "AUTH LOGIN", "AUTH LOGIN \(base64("user"))", "AUTH CRAM-MD5"] {
            try dialogue.say(line, gets: "334 ")
            try dialogue.say("*", gets: "501 5.7.0")
            try dialogue.say(line, gets: "334 ")
            try dialogue.say("not base64", gets: "501 5.5.2")
            try dialogue.expectInStep()
        }
        for line in ["AUTH PLAIN =", "AUTH PLAIN \(base64("user"))", "AUTH PLAIN A"] {
            try dialogue.say(line, gets: "501 5.5.2")
        }
        try dialogue.say("AUTH LOGIN =", gets: "334 UGFzc3dvcmQ6")
        try dialogue.say(base64("secret"), gets: "535 5.7.8")
        try dialogue.say("AUTH", gets: "501 5.5.4")
        try dialogue.say("AUTH SCRAM-SHA-256 biws", gets: "504 5.5.4")
        #expect(trial.lookup.requests.read { $0.isEmpty }, "nobody is asked about what is not whole")

        try dialogue.say("MAIL FROM:<sender@example.org>", gets: "530 5.7.1 Authentication required")
        try dialogue.say("AUTH PLAIN", gets: "334 ")
        try dialogue.say(Self.good, gets: "235 2.0.0 OK")
        try dialogue.say("AUTH PLAIN \(Self.good)", gets: "503 5.5.1")
        try dialogue.deliver("Subject: x\r\n\r\ny")
        try dialogue.quit()

        for lines in [
            [("AUTH PLAIN \(Self.good)", "235 2.0.0 OK")],
            [("auth plain \(base64("someone\0user\0secret"))", "235 2.0.0 OK")],
            [
                ("AUTH LOGIN", "334 VXNlcm5hbWU6"), (base64("user"), "334 UGFzc3dvcmQ6"),
                (base64("secret"), "235 2.0.0 OK"),
            ],
            [("AUTH login \(base64("user"))", "334 UGFzc3dvcmQ6"), (base64("secret"), "235 2.0.0 OK")],
        ] {
            let dialogue = try trial.greeted()
            for (line, reply) in lines { try dialogue.say(line, gets: reply) }
            try dialogue.begin()
            try dialogue.say("AUTH PLAIN \(Self.good)", gets: "503 5.5.1")
            try dialogue.quit()
        }
    }

    @Test("62: an AUTH line, and a response, of 12,288 octets is read; a longer one is 500 5.5.2 and nothing else")
    func limits() throws {
        let trial = try AuthenticationTrial()
        let dialogue = try trial.greeted()
        let head = "AUTH PLAIN "
        // The line is 12,288 octets long with its CRLF, in whole groups of base64.
        let length = (12_288 - 2 - head.count) / 4 * 4
        let long = Data([0] + Array("user".utf8) + [0] + Array(repeating: 0x78, count: length / 4 * 3 - 6))
            .base64EncodedString()
        #expect(long.count == length)
        try dialogue.say(head + long, gets: "535 5.7.0")
        #expect(trial.lookup.requests.read { $0.last?.value("Auth-Pass")?.count } == length / 4 * 3 - 6)
        try dialogue.say(head + long + "AAAAAAAA", gets: "500 5.5.2")
        try dialogue.say("AUTH PLAIN", gets: "334 ")
        let response = Data(repeating: 0x78, count: (12_288 - 2) / 4 * 3).base64EncodedString()
        try dialogue.say(response, gets: "501 5.5.2")
        try dialogue.say("AUTH PLAIN", gets: "334 ")
        try dialogue.say(response + "AAAA", gets: "500 5.5.2")
        try dialogue.say("AUTH PLAIN \(Self.good)", gets: "235 2.0.0 OK")
        try dialogue.quit()
    }

    @Test("62: AUTH stands behind EHLO, outside of transactions, and only where it was announced")
    func order() throws {
        let trial = try AuthenticationTrial("auth: [plain, none]")
        let dialogue = try SMTPDialogue(trial.network, port: trial.relay.port)
        try dialogue.say("AUTH PLAIN \(Self.good)", gets: "503 5.5.1")
        try dialogue.say("HELO client.example.org", gets: "250 ")
        try dialogue.say("AUTH PLAIN \(Self.good)", gets: "503 5.5.1")
        #expect(try dialogue.command("EHLO client.example.org").keywords.contains("AUTH PLAIN"))
        for mechanism in ["LOGIN", "CRAM-MD5", "EXTERNAL"] {
            try dialogue.say("AUTH \(mechanism)", gets: "504 5.5.4")
            try dialogue.say("AUTH \(mechanism) \(Self.good)", gets: "504 5.5.4")
        }
        try dialogue.say("MAIL FROM:<sender@example.org>", gets: "250 2.0.0 OK")
        try dialogue.say("AUTH PLAIN \(Self.good)", gets: "503 5.5.1")
        try dialogue.say("RCPT TO:<user@flxw.de>", gets: "250 ")
        try dialogue.say("AUTH PLAIN \(Self.good)", gets: "503 5.5.1")
        try dialogue.say("RSET", gets: "250 ")
        try dialogue.say("AUTH PLAIN \(Self.good)", gets: "235 2.0.0 OK")
        try dialogue.quit()
    }

    @Test(
        "63: CRAM-MD5 has another challenge each time, even in one session, and cut answers are refused; what is not served is 504"
    )
    func mechanisms() throws {
        let trial = try AuthenticationTrial("auth: [login, cram-md5, external]") { request in
            request.value("Auth-Method") == "cram-md5" || request.value("Auth-Method") == "external"
                ? ScriptedLookup.accepting : .fields(["Auth-Status: no", "Auth-Wait: 1"])
        }
        let dialogue = try trial.greeted()
        let base64 = AuthenticationTrial.base64
        var challenges: Set<String> = []
        let digest = String(repeating: "0a", count: 16)
        for answer in [
            "", "user", "user ", " ", "user\0", "\0", "\0 \(digest)", "user \(digest.dropLast())", "user\(digest)",
            digest,
            "user \(digest)\0", "user \(digest.dropLast())g",
        ] {
            let reply = try dialogue.say("AUTH CRAM-MD5", gets: "334 ")
            challenges.insert(reply.text)
            let challenge = String(
                decoding: Data(base64Encoded: String(reply.text.dropFirst(4))) ?? Data(), as: UTF8.self)
            #expect(challenge.hasPrefix("<") && challenge.hasSuffix("@mail.flxw.de>"), "\(challenge)")
            try dialogue.say(base64(answer), gets: "501 5.5.2")
        }
        #expect(challenges.count == 12)
        try dialogue.say("AUTH CRAM-MD5 \(base64("user \(digest)"))", gets: "501 5.7.0")
        // An error step of these would be one line more, and out of step.
        for mechanism in ["XOAUTH2", "OAUTHBEARER", "DIGEST-MD5", "NTLM"] {
            try dialogue.say("AUTH \(mechanism) \(base64("n,,"))", gets: "504 5.5.4")
            try dialogue.expectInStep()
        }
        #expect(trial.lookup.requests.read { $0.isEmpty })
        // The lookup would let it in: without a certificate it is never asked.
        try dialogue.say("AUTH EXTERNAL \(base64("user"))", gets: "535 5.7.8")
        try dialogue.say("AUTH EXTERNAL", gets: "334 VXNlcm5hbWU6")
        try dialogue.say(base64("user"), gets: "535 5.7.8")
        #expect(trial.lookup.requests.read { $0.isEmpty })
        try dialogue.say("AUTH LOGIN \(base64("user"))", gets: "334 UGFzc3dvcmQ6")
        try dialogue.say(base64("wrong"), gets: "535 5.7.0 no")

        let last = try dialogue.say("AUTH CRAM-MD5", gets: "334 ")
        try dialogue.say(base64("us er \(digest)"), gets: "235 2.0.0 OK")
        let request = try #require(trial.lookup.requests.read { $0.last })
        let salt = String(decoding: Data(base64Encoded: String(last.text.dropFirst(4))) ?? Data(), as: UTF8.self)
        #expect(request.value("Auth-User") == "us%20er" && request.value("Auth-Pass") == digest)
        #expect(request.value("Auth-Salt") == salt)
        try dialogue.quit()
    }

    @Test("64: names and passwords reach the lookup escaped, and the log not at all; a refusal takes its time")
    func credentials() throws {
        let trial = try AuthenticationTrial()
        let dialogue = try trial.greeted()
        let password = "hunter2 50%\r\nAuth-Status: OK\r\n\u{1}ä"
        let user = "jü r%gen\r\nClient-IP: 192.0.2.1"
        try dialogue.say("AUTH PLAIN \(AuthenticationTrial.plain(user, password))", gets: "535 5.7.0")
        try dialogue.say("AUTH LOGIN \(AuthenticationTrial.base64(user))", gets: "334 ")
        try dialogue.say(AuthenticationTrial.base64(password), gets: "535 5.7.0")
        for request in trial.lookup.requests.read({ $0 }) {
            #expect(request.value("Auth-Method") == "plain")
            #expect(request.value("Auth-User") == "jü%20r%25gen%0D%0AClient-IP:%20192.0.2.1")
            #expect(request.value("Auth-Pass") == "hunter2%2050%25%0D%0AAuth-Status:%20OK%0D%0A%01ä")
            #expect(request.fields.count { $0.hasPrefix("Client-IP") } == 1)
            #expect(!request.fields.contains { $0.hasPrefix("Auth-SMTP") || $0.hasPrefix("Auth-Salt") })
        }
        #expect(trial.lookup.requests.read { $0.map { $0.value("Auth-Login-Attempt") } } == ["1", "2"])
        try dialogue.say("AUTH PLAIN \(AuthenticationTrial.plain("user", "secret"))", gets: "235 2.0.0 OK")
        try dialogue.quit()
        let log = try trial.logged { $0.contains(" authenticated ") }
        #expect(log.contains("auth-refused client=127.0.0.1:"))
        #expect(log.contains("user=\"jü r%gen??Client-IP: 192.0.2.1\""), "\(log)")
        try trial.expectUnlogged(["hunter2", "secret", password, "\0user\0secret", "\0\(user)\0\(password)"])

        // A name that is not there takes as long as a wrong password, and a second at least.
        let users = try RelayWorld.file("users", "user:{PLAIN}secret\n")
        let byFile = try AuthenticationTrial("auth: [plain], users: \(users)")
        let guesser = try byFile.greeted()
        for (name, password) in [("user", "wrong"), ("nobody", "wrong"), ("nobody", "secret"), ("user", "")] {
            let start = ContinuousClock.now
            try guesser.say("AUTH PLAIN \(AuthenticationTrial.plain(name, password))", gets: "535 5.7.8")
            #expect(start.duration(to: .now) >= .milliseconds(950))
        }
        try guesser.quit()
        try byFile.expectUnlogged(["wrong", "secret"])
    }

    @Test("64: AUTH where none is offered is logged, once a session")
    func unoffered() throws {
        let trial = try EdgeTrial()
        let dialogue = try trial.greeted()
        for _ in 1...3 { try dialogue.say("AUTH PLAIN \(Self.good)", gets: "502 5.5.1") }
        try dialogue.say("AUTH LOGIN", gets: "502 5.5.1")
        try dialogue.deliver("Subject: x\r\n\r\ny")
        try dialogue.quit()
        _ = try trial.relay.program.line { $0.contains(" delivered ") }
        let lines = trial.relay.program.text.split(separator: "\n").filter { $0.contains("auth-unoffered") }
        #expect(lines.count == 1 && lines[0].contains(" auth-unoffered client=127.0.0.1:"))
        #expect(!trial.relay.program.text.contains(Self.good))
    }
}
