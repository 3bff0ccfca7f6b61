import SMTPCore
import Testing

private let mail = MailCommand(.mailbox(Mailbox(localPart: "a", domain: "b.example")), size: 10, body: .eightBitMIME)
private let bareMail = MailCommand(mail.reversePath)
private let path = RecipientCommand(.mailbox(Mailbox(localPart: "c", domain: "d.example")))
private let ok = SMTPReply(250, nil, "OK")
private let later = SMTPReply(451, nil, "later")
private let no = SMTPReply(550, .init(5, 1, 1), "no")
private let go = SMTPReply(354, nil, "go")
private let closing = SMTPReply(421, nil, "closing")

/// A session whose server greeted and announced these.
private func ready(_ extensions: [String] = ["PIPELINING", "SIZE 1000", "8BITMIME"]) -> ClientSession {
    var session = ClientSession(name: "relay.example")
    _ = session.receive(SMTPReply(220, nil, "hello"))
    _ = session.receive(SMTPReply(250, nil, lines: ["backend"] + extensions))
    return session
}

private func open(_ extensions: [String] = ["PIPELINING"]) -> ClientSession {
    var session = ready(extensions)
    _ = session.begin(mail, path)
    _ = session.receive(ok)
    _ = session.receive(ok)
    return session
}

private func failure(_ code: ClientSessionError.Code, _ reply: SMTPReply) -> ClientSession.Action {
    .fail(ClientSessionError(code: code, reply: reply))
}

@Suite struct ClientSessionTests {
    @Test("A session begins with the greeting and EHLO")
    func handshake() {
        var session = ClientSession(name: "relay.example")
        #expect(session.receive(SMTPReply(220, nil, "hello")) == .send([.ehlo("relay.example")]))
        #expect(!session.isIdle)
        #expect(session.receive(SMTPReply(250, nil, lines: ["backend", "pipelining", "SIZE"])) == .ready)
        #expect(session.isIdle)
        #expect(session.extensions == [.pipelining, .size])
    }

    @Test("A server that knows no EHLO gets HELO")
    func hello() {
        var session = ClientSession(name: "relay.example")
        _ = session.receive(SMTPReply(220, nil, "hello"))
        #expect(session.receive(SMTPReply(502, nil, "what")) == .send([.helo("relay.example")]))
        #expect(session.receive(ok) == .ready)
        #expect(session.extensions == [])
    }

    @Test("A server that does not want us ends the session", arguments: [554, 421, 250, 354])
    func refusedGreeting(code: UInt16) {
        var session = ClientSession(name: "relay.example")
        let reply = SMTPReply(code, nil, "x")
        #expect(session.receive(reply) == failure(code == 421 ? .serviceClosing : .refusedSession, reply))
    }

    @Test("EHLO and HELO refused end the session")
    func refusedHello() {
        var session = ClientSession(name: "relay.example")
        _ = session.receive(SMTPReply(220, nil, "hello"))
        var other = session
        #expect(session.receive(later) == failure(.refusedSession, later))
        _ = other.receive(no)
        #expect(other.receive(no) == failure(.refusedSession, no))
    }

    @Test("A server that pipelines gets MAIL and RCPT in one write")
    func pipelined() {
        var session = ready()
        #expect(session.begin(mail, path) == .send([.mail(mail), .rcpt(path)]))
        #expect(session.receive(ok) == .wait)
        #expect(session.receive(ok) == .answered(.recipient, ok))
        #expect(session.isOpen)
    }

    @Test("A server that does not gets one command at a time, and only the parameters that it knows")
    func oneByOne() {
        var session = ready([])
        #expect(session.begin(mail, path) == .send([.mail(bareMail)]))
        #expect(session.receive(ok) == .send([.rcpt(path)]))
        #expect(session.receive(ok) == .answered(.recipient, ok))
        #expect(session.isOpen)
    }

    @Test(
        "A refused MAIL answers the recipient, pipelined or not, and RSET precedes the next one",
        arguments: [true, false])
    func refusedMail(pipelining: Bool) {
        var session = ready(pipelining ? ["PIPELINING"] : [])
        _ = session.begin(mail, path)
        if pipelining { #expect(session.receive(no) == .wait) }
        let answer = pipelining ? SMTPReply(503, nil, "no MAIL") : no
        #expect(session.receive(answer) == (pipelining ? .answered(.recipient, no) : .refused(no, recipients: 1)))
        #expect(session.isIdle)
        if pipelining {
            #expect(session.begin(mail, path) == .send([.rset, .mail(bareMail), .rcpt(path)]))
        } else {
            #expect(session.begin(mail, path) == .send([.rset]))
            #expect(session.receive(ok) == .send([.mail(bareMail)]))
            #expect(session.receive(ok) == .send([.rcpt(path)]))
        }
    }

    @Test("A refused recipient leaves the transaction open for others", arguments: [later, no])
    func refusedRecipient(reply: SMTPReply) {
        var session = ready(["PIPELINING"])
        _ = session.begin(mail, path)
        _ = session.receive(ok)
        #expect(session.receive(reply) == .answered(.recipient, reply))
        #expect(session.recipient(path) == .send([.rcpt(path)]))
        #expect(session.receive(ok) == .answered(.recipient, ok))
    }

    @Test("251 and 252 are good answers to RCPT", arguments: [251, 252])
    func otherPositive(code: UInt16) {
        var session = ready(["PIPELINING"])
        _ = session.begin(mail, path)
        _ = session.receive(ok)
        #expect(session.receive(SMTPReply(code, nil, "x")) == .answered(.recipient, SMTPReply(code, nil, "x")))
    }

    @Test(
        "A message: DATA, 354, the dot, the answer, and the next transaction without RSET", arguments: [ok, later, no])
    func message(answer: SMTPReply) {
        var session = open()
        #expect(session.data() == .send([.data]))
        #expect(session.receive(go) == .answered(.data, go))
        session.messageSent()
        #expect(session.receive(answer) == .answered(.message, answer))
        #expect(session.begin(mail, path) == .send([.mail(bareMail), .rcpt(path)]))
    }

    @Test("421 to the final dot is the message's answer, not a failure without one")
    func closingAtTheDot() {
        var session = open()
        _ = session.data()
        _ = session.receive(go)
        session.messageSent()
        #expect(session.receive(closing) == .answered(.message, closing))
    }

    @Test("A refused DATA is passed on and the transaction stays")
    func refusedData() {
        var session = open()
        _ = session.data()
        #expect(session.receive(no) == .answered(.data, no))
        #expect(session.isOpen)
    }

    @Test("A transaction that was given up is reset with the next one")
    func abandoned() {
        var session = open()
        session.abandon()
        #expect(session.begin(mail, path) == .send([.rset, .mail(bareMail), .rcpt(path)]))
        #expect(session.receive(ok) == .wait)
        #expect(session.receive(ok) == .wait)
        #expect(session.receive(ok) == .answered(.recipient, ok))
    }

    @Test("A reply that cannot be ends the session: 354 to RCPT, 250 to DATA, anything unasked")
    func unexpected() {
        var recipient = open()
        _ = recipient.recipient(path)
        #expect(recipient.receive(go) == failure(.unexpectedReply, go))
        var opening = ready(["PIPELINING"])
        _ = opening.begin(mail, path)
        #expect(opening.receive(go) == failure(.unexpectedReply, go))
        var data = open()
        _ = data.data()
        #expect(data.receive(ok) == failure(.unexpectedReply, ok))
        var dot = open()
        _ = dot.data()
        _ = dot.receive(go)
        dot.messageSent()
        #expect(dot.receive(go) == failure(.unexpectedReply, go))
        var idle = ready()
        #expect(idle.receive(ok) == failure(.unexpectedReply, ok))
        var waiting = open()
        #expect(waiting.receive(ok) == failure(.unexpectedReply, ok))
        var reset = open()
        reset.abandon()
        _ = reset.begin(mail, path)
        #expect(reset.receive(no) == failure(.unexpectedReply, no))
        #expect(reset.receive(ok) == failure(.unexpectedReply, ok))
    }

    @Test("A reply in the middle of the message ends the session", arguments: [ok, later, no])
    func early(reply: SMTPReply) {
        var session = open()
        _ = session.data()
        _ = session.receive(go)
        #expect(session.receive(reply) == failure(.earlyReply, reply))
    }

    @Test("421 ends the session wherever it comes")
    func serviceClosing() {
        var idle = ready()
        #expect(idle.receive(closing) == failure(.serviceClosing, closing))
        var opening = ready()
        _ = opening.begin(mail, path)
        #expect(opening.receive(closing) == failure(.serviceClosing, closing))
        var data = open()
        _ = data.data()
        #expect(data.receive(closing) == failure(.serviceClosing, closing))
        var message = open()
        _ = message.data()
        _ = message.receive(go)
        #expect(message.receive(closing) == failure(.serviceClosing, closing))
    }

    @Test("Whatever answers QUIT, nothing comes of it", arguments: [SMTPReply(221, nil, "bye"), closing, no])
    func quit(reply: SMTPReply) {
        var session = ready()
        #expect(session.quit() == .send([.quit]))
        #expect(session.receive(reply) == .wait)
    }

    @Test(
        "Commands have their wire form",
        arguments: [
            (ClientCommand.ehlo("r"), "EHLO r\r\n"), (.helo("r"), "HELO r\r\n"), (.rset, "RSET\r\n"),
            (.data, "DATA\r\n"), (.startTLS, "STARTTLS\r\n"),
            (.quit, "QUIT\r\n"), (.mail(mail), "MAIL FROM:<a@b.example> SIZE=10 BODY=8BITMIME\r\n"),
            (.mail(MailCommand(.null)), "MAIL FROM:<>\r\n"), (.rcpt(path), "RCPT TO:<c@d.example>\r\n"),
            (.rcpt(RecipientCommand(.postmaster)), "RCPT TO:<Postmaster>\r\n"),
        ])
    func wireForm(command: ClientCommand, line: String) {
        #expect(command.line == line)
    }
}
