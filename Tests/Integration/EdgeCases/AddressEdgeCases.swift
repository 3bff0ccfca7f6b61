import Foundation
import Testing

/// Section C of docs/edge-cases.md: addresses and parameters, and how they go on.
@Suite(
    "Edge cases: addresses", .works, .enabled(if: RelayWorld.isHere, "needs a world and peers: scripts/test as root"))
struct AddressEdgeCases {
    /// A line of the client's in its place, what it is answered, and what the backend gets for it.
    struct Line: Sendable {
        let sent: String
        let reply: String
        let passed: String?

        init(_ sent: String, _ reply: String, passes passed: String? = nil) {
            (self.sent, self.reply, self.passed) = (sent, reply, passed)
        }

        /// It goes on as it is.
        static func same(_ sent: String) -> Line { Line(sent, "250", passes: sent) }
    }

    /// Each line by itself in a transaction: a MAIL with a good recipient, or a RCPT.
    private func tryAll(
        _ lines: [Line], mail: String = "MAIL FROM:<sender@example.org>", in trial: EdgeTrial
    ) throws {
        let dialogue = try trial.greeted()
        for line in lines {
            try dialogue.say("RSET", gets: "250")
            let before = trial.commands.count
            let isMail = line.sent.uppercased().hasPrefix("MAIL")
            if !isMail { try dialogue.say(mail, gets: "250") }
            try dialogue.say(line.sent, gets: line.reply)
            if isMail, line.passed != nil { try dialogue.say("RCPT TO:<user@flxw.de>", gets: "250") }
            let sent = trial.commands.dropFirst(before).filter { $0.hasPrefix(isMail ? "MAIL" : "RCPT") }
            #expect(sent == (line.passed.map { [$0] } ?? []), "\(line.sent)")
        }
        try dialogue.quit()
    }

    private static let manyErrors = "limits: {errors: 1000}"

    @Test("23: the null reverse-path is taken and goes on, with parameters and as often as it comes")
    func nullReversePath() throws {
        var script = ScriptedBackend.Script()
        script.ehlo = everyExtension
        let trial = try EdgeTrial(script)
        try self.tryAll(
            [
                .same("MAIL FROM:<>"), .init("mail from: <>", "250", passes: "MAIL FROM:<>"),
                .same("MAIL FROM:<> BODY=8BITMIME"), .init("MAIL FROM:<> ", "250", passes: "MAIL FROM:<>"),
                .init("MAIL FROM:< >", "501 5.1.7"), .init("MAIL FROM:", "501 5."), .init("MAIL FROM:<", "501 5.1.7"),
                .init("MAIL FROM:<@>", "501 5.1.7"),
            ], in: trial)
        // A recipient may not be null.
        let dialogue = try trial.greeted()
        try dialogue.say("MAIL FROM:<>", gets: "250")
        try dialogue.say("RCPT TO:<>", gets: "501 5.1.3")
        try dialogue.say("RSET", gets: "250")
        for _ in 0..<50 {
            try dialogue.say("MAIL FROM:<> SIZE=200", gets: "250")
            try dialogue.say("RCPT TO:<user@flxw.de>", gets: "250")
            try dialogue.say("DATA", gets: "354")
            try dialogue.say(octets: "Subject: bounce\r\n\r\nx\r\n.\r\n", gets: "250")
        }
        try dialogue.quit()
        let messages = trial.messages(50)
        #expect(messages.count == 50)
        #expect(messages.allSatisfy { $0.reversePath.hasPrefix("MAIL FROM:<>") })
    }

    @Test("24: <Postmaster> without a domain, in any case, goes where relay.yaml says")
    func postmaster() throws {
        let trial = try EdgeTrial(
            settings: """
                groups:
                  app: {backends: ["127.0.0.1:2525"]}
                routes:
                  - {recipients: user@flxw.de, group: app}
                  - {recipients: "postmaster@", group: app}
                postmaster: app
                """)
        let dialogue = try trial.greeted()
        try dialogue.say("MAIL FROM:<>", gets: "250")
        for name in ["Postmaster", "postmaster", "POSTMASTER", "PostMaster@flxw.de", "postmaster@any.example"] {
            try dialogue.say("RCPT TO:<\(name)>", gets: "250")
        }
        try dialogue.say("RCPT TO:<root>", gets: "501 5.1.3")
        try dialogue.say("RCPT TO:<root@flxw.de>", gets: "550 5.7.1")
        try dialogue.say("MAIL FROM:<postmaster>", gets: "50")
        try dialogue.quit()
        let recipients = trial.commands.filter { $0.hasPrefix("RCPT") }
        #expect(
            recipients.map { $0.lowercased() } == [
                "rcpt to:<postmaster>", "rcpt to:<postmaster>", "rcpt to:<postmaster>",
                "rcpt to:<postmaster@flxw.de>", "rcpt to:<postmaster@any.example>",
            ])
        #expect(recipients.contains("RCPT TO:<PostMaster@flxw.de>"))
    }

    @Test("25: a local-part goes on octet by octet; a domain is found in any case and with a dot at its end")
    func cases() throws {
        let trial = try EdgeTrial(
            settings: "routes: [{recipients: [flxw.de, User@exact.example], backends: [\"127.0.0.1:2525\"]}]")
        try self.tryAll(
            [
                .same("RCPT TO:<UsEr@flxw.de>"), .same("RCPT TO:<user@FLXW.de>"), .same("RCPT TO:<UsEr@Flxw.DE>"),
                .same("RCPT TO:<user@flxw.de.>"), .same("RCPT TO:<User@exact.example>"),
                .same("RCPT TO:<User@EXACT.example>"), .init("RCPT TO:<user@exact.example>", "550 5.7.1"),
                .init("RCPT TO:<user@flxw.de..>", "501 5.1.3"), .init("RCPT TO:<user@.flxw.de>", "501 5.1.3"),
                .init("RCPT TO:<user@flxw..de>", "501 5.1.3"), .init("RCPT TO:<user@.>", "501 5.1.3"),
                .init("RCPT TO:<user@notflxw.de>", "550 5.7.1"),
                .init("RCPT TO:<user@flxw.de.evil.example>", "550 5.7.1"),
                .same("MAIL FROM:<SeNdEr@Example.ORG>"),
            ], in: trial)
    }

    @Test("26: quoted local-parts go on as they are, and the domain is behind the last @ outside of quotes")
    func quoted() throws {
        let trial = try EdgeTrial(
            settings: "routes: [{recipients: [flxw.de], backends: [\"127.0.0.1:2525\"]}]\n" + Self.manyErrors)
        try self.tryAll(
            [
                .same(#"RCPT TO:<"a@b"@flxw.de>"#), .same(#"RCPT TO:<"a\"b"@flxw.de>"#),
                .same(#"RCPT TO:<"a b"@flxw.de>"#), .same(#"RCPT TO:<""@flxw.de>"#),
                .same(#"RCPT TO:<"a\\"@flxw.de>"#), .same(#"RCPT TO:<"a>b"@flxw.de>"#),
                .same(#"RCPT TO:<"a,b:c;d<e[f]"@flxw.de>"#), .same(#"RCPT TO:<"user"@flxw.de>"#),
                .same(#"RCPT TO:<"x@elsewhere.example"@flxw.de>"#),
                .init(#"RCPT TO:<"user@flxw.de"@elsewhere.example>"#, "550 5.7.1"),
                .init(#"RCPT TO:<"a"b"@flxw.de>"#, "501 5.1.3"), .init(#"RCPT TO:<"a@flxw.de>"#, "501 5.1.3"),
                .init(#"RCPT TO:<"a\"@flxw.de>"#, "501 5.1.3"), .init(#"RCPT TO:<a"b"@flxw.de>"#, "501 5.1.3"),
                .init(#"RCPT TO:<a b@flxw.de>"#, "501 5.1.3"), .init(#"RCPT TO:<a@b@flxw.de>"#, "501 5.1.3"),
                .same(#"MAIL FROM:<"a@b c"@example.org>"#), .same(#"MAIL FROM:<"> BODY=8BITMIME"@example.org>"#),
            ], in: trial)
    }

    @Test("27: a source route is taken and left out; % and ! are letters")
    func sourceRoutes() throws {
        let trial = try EdgeTrial(
            settings: "routes: [{recipients: [flxw.de], backends: [\"127.0.0.1:2525\"]}]\n" + Self.manyErrors)
        try self.tryAll(
            [
                .init("RCPT TO:<@relay.example:user@flxw.de>", "250", passes: "RCPT TO:<user@flxw.de>"),
                .init("RCPT TO:<@a.example,@b.example:user@flxw.de>", "250", passes: "RCPT TO:<user@flxw.de>"),
                .init("RCPT TO:<@flxw.de:user@elsewhere.example>", "550 5.7.1"),
                .same("RCPT TO:<user%elsewhere.example@flxw.de>"), .same("RCPT TO:<elsewhere.example!user@flxw.de>"),
                .init("RCPT TO:<flxw.de!user@elsewhere.example>", "550 5.7.1"),
                .init("RCPT TO:<user%flxw.de@elsewhere.example>", "550 5.7.1"),
                .init("RCPT TO:<@a.example:>", "501 5.1.3"), .init("RCPT TO:<@a.example user@flxw.de>", "501 5.1.3"),
                .init("RCPT TO:<@a.example,:user@flxw.de>", "501 5.1.3"),
                .init("RCPT TO:<@:user@flxw.de>", "501 5.1.3"),
                .init("MAIL FROM:<@a.example:sender@example.org>", "250", passes: "MAIL FROM:<sender@example.org>"),
            ], in: trial)
    }

    @Test("28: an address literal is a destination of its own, however it is spelled")
    func literals() throws {
        let trial = try EdgeTrial(
            settings: """
                routes:
                  - recipients: ["[192.0.2.1]", "[IPv6:2001:db8::1]", flxw.de]
                    backends: ["127.0.0.1:2525"]
                """ + "\n" + Self.manyErrors)
        try self.tryAll(
            [
                .same("RCPT TO:<user@[192.0.2.1]>"), .same("RCPT TO:<user@[IPv6:2001:db8::1]>"),
                .same("RCPT TO:<user@[IPv6:2001:DB8:0::1]>"), .same("RCPT TO:<user@[ipv6:2001:db8:0:0:0:0:0:1]>"),
                .init("RCPT TO:<user@[192.0.2.2]>", "550 5.7.1"), .init("RCPT TO:<user@192.0.2.1>", "550 5.7.1"),
                .init("RCPT TO:<user@[127.0.0.1]>", "550 5.7.1"), .init("RCPT TO:<user@[tag:content]>", "550 5.7.1"),
                .init("RCPT TO:<user@[192.0.2.999]>", "501 5.1.3"),
                .init("RCPT TO:<user@[IPv6:2001:db8:::1]>", "501 5.1.3"),
                .init("RCPT TO:<user@[]>", "501 5.1.3"), .init("RCPT TO:<user@[192.0.2.1>", "501 5.1.3"),
                .init("RCPT TO:<user@192.0.2.1]>", "501 5.1.3"),
                .init("RCPT TO:<user@[192.0.2.1].example>", "501 5.1.3"),
                .same("MAIL FROM:<sender@[192.0.2.7]>"),
            ], in: trial)
    }

    @Test("29: local-parts, domains and paths up to their lengths, and not an octet more")
    func lengths() throws {
        let label = String(repeating: "d", count: 63)
        // 189 + 4 dots with labels to fill: 255 in all.
        let domain = [label, label, label, String(repeating: "e", count: 63)].joined(separator: ".")
        let local = String(repeating: "l", count: 64)
        let trial = try EdgeTrial(.init(), Self.manyErrors)
        // The path is 256 octets with its brackets: a domain of 252 behind one letter and @.
        let longest = String(domain.dropLast(3))
        try self.tryAll(
            [
                .same("RCPT TO:<\(local)@flxw.de>"), .init("RCPT TO:<l\(local)@flxw.de>", "501 5.1.3"),
                .same("RCPT TO:<u@\(longest)>"), .init("RCPT TO:<u@\(domain.dropLast(2))>", "501 5.1.3"),
                .init("RCPT TO:<u@\(domain)e>", "501 5.1.3"), .init("RCPT TO:<u@d\(label).example>", "501 5.1.3"),
                .same("RCPT TO:<u@\(label).example>"),
                .same("RCPT TO:<\"\(local.dropLast(2))\"@flxw.de>"),
                .init("RCPT TO:<\"\(local.dropLast(1))\"@flxw.de>", "501 5.1.3"),
                .same("MAIL FROM:<\(local)@example.org>"), .init("MAIL FROM:<l\(local)@example.org>", "501 5.1.7"),
                .init("MAIL FROM:<u@\(domain)e>", "501 5.1.7"),
                .init("RCPT TO:<\(String(repeating: "l", count: 2000))@flxw.de>", "501 5.1.3"),
            ], in: trial)
    }

    private static let internationalized = "ehlo: [PIPELINING, 8BITMIME, SMTPUTF8, ENHANCEDSTATUSCODES]"

    @Test("30: a domain is the same in both spellings, and goes on as it came; a local-part's normal forms are two")
    func internationalized() throws {
        var script = ScriptedBackend.Script()
        script.ehlo = everyExtension
        let trial = try EdgeTrial(
            script, listener: Self.internationalized,
            settings: """
                routes:
                  - recipients: ["b\u{FC}cher.example", "\u{E9}@exact.example"]
                    backends: ["127.0.0.1:2525"]
                """ + "\n" + Self.manyErrors)
        let mail = "MAIL FROM:<sender@example.org> SMTPUTF8"
        try self.tryAll(
            [
                .same("RCPT TO:<user@b\u{FC}cher.example>"), .same("RCPT TO:<user@xn--bcher-kva.example>"),
                .same("RCPT TO:<user@B\u{DC}CHER.example>"), .same("RCPT TO:<user@XN--BCHER-KVA.example>"),
                .same("RCPT TO:<\u{FC}ser@b\u{FC}cher.example>"), .same("RCPT TO:<user@bu\u{308}cher.example>"),
                .same("RCPT TO:<\u{E9}@exact.example>"), .init("RCPT TO:<e\u{301}@exact.example>", "550 5.7.1"),
                .init("RCPT TO:<user@bucher.example>", "550 5.7.1"),
                .init("RCPT TO:<user@\u{2E}\u{FF20}flxw.de>", "5"),
            ], mail: mail, in: trial)
        let dialogue = try trial.greeted()
        try dialogue.say("MAIL FROM:<s\u{E4}nder@example.org> SMTPUTF8", gets: "250")
        for octets in ["RCPT TO:<us\u{FF}r@flxw.de>", "RCPT TO:<us\u{C3}@flxw.de>", "RCPT TO:<\u{C0}\u{80}@flxw.de>"] {
            try dialogue.send(bytes: latin1(octets) + [0x0D, 0x0A])
            try dialogue.gets("501 5.6.7")
        }
        // What is not ASCII needs the parameter at MAIL.
        try dialogue.say("RSET", gets: "250")
        try dialogue.say("MAIL FROM:<sender@example.org>", gets: "250")
        try dialogue.say("RCPT TO:<user@b\u{FC}cher.example>", gets: "553 5.6.7")
        try dialogue.say("RCPT TO:<user@xn--bcher-kva.example>", gets: "250")
        try dialogue.quit()
    }

    @Test("31: SMTPUTF8 for a backend without it is refused at RCPT, with 550 5.6.7")
    func backendWithoutSMTPUTF8() throws {
        let trial = try EdgeTrial(.init(), listener: Self.internationalized)
        let dialogue = try trial.greeted()
        try dialogue.say("MAIL FROM:<s\u{E4}nder@example.org> SMTPUTF8", gets: "250")
        try dialogue.say("RCPT TO:<user@flxw.de>", gets: "550 5.6.7")
        try dialogue.say("DATA", gets: "554 5.5.1")
        try dialogue.say("RSET", gets: "250")
        // The parameter alone says that the header may need it (RFC 6531 section 3.5).
        try dialogue.say("MAIL FROM:<sender@example.org> SMTPUTF8", gets: "250")
        try dialogue.say("RCPT TO:<user@flxw.de>", gets: "550 5.6.7")
        try dialogue.say("RSET", gets: "250")
        try dialogue.say("VRFY \u{FC}ser", gets: "252")
        try dialogue.deliver("Subject: x\r\n\r\ny")
        try dialogue.quit()
        #expect(trial.messages(1).map(\.reversePath) == ["MAIL FROM:<sender@example.org>"])
        // (RSET: the connection went back to those that are kept, and came out again.)
        #expect(trial.commands == ["RSET", "MAIL FROM:<sender@example.org>", "RCPT TO:<user@flxw.de>", "DATA"])
    }

    @Test("32: xtext goes on as it came, and what is none is 501")
    func xtext() throws {
        var script = ScriptedBackend.Script()
        script.ehlo = everyExtension
        let trial = try EdgeTrial(
            script, Self.manyErrors, listener: "ehlo: [PIPELINING, DSN, ENHANCEDSTATUSCODES]")
        try self.tryAll(
            [
                .same("RCPT TO:<user@flxw.de> ORCPT=rfc822;user+2Bx@flxw.de"),
                .same("RCPT TO:<user@flxw.de> ORCPT=rfc822;a+3Db+20c@flxw.de"),
                .init("RCPT TO:<user@flxw.de> ORCPT=rfc822;a+3db@flxw.de", "501 5.5.4"),
                .init("RCPT TO:<user@flxw.de> ORCPT=rfc822;a+b@flxw.de", "501 5.5.4"),
                .init("RCPT TO:<user@flxw.de> ORCPT=rfc822;a+3", "501 5.5.4"),
                .init("RCPT TO:<user@flxw.de> ORCPT=rfc822;a=b@flxw.de", "501 5.5.4"),
                .init("RCPT TO:<user@flxw.de> ORCPT=rfc822;a+0D+0Ab@flxw.de", "501 5.5.4"),
                .init("RCPT TO:<user@flxw.de> ORCPT=rfc822;a+00@flxw.de", "501 5.5.4"),
                .init("RCPT TO:<user@flxw.de> ORCPT=user@flxw.de", "501 5.5.4"),
                .same("MAIL FROM:<sender@example.org> ENVID=id+2B1+3D2"),
                .init("MAIL FROM:<sender@example.org> ENVID=id+0D+0ARCPT", "501 5.5.4"),
                .init("MAIL FROM:<sender@example.org> ENVID=id+2b", "501 5.5.4"),
                .init("MAIL FROM:<sender@example.org> ENVID=" + String(repeating: "x", count: 101), "501 5.5.4"),
            ], in: trial)
    }

    @Test("33: parameters that are unknown or not offered are 555, one given twice is 501")
    func parameters() throws {
        let trial = try EdgeTrial(.init(), Self.manyErrors)
        let mail = "MAIL FROM:<sender@example.org>"
        let rcpt = "RCPT TO:<user@flxw.de>"
        try self.tryAll(
            [
                .init(mail + " FOO", "555 5.5.4"), .init(mail + " FOO=bar", "555 5.5.4"),
                .init(mail + " X-FOO=bar", "555 5.5.4"), .init(mail + " RET=FULL", "555 5.5.4"),
                .init(mail + " ENVID=1", "555 5.5.4"), .init(mail + " SMTPUTF8", "555 5.5.4"),
                .init(mail + " AUTH=<>", "555 5.5.4"), .init(mail + " BODY=BINARYMIME", "5"),
                .init(mail + " SIZE=1 SIZE=1", "501 5.5.4"), .init(mail + " SIZE=1 size=2", "501 5.5.4"),
                .init(mail + " BODY=7BIT BODY=8BITMIME", "501 5.5.4"), .init(mail + " BODY=9BIT", "501 5.5.4"),
                .init(mail + " BODY", "501 5.5.4"), .init(mail + " SIZE=", "501 5.5.4"),
                .init(mail + " SIZE=-1", "501 5.5.4"), .init(mail + " SIZE=1x", "501 5.5.4"),
                .init(mail + " =1", "501 5.5.4"), .init(mail + " SIZE=1 FOO", "555 5.5.4"),
                .init(mail + " SIZE==1", "501 5.5.4"), .init(mail + "SIZE=1", "501 5.1.7"),
                .init(mail + " size=10 body=8bitmime", "250", passes: mail + " BODY=8BITMIME"),
                .init(rcpt + " FOO", "555 5.5.4"), .init(rcpt + " NOTIFY=NEVER", "555 5.5.4"),
                .init(rcpt + " ORCPT=rfc822;user@flxw.de", "555 5.5.4"), .init(rcpt + " SIZE=1", "555 5.5.4"),
                .init(rcpt, "250", passes: rcpt),
            ], in: trial)
    }
}
