import SMTPCore
import Testing

private let reversePath = ReversePath.mailbox(Mailbox(localPart: "a", domain: "b.example"))
private let path = recipient("c")
private let ok = SMTPReply(250, nil, "OK")
private let later = SMTPReply(451, .init(4, 2, 2), "later")
private let no = SMTPReply(550, .init(5, 1, 1), "no")
private let go = SMTPReply(354, nil, "go")

private func recipient(_ localPart: String) -> RecipientCommand {
    RecipientCommand(.mailbox(Mailbox(localPart: localPart, domain: "d.example")))
}

private func mail(_ change: (inout MailCommand) -> Void = { _ in }) -> MailCommand {
    var mail = MailCommand(reversePath)
    change(&mail)
    return mail
}

private func ready(_ extensions: [String], _ policy: EnvelopePolicy = EnvelopePolicy()) -> ClientSession {
    var session = ClientSession(name: "relay.example", policy: policy)
    _ = session.receive(SMTPReply(220, nil, "hello"))
    _ = session.receive(SMTPReply(250, nil, lines: ["backend"] + extensions))
    return session
}

/// The lines that a session sends for a transaction to a server with these extensions.
private func sent(_ mail: MailCommand, _ recipient: RecipientCommand = path, _ extensions: String...) -> String {
    var session = ready(extensions + ["PIPELINING"])
    guard case .send(let commands) = session.begin(mail, recipient) else { return "" }
    return commands.map(\.line).joined()
}

@Suite struct BackendEnvelopeEdgeCases {
    @Test("31: SMTPUTF8 goes on where the backend has it, and is 550 5.6.7 to RCPT where not, before anything is sent")
    func smtpUTF8() {
        let utf8 = mail { $0.usesSMTPUTF8 = true }
        var able = ready(["SMTPUTF8", "PIPELINING"])
        #expect(able.begin(utf8, path) == .send([.mail(utf8), .rcpt(path)]))
        var session = ready(["PIPELINING"])
        #expect(session.begin(utf8, [path, path]) == .refused(.needsSMTPUTF8, recipients: 2))
        #expect(SMTPReply.needsSMTPUTF8.description.hasPrefix("550 5.6.7 "))
        // Nothing was sent, so there is nothing to reset.
        #expect(session.isIdle)
        #expect(session.begin(mail(), path) == .send([.mail(mail()), .rcpt(path)]))
    }

    @Test("31: an address that is not ASCII needs SMTPUTF8, whatever MAIL said of it")
    func addresses() {
        var session = ready(["PIPELINING"])
        let sender = MailCommand(.mailbox(Mailbox(localPart: "ä", domain: "b.example")))
        #expect(session.begin(sender, path) == .refused(.needsSMTPUTF8, recipients: 1))
        #expect(session.begin(mail(), recipient("ä")) == .refused(.needsSMTPUTF8, recipients: 1))
        _ = session.begin(mail(), path)
        _ = session.receive(ok)
        _ = session.receive(ok)
        #expect(session.recipient(recipient("ä")) == .refused(.needsSMTPUTF8, recipients: 1))
        #expect(session.isOpen)
        #expect(session.data() == .send([.data]))
    }

    @Test("39: DSN parameters go to a backend with DSN, and to no other")
    func dsn() {
        let command = mail {
            $0.returnContent = .headers
            $0.envelopeID = "QQ314159"
        }
        var wanted = path
        wanted.notify = [.success, .failure]
        wanted.originalRecipient = "rfc822;c@d.example"
        var session = ready(["DSN", "PIPELINING"])
        #expect(session.begin(command, wanted) == .send([.mail(command), .rcpt(wanted)]))
        var lacking = ready(["PIPELINING"])
        #expect(lacking.begin(command, wanted) == .send([.mail(mail()), .rcpt(path)]))
        _ = lacking.receive(ok)
        _ = lacking.receive(ok)
        #expect(lacking.recipient(wanted) == .send([.rcpt(path)]))
    }

    @Test("42: SIZE goes to a backend that announced it, however small its bound is")
    func size() {
        let command = mail { $0.size = 2000 }
        #expect(sent(command, path, "SIZE 1000").hasPrefix("MAIL FROM:<a@b.example> SIZE=2000\r\n"))
        #expect(sent(command).hasPrefix("MAIL FROM:<a@b.example>\r\n"))
    }

    @Test("45: BODY goes to a backend with 8BITMIME; to another the message goes without it, or not at all, by policy")
    func eightBit() {
        for body in [MailCommand.Body.eightBitMIME, .sevenBit] {
            let command = mail { $0.body = body }
            #expect(sent(command, path, "8BITMIME").hasPrefix("MAIL FROM:<a@b.example> BODY=\(body.rawValue)\r\n"))
            #expect(sent(command).hasPrefix("MAIL FROM:<a@b.example>\r\n"))
        }
        let command = mail { $0.body = .eightBitMIME }
        var strict = ready([], EnvelopePolicy(eightBit: .refuse))
        #expect(strict.begin(command, path) == .refused(.needsConversion, recipients: 1))
        #expect(SMTPReply.needsConversion.description.hasPrefix("554 5.6.3 "))
        #expect(strict.begin(mail { $0.body = .sevenBit }, path) == .send([.mail(mail())]))
        var able = ready(["8BITMIME"], EnvelopePolicy(eightBit: .refuse))
        #expect(able.begin(command, path) == .send([.mail(command)]))
    }

    @Test("44, 45: BODY=BINARYMIME goes to no backend, since messages go on by DATA")
    func binary() {
        var session = ready(["8BITMIME", "CHUNKING", "BINARYMIME"])
        #expect(
            session.begin(mail { $0.body = .binaryMIME }, path) == .refused(.needsConversion, recipients: 1))
    }

    @Test("33: AUTH= goes to a backend that announced AUTH, and to no other")
    func authorization() {
        let command = mail { $0.authorization = "<>" }
        var session = ready(["AUTH PLAIN"])
        #expect(session.begin(command, path) == .send([.mail(command)]))
        var lacking = ready([])
        #expect(lacking.begin(command, path) == .send([.mail(mail())]))
    }
}

@Suite struct BackendSessionEdgeCases {
    @Test("21: 421 at any place ends the session, and is no recipient's own answer")
    func closing() {
        let bye = SMTPReply(421, nil, "bye")
        let failure = ClientSession.Action.fail(ClientSessionError(code: .serviceClosing, reply: bye))
        for answers in 0...4 {
            var session = ready(["PIPELINING"])
            _ = session.begin(mail(), [path, path, path])
            for _ in 0..<answers where session.awaited != .nothing { _ = session.receive(ok) }
            #expect(session.receive(bye) == failure, "after \(answers) answers")
        }
    }

    @Test("37: with no recipient accepted there is no DATA: the session is open, and an accepted one is what it needs")
    func onlyRefused() {
        var session = ready(["PIPELINING"])
        _ = session.begin(mail(), [path, path])
        _ = session.receive(ok)
        #expect(session.receive(no) == .answered(.recipient, no))
        #expect(session.receive(later) == .answered(.recipient, later))
        #expect(session.isOpen)
        #expect(session.recipient(path) == .send([.rcpt(path)]))
        #expect(session.receive(ok) == .answered(.recipient, ok))
        #expect(session.data() == .send([.data]))
    }

    @Test("38: each recipient of a batch has its own answer, in order, pipelined or not", arguments: [true, false])
    func partial(pipelining: Bool) {
        var session = ready(pipelining ? ["PIPELINING"] : [])
        let batch = [recipient("one"), recipient("two"), recipient("three")]
        var action = session.begin(mail(), batch)
        var commands = 0
        var answers: [SMTPReply] = []
        var replies = [ok, no, later, ok][...]
        while true {
            switch action {
            case .send(let sent): commands += sent.count
            case .answered(_, let reply): answers.append(reply)
            case .answeredAndSend(_, let reply, _):
                answers.append(reply)
                commands += 1
            case .wait: break
            case .ready, .refused, .startTLS, .fail: Issue.record("\(action)")
            }
            guard let reply = replies.popFirst() else { break }
            action = session.receive(reply)
        }
        #expect(answers == [no, later, ok])
        #expect(commands == 4)
        #expect(session.isOpen)
    }

    @Test("40: 354 comes from the backend, and its refusal of DATA goes on as it is", arguments: [later, no, go])
    func data(reply: SMTPReply) {
        var session = ready(["PIPELINING"])
        _ = session.begin(mail(), path)
        _ = session.receive(ok)
        _ = session.receive(ok)
        _ = session.data()
        #expect(session.receive(reply) == .answered(.data, reply))
        #expect(session.isOpen == (reply != go))
    }

    @Test("53: a backend without PIPELINING gets one command at a time; with it, one write")
    func pipelining() {
        let batch = [path, path]
        var able = ready(["PIPELINING"])
        #expect(able.begin(mail(), batch) == .send([.mail(mail()), .rcpt(path), .rcpt(path)]))
        _ = able.receive(ok)
        _ = able.receive(ok)
        _ = able.receive(ok)
        #expect(able.recipients(batch) == .send([.rcpt(path), .rcpt(path)]))
        var lacking = ready([])
        #expect(lacking.begin(mail(), batch) == .send([.mail(mail())]))
        #expect(lacking.receive(ok) == .send([.rcpt(path)]))
        #expect(lacking.receive(ok) == .answeredAndSend(.recipient, ok, .rcpt(path)))
        #expect(lacking.receive(ok) == .answered(.recipient, ok))
        #expect(lacking.recipients(batch) == .send([.rcpt(path)]))
        #expect(lacking.receive(no) == .answeredAndSend(.recipient, no, .rcpt(path)))
        #expect(lacking.receive(ok) == .answered(.recipient, ok))
    }

    @Test("53: replies are counted: one too many ends the session")
    func surplus() {
        var session = ready(["PIPELINING"])
        _ = session.begin(mail(), [path, path])
        for _ in 0..<3 { _ = session.receive(ok) }
        #expect(session.receive(ok) == .fail(ClientSessionError(code: .unexpectedReply, reply: ok)))
    }

    @Test("54: after STARTTLS everything learnt in clear is forgotten, and EHLO comes again")
    func startTLS() {
        var session = ready(["STARTTLS", "PIPELINING", "AUTH PLAIN", "SIZE 10"])
        #expect(session.serverNames == ["hello", "backend"])
        #expect(session.startTLS() == .send([.startTLS]))
        #expect(session.receive(SMTPReply(220, nil, "go")) == .startTLS)
        #expect(session.capabilities == ServerCapabilities())
        #expect(session.serverNames == [])
        #expect(!session.isIdle)
        #expect(session.tlsEstablished() == .send([.ehlo("relay.example")]))
        #expect(session.receive(SMTPReply(250, lines: ["inner", "8BITMIME"])) == .ready)
        #expect(session.extensions == .eightBitMIME)
        #expect(session.isIdle)
    }

    @Test("68: a refused STARTTLS is an answer, and the session is as it was", arguments: [later, no])
    func refusedTLS(reply: SMTPReply) {
        var session = ready(["STARTTLS"])
        _ = session.startTLS()
        #expect(session.receive(reply) == .answered(.startTLS, reply))
        #expect(session.isIdle)
    }

    @Test(
        "70: 251 and 252 are good answers to RCPT, 551 is a bad one, and all go on as they are",
        arguments: [251, 252, 551])
    func forwarded(code: UInt16) {
        var session = ready(["PIPELINING"])
        _ = session.begin(mail(), path)
        _ = session.receive(ok)
        let reply = SMTPReply(code, nil, "x")
        #expect(session.receive(reply) == .answered(.recipient, reply))
        #expect(session.isOpen)
        #expect(reply.isPositiveCompletion == (code != 551))
    }

    @Test("70: 2yz to DATA and 354 to anything else are protocol errors")
    func protocolErrors() {
        let opened = {
            var session = ready(["PIPELINING"])
            _ = session.begin(mail(), path)
            _ = session.receive(ok)
            _ = session.receive(ok)
            return session
        }
        for code: UInt16 in [200, 250, 251, 299] {
            var session = opened()
            _ = session.data()
            let reply = SMTPReply(code, nil, "x")
            #expect(session.receive(reply) == .fail(ClientSessionError(code: .unexpectedReply, reply: reply)))
        }
        for answers in 0...1 {
            var session = ready(["PIPELINING"])
            _ = session.begin(mail(), path)
            for _ in 0..<answers { _ = session.receive(ok) }
            #expect(session.receive(go) == .fail(ClientSessionError(code: .unexpectedReply, reply: go)))
        }
        var idle = ready([])
        #expect(idle.receive(go) == .fail(ClientSessionError(code: .unexpectedReply, reply: go)))
    }
}
