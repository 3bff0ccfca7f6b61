import SMTPCore
import Testing

private let mail = MailCommand(.mailbox(Mailbox(localPart: "a", domain: "b.example")))
private let recipient = RecipientCommand(.mailbox(Mailbox(localPart: "c", domain: "d.example")))
private let no = SMTPReply(550, .init(5, 1, 1), "no")

/// A session in which a recipient is being found out about.
private func resolving(
    limit: Int = 100, _ mail: MailCommand = mail, _ change: (inout ServerSessionConfiguration) -> Void = { _ in }
) -> ServerSession {
    var configuration = ServerSessionConfiguration(serverName: "mx.example")
    configuration.recipients = limit
    change(&configuration)
    var session = ServerSession(configuration: configuration, extendedReply: configuration.extendedReply)
    _ = session.receive(.ehlo("client.example"))
    _ = session.receive(.mail(mail))
    _ = session.receive(.rcpt(recipient))
    return session
}

@Suite struct ServerSessionRecipientsTests {
    @Test("Recipients that were named together are answered one by one, and DATA comes behind the last")
    func batch() {
        var session = resolving()
        #expect(session.isResolvingRecipients)
        #expect(session.join(recipient) == true)
        #expect(session.join(recipient) == true)
        #expect(session.recipientCompleted(no) == .reply(no))
        #expect(session.isResolvingRecipients)
        #expect(session.recipientCompleted(.ok) == .reply(.ok))
        // Even with answers outstanding one more may come.
        #expect(session.join(recipient) == true)
        #expect(session.recipientCompleted(no) == .reply(no))
        #expect(session.isResolvingRecipients)
        #expect(session.recipientCompleted(no) == .reply(no))
        #expect(!session.isResolvingRecipients)
        #expect(session.receive(.data) == .prepareMessage)
    }

    @Test("Where all of a batch are refused there is no message")
    func allRefused() {
        var session = resolving()
        #expect(session.join(recipient) == true)
        for _ in 0..<2 { _ = session.recipientCompleted(no) }
        #expect(session.receive(.data) == .reply(.noValidRecipients))
    }

    @Test("The limit counts those that may yet be accepted, and refuses none that need not be", arguments: 1...4)
    func limit(limit: Int) {
        var session = resolving(limit: limit)
        var joined = 1
        while session.join(recipient) { joined += 1 }
        #expect(joined == limit)
        // One is refused: there is room for one more, by itself or in the next batch.
        for index in 0..<joined { _ = session.recipientCompleted(index == 0 ? no : .ok) }
        #expect(session.receive(.rcpt(recipient)) == .resolveRecipient(recipient))
        #expect(session.join(recipient) == false)
        _ = session.recipientCompleted(.ok)
        #expect(session.receive(.rcpt(recipient)) == .reply(.tooManyRecipients))
    }

    @Test("A recipient that the session itself refuses joins nobody")
    func refused() {
        var session = resolving { $0.extensions.remove(.dsn) }
        var notified = recipient
        notified.notify = .failure
        #expect(session.join(notified) == false)
        #expect(session.join(RecipientCommand(.mailbox(Mailbox(localPart: "ü", domain: "d.example")))) == false)
        #expect(session.join(recipient) == true)
        for _ in 0..<2 { _ = session.recipientCompleted(.ok) }
        #expect(session.receive(.rcpt(notified)) == .reply(.unknownParameter))
    }

    @Test("Nobody joins where no recipient is waited for")
    func elsewhere() {
        for situation in Situation.allCases {
            var session = situation.session()
            #expect(session.join(recipient) == false)
            #expect(!session.isResolvingRecipients)
        }
    }

    @Test("A denial that closes the session ends it for those behind it as well")
    func closing() {
        var session = resolving()
        #expect(session.join(recipient) == true)
        #expect(session.recipientCompleted(no, closing: true) == .replyAndClose(no))
        #expect(!session.isResolvingRecipients)
        #expect(session.join(recipient) == false)
    }
}
