import NIOCore
import Relay
import Routing
import SMTPCore
import SMTPNIO
import Testing

private let mail = MailCommand(.mailbox(Mailbox(localPart: "a", domain: "b.example")))
private let ok = SMTPReply(250, .init(2, 0, 0), "OK")
private let go = SMTPReply(354, nil, "End data with <CR><LF>.<CR><LF>")
private let no = SMTPReply(550, .init(5, 1, 1), "no")

private func path(_ text: String) -> ForwardPath {
    let parts = text.split(separator: "@")
    return .mailbox(Mailbox(localPart: String(parts[0]), domain: String(parts[1])))
}

private func recipient(_ text: String) -> RecipientCommand { RecipientCommand(path(text)) }

private func group(_ name: String, port: UInt16 = 2525) -> Destination {
    .group(BackendGroup(name: name, backends: [Backend(.ip(.v4(0x7F00_0001), port: port))]))
}

private func server(_ port: Int, group: String? = nil, lookup: Int? = nil) -> Destination {
    guard let address = try? SocketAddress(ipAddress: "127.0.0.1", port: port) else {
        preconditionFailure("an address")
    }
    return .server(address, group: group, lookup: lookup)
}

extension RelayTransaction {
    /// It goes there, and the client has named no other.
    fileprivate mutating func forwarded(_ destination: Destination) -> Action {
        let action = self.decided(.forward(destination))
        return action == .gather ? self.gathered() : action
    }
}

/// A transaction whose recipient `text` was forwarded and accepted.
private func accepted(_ text: String = "c@d.example", _ destination: Destination = group("app")) -> RelayTransaction {
    var transaction = RelayTransaction()
    transaction.began(mail)
    _ = transaction.recipient(recipient(text))
    _ = transaction.forwarded(destination)
    _ = transaction.connected()
    _ = transaction.answered(.recipient, ok, isOpen: true)
    return transaction
}

private func sending() -> RelayTransaction {
    var transaction = accepted()
    _ = transaction.dataRequested()
    _ = transaction.answered(.data, go, isOpen: false)
    return transaction
}

@Suite struct RelayTransactionTests {
    @Test("A message goes through, and the next transaction uses the same leg")
    func delivered() {
        var transaction = RelayTransaction()
        transaction.began(mail)
        #expect(transaction.recipient(recipient("c@d.example")) == .decide(recipient("c@d.example")))
        #expect(transaction.forwarded(group("app")) == .connect(group("app")))
        #expect(transaction.isWaiting)
        #expect(transaction.connected() == .begin(mail, [recipient("c@d.example")]))
        #expect(transaction.answered(.recipient, ok, isOpen: true) == .answer(.recipient(ok, closing: false)))
        #expect(transaction.dataRequested() == .prepareMessage)
        #expect(transaction.answered(.data, go, isOpen: false) == .answer(.data(go)))
        #expect(transaction.isSending && !transaction.isWaiting)
        #expect(transaction.messageEnded() == .endMessage)
        #expect(transaction.answered(.message, ok, isOpen: false) == .answer(.message(ok)))
        transaction.began(mail)
        _ = transaction.recipient(recipient("e@d.example"))
        #expect(transaction.forwarded(group("app")) == .begin(mail, [recipient("e@d.example")]))
    }

    @Test("The next transaction to elsewhere takes leave of the leg")
    func elsewhereNext() {
        var transaction = accepted()
        #expect(transaction.reset() == .abandonTransaction)
        transaction.began(mail)
        _ = transaction.recipient(recipient("c@e.example"))
        #expect(transaction.forwarded(group("other", port: 2526)) == .connect(group("other", port: 2526)))
    }

    @Test("After a reload the next transaction has a leg of its own, to where the group is now")
    func reloaded() {
        var transaction = sending()
        _ = transaction.messageEnded()
        _ = transaction.answered(.message, ok, isOpen: false)
        #expect(transaction.legOutdated() == .leaveLeg)
        #expect(transaction.legOutdated() == .none)
        transaction.began(mail)
        _ = transaction.recipient(recipient("e@d.example"))
        #expect(transaction.forwarded(group("app", port: 2526)) == .connect(group("app", port: 2526)))
    }

    @Test("A recipient of another group gets 452; one of the same, or of the same backends, goes along")
    func otherGroup() {
        var transaction = accepted()
        _ = transaction.recipient(recipient("x@e.example"))
        #expect(
            transaction.forwarded(group("other", port: 2526))
                == .answer(.recipient(.oneDestination, closing: false)))
        _ = transaction.recipient(recipient("x@f.example"))
        #expect(transaction.forwarded(group("app")) == .addRecipients([recipient("x@f.example")]))
        _ = transaction.answered(.recipient, ok, isOpen: true)
        _ = transaction.recipient(recipient("x@g.example"))
        #expect(transaction.forwarded(group("alias")) == .addRecipients([recipient("x@g.example")]))
    }

    @Test("A recipient that its backend refuses fixes nothing")
    func refusedFixesNothing() {
        var transaction = RelayTransaction()
        transaction.began(mail)
        _ = transaction.recipient(recipient("c@d.example"))
        _ = transaction.forwarded(group("app"))
        _ = transaction.connected()
        #expect(transaction.answered(.recipient, no, isOpen: true) == .answer(.recipient(no, closing: false)))
        _ = transaction.recipient(recipient("x@e.example"))
        #expect(transaction.forwarded(group("other", port: 2526)) == .connect(group("other", port: 2526)))
    }

    @Test("After a refused MAIL the next recipient begins the backend's transaction anew")
    func refusedMail() {
        var transaction = RelayTransaction()
        transaction.began(mail)
        _ = transaction.recipient(recipient("c@d.example"))
        _ = transaction.forwarded(group("app"))
        _ = transaction.connected()
        _ = transaction.answered(.recipient, no, isOpen: false)
        _ = transaction.recipient(recipient("e@d.example"))
        #expect(transaction.forwarded(group("app")) == .begin(mail, [recipient("e@d.example")]))
    }

    @Test("A lookup that names another server for a domain already accepted is a verdict only")
    func lookupVerdict() {
        var transaction = accepted("c@d.example", server(2525))
        _ = transaction.recipient(recipient("e@D.example"))
        #expect(transaction.forwarded(server(2526)) == .addRecipients([recipient("e@D.example")]))
    }

    @Test("Another domain with another server gets 452, unless both answers name one group")
    func lookupOtherDomain() {
        var transaction = accepted("c@d.example", server(2525))
        _ = transaction.recipient(recipient("x@e.example"))
        #expect(transaction.forwarded(server(2526)) == .answer(.recipient(.oneDestination, closing: false)))
        _ = transaction.recipient(recipient("x@e.example"))
        #expect(transaction.forwarded(server(2525)) == .addRecipients([recipient("x@e.example")]))
        var grouped = accepted("c@d.example", server(2525, group: "app"))
        _ = grouped.recipient(recipient("x@e.example"))
        #expect(grouped.forwarded(server(2526, group: "app")) == .addRecipients([recipient("x@e.example")]))
        var other = accepted("c@d.example", server(2525, group: "app"))
        _ = other.recipient(recipient("x@e.example"))
        #expect(
            other.forwarded(server(2526, group: "web")) == .answer(.recipient(.oneDestination, closing: false)))
    }

    @Test(
        "What another lookup answers is another destination, whatever the domain and the group, unless the server is one"
    )
    func otherLookup() {
        for (domain, group) in [("d.example", nil), ("e.example", "app")] {
            var transaction = accepted("c@d.example", server(2525, group: group))
            _ = transaction.recipient(recipient("x@\(domain)"))
            #expect(
                transaction.forwarded(server(2526, group: group, lookup: 0))
                    == .answer(.recipient(.oneDestination, closing: false)))
            _ = transaction.recipient(recipient("y@\(domain)"))
            #expect(
                transaction.forwarded(server(2525, group: group, lookup: 0))
                    == .addRecipients([recipient("y@\(domain)")]))
        }
    }

    @Test("A domain that another lookup led to the same server is none of the first one's")
    func otherLookupsDomain() {
        var transaction = accepted("c@d.example", server(2525))
        _ = transaction.recipient(recipient("x@e.example"))
        _ = transaction.forwarded(server(2525, lookup: 0))
        _ = transaction.answered(.recipient, ok, isOpen: true)
        _ = transaction.recipient(recipient("y@e.example"))
        #expect(transaction.forwarded(server(2526)) == .answer(.recipient(.oneDestination, closing: false)))
        _ = transaction.recipient(recipient("y@d.example"))
        #expect(transaction.forwarded(server(2526)) == .addRecipients([recipient("y@d.example")]))
    }

    @Test("A denial closes the session only while no recipient has been accepted")
    func denial() {
        var first = RelayTransaction()
        first.began(mail)
        _ = first.recipient(recipient("c@d.example"))
        #expect(first.decided(.refuse(no, closing: true)) == .answer(.recipient(no, closing: true)))
        var second = accepted()
        _ = second.recipient(recipient("x@e.example"))
        #expect(second.decided(.refuse(no, closing: true)) == .answer(.recipient(no, closing: false)))
        // 421 would say that the session closes, and it does not.
        _ = second.recipient(recipient("y@e.example"))
        let bye = SMTPReply(421, .init(4, 7, 0), "bye")
        let later = SMTPReply(451, .init(4, 7, 0), "bye")
        #expect(second.decided(.refuse(bye, closing: true)) == .answer(.recipient(later, closing: false)))
    }

    @Test("A backend that cannot be reached is 451 4.4.1, and the next recipient tries again")
    func unreachable() {
        var transaction = RelayTransaction()
        transaction.began(mail)
        for name in ["c@d.example", "e@d.example"] {
            _ = transaction.recipient(recipient(name))
            #expect(transaction.forwarded(group("app")) == .connect(group("app")))
            #expect(
                transaction.failed(.unreachable, alternative: .none)
                    == .closeLegAndAnswer(.recipient(.backendUnreachable, closing: false)))
        }
    }

    @Test("A leg lost between commands loses the accepted recipients: 451 until the transaction ends")
    func lostBetweenCommands() {
        var transaction = accepted()
        #expect(transaction.failed(.session(.closed), alternative: .none) == .closeLeg)
        #expect(transaction.recipient(recipient("e@d.example")) == .answer(.recipient(.backendLost, closing: false)))
        #expect(transaction.dataRequested() == .answer(.data(.backendLost)))
        transaction.began(mail)
        #expect(transaction.recipient(recipient("e@d.example")) == .decide(recipient("e@d.example")))
    }

    @Test("A leg lost at each step: 4xx, whatever happened")
    func lostAtEachStep() {
        var asking = accepted()
        _ = asking.recipient(recipient("e@d.example"))
        _ = asking.forwarded(group("app"))
        #expect(
            asking.failed(.session(.closed), alternative: .none)
                == .closeLegAndAnswer(.recipient(.backendLost, closing: false)))
        var deciding = accepted()
        _ = deciding.recipient(recipient("e@d.example"))
        #expect(
            deciding.failed(.session(.closed), alternative: .none)
                == .closeLegAndAnswer(.recipient(.backendLost, closing: false)))
        #expect(deciding.forwarded(group("app")) == .none)
        var preparing = accepted()
        _ = preparing.dataRequested()
        #expect(preparing.failed(.timeout, alternative: .none) == .closeLegAndAnswer(.data(.backendLost)))
        var message = sending()
        #expect(message.failed(.session(.closed), alternative: .none) == .closeLeg)
        #expect(!message.isSending)
        #expect(message.messageEnded() == .answer(.message(.backendLost)))
        var dot = sending()
        _ = dot.messageEnded()
        #expect(dot.failed(.session(.closed), alternative: .none) == .closeLegAndAnswer(.message(.ambiguous)))
    }

    @Test("What a backend's failure tells the client")
    func failureReplies() {
        let refusal = SMTPReply(554, .init(5, 7, 1), "go away")
        for (code, reply, expected) in [
            (ClientSessionError.Code.refusedSession, refusal, SMTPReply.backendRefused),
            (.unexpectedReply, ok, .backendRefused),
            (.serviceClosing, SMTPReply(421, nil, "bye"), SMTPReply(451, .init(4, 3, 0), "bye")),
        ] {
            var transaction = accepted()
            _ = transaction.dataRequested()
            #expect(
                transaction.failed(.session(.session(ClientSessionError(code: code, reply: reply))), alternative: .none)
                    == .closeLegAndAnswer(.data(expected)))
        }
        var message = sending()
        let tooBig = SMTPReply(552, .init(5, 3, 4), "too big")
        _ = message.failed(.session(.session(ClientSessionError(code: .earlyReply, reply: tooBig))), alternative: .none)
        #expect(message.messageEnded() == .answer(.message(tooBig)))
        var early = sending()
        _ = early.failed(.session(.session(ClientSessionError(code: .earlyReply, reply: ok))), alternative: .none)
        #expect(early.messageEnded() == .answer(.message(.backendLost)))
    }

    @Test("421 to the message is 451 to the client, and the leg is closed")
    func closingAnswer() {
        var transaction = sending()
        _ = transaction.messageEnded()
        #expect(
            transaction.answered(.message, SMTPReply(421, nil, "x"), isOpen: false)
                == .closeLegAndAnswer(.message(SMTPReply(451, .init(4, 3, 0), "x"))))
    }

    @Test("A message over the limit never reaches its end at the backend")
    func tooBig() {
        var transaction = sending()
        #expect(transaction.messageRefused() == .closeLeg)
        #expect(!transaction.isSending)
    }

    @Test("A client that leaves at each step: the leg is closed where something is under way, kept where not")
    func reset() {
        var none = RelayTransaction()
        #expect(none.reset() == .none)
        none.began(mail)
        #expect(none.reset() == .none)
        var deciding = accepted()
        _ = deciding.recipient(recipient("e@d.example"))
        #expect(deciding.reset() == .abandonTransaction)
        #expect(deciding.forwarded(group("app")) == .none)
        var connecting = RelayTransaction()
        connecting.began(mail)
        _ = connecting.recipient(recipient("e@d.example"))
        _ = connecting.forwarded(group("app"))
        #expect(connecting.reset() == .closeLeg)
        #expect(connecting.connected() == .closeLeg)
        var asking = accepted()
        _ = asking.recipient(recipient("e@d.example"))
        _ = asking.forwarded(group("app"))
        #expect(asking.reset() == .closeLeg)
        var preparing = accepted()
        _ = preparing.dataRequested()
        #expect(preparing.reset() == .closeLeg)
        var message = sending()
        #expect(message.reset() == .closeLeg)
        var dot = sending()
        _ = dot.messageEnded()
        #expect(dot.reset() == .closeLeg)
        var discarding = sending()
        _ = discarding.failed(.timeout, alternative: .none)
        #expect(discarding.reset() == .none)
    }

    @Test("A backend's reply gets an enhanced code of its class")
    func enhancedCodes() {
        var transaction = accepted()
        _ = transaction.recipient(recipient("e@d.example"))
        _ = transaction.forwarded(group("app"))
        #expect(
            transaction.answered(.recipient, SMTPReply(450, nil, "busy"), isOpen: true)
                == .answer(.recipient(SMTPReply(450, .init(4, 0, 0), "busy"), closing: false)))
    }
}
