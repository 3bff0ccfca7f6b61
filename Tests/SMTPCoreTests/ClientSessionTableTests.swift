import SMTPCore
import Testing

private let mail = MailCommand(.mailbox(Mailbox(localPart: "a", domain: "b.example")))
private let path = RecipientCommand(.mailbox(Mailbox(localPart: "c", domain: "d.example")))
private let ok = SMTPReply(250, nil, "OK")
private let codes: [UInt16] = [220, 250, 354, 421, 451, 550]

/// A row of the table: how to get there, and what each of `codes` does there.
struct ClientSessionRow: Sendable, CustomTestStringConvertible {
    var state: String
    var reach: @Sendable (inout ClientSession) -> Void
    var outcomes: [String]
    var awaited: ClientSession.Awaited
    var isIdle = false
    var isOpen = false

    var testDescription: String { self.state }
}

private func row(
    _ state: String, _ awaited: ClientSession.Awaited, _ outcomes: [String], isIdle: Bool = false, isOpen: Bool = false,
    _ reach: @escaping @Sendable (inout ClientSession) -> Void
) -> ClientSessionRow {
    ClientSessionRow(
        state: state, reach: reach, outcomes: outcomes, awaited: awaited, isIdle: isIdle, isOpen: isOpen)
}

private func ready(_ session: inout ClientSession, _ extensions: String...) {
    _ = session.receive(SMTPReply(220, nil, "backend"))
    _ = session.receive(SMTPReply(250, nil, lines: ["backend"] + extensions))
}

private func open(_ session: inout ClientSession) {
    ready(&session, "PIPELINING")
    _ = session.begin(mail, path)
    _ = session.receive(ok)
    _ = session.receive(ok)
}

/// An action in few words.
private func words(_ action: ClientSession.Action) -> String {
    let verb = { (command: ClientCommand) in String(command.line.prefix(4)) }
    return switch action {
    case .wait: "wait"
    case .send(let commands): commands.map(verb).joined(separator: ",")
    case .ready: "ready"
    case .answered(let question, let reply): "\(question) \(reply.replyCode)"
    case .answeredAndSend(let question, let reply, let command): "\(question) \(reply.replyCode),\(verb(command))"
    case .refused(let reply, let recipients): "\(recipients) refused \(reply.replyCode)"
    case .startTLS: "TLS"
    case .fail(let error): "\(error.code)"
    }
}

private let unexpected = [
    "unexpectedReply", "unexpectedReply", "unexpectedReply", "serviceClosing", "unexpectedReply", "unexpectedReply",
]

@Suite struct ClientSessionTableTests {
    static let rows: [ClientSessionRow] = [
        row(
            "greeting", .greeting,
            [
                "EHLO", "refusedSession", "refusedSession", "serviceClosing", "refusedSession", "refusedSession",
            ]
        ) { _ in },
        row("EHLO", .hello, ["ready", "ready", "unexpectedReply", "serviceClosing", "refusedSession", "HELO"]) {
            _ = $0.receive(SMTPReply(220, nil, "backend"))
        },
        row(
            "HELO", .hello, ["ready", "ready", "unexpectedReply", "serviceClosing", "refusedSession", "refusedSession"]
        ) {
            _ = $0.receive(SMTPReply(220, nil, "backend"))
            _ = $0.receive(SMTPReply(502, nil, "what"))
        },
        row(
            "STARTTLS", .hello,
            ["TLS", "unexpectedReply", "unexpectedReply", "serviceClosing", "startTLS 451", "startTLS 550"]
        ) {
            ready(&$0, "STARTTLS")
            _ = $0.startTLS()
        },
        row("handshake", .greeting, unexpected) {
            ready(&$0, "STARTTLS")
            _ = $0.startTLS()
            _ = $0.receive(SMTPReply(220, nil, "go"))
        },
        row(
            "XCLIENT", .hello,
            [
                "HELO", "HELO", "refusedIntroduction", "serviceClosing", "refusedIntroduction", "refusedIntroduction",
            ]
        ) {
            ready(&$0, "XCLIENT ADDR")
            _ = $0.introduce(ClientIntroduction(xclient: [ClientAttribute(.address, "::1")], greeting: .helo("x")))
        },
        row(
            "the client's greeting", .hello,
            ["ready", "ready", "unexpectedReply", "serviceClosing", "refusedClient", "refusedClient"]
        ) {
            ready(&$0, "XCLIENT ADDR")
            _ = $0.introduce(ClientIntroduction(xclient: [ClientAttribute(.address, "::1")], greeting: .ehlo("x")))
            _ = $0.receive(SMTPReply(220, nil, "backend"))
        },
        row(
            "AUTH", .hello,
            [
                "unexpectedReply", "unexpectedReply", "unexpectedReply", "serviceClosing", "refusedAuthentication",
                "refusedAuthentication",
            ]
        ) {
            ready(&$0, "AUTH PLAIN")
            _ = $0.introduce(ClientIntroduction(credentials: ClientCredentials(user: [117], password: "p")))
        },
        row(
            "XFORWARD, one by one", .mail,
            [
                "MAIL", "MAIL", "unexpectedReply", "serviceClosing", "refusedIntroduction", "refusedIntroduction",
            ]
        ) {
            ready(&$0, "XFORWARD ADDR")
            _ = $0.begin(mail, [path], forwarding: [ClientAttribute(.address, "::1")])
        },
        row("idle", .nothing, unexpected, isIdle: true) { ready(&$0, "PIPELINING") },
        row(
            "RSET, pipelined", .mail,
            ["wait", "wait", "unexpectedReply", "serviceClosing", "unexpectedReply", "unexpectedReply"]
        ) {
            open(&$0)
            $0.abandon()
            _ = $0.begin(mail, path)
        },
        row(
            "RSET, one by one", .mail,
            ["MAIL", "MAIL", "unexpectedReply", "serviceClosing", "unexpectedReply", "unexpectedReply"]
        ) {
            ready(&$0)
            _ = $0.begin(mail, path)
            _ = $0.receive(ok)
            _ = $0.receive(ok)
            $0.abandon()
            _ = $0.begin(mail, path)
        },
        row("MAIL, pipelined", .mail, ["wait", "wait", "unexpectedReply", "serviceClosing", "wait", "wait"]) {
            ready(&$0, "PIPELINING")
            _ = $0.begin(mail, path)
        },
        row(
            "MAIL, one by one", .mail,
            ["RCPT", "RCPT", "unexpectedReply", "serviceClosing", "2 refused 451", "2 refused 550"]
        ) {
            ready(&$0)
            _ = $0.begin(mail, [path, path])
        },
        row(
            "RCPT, the last", .recipient,
            ["recipient 220", "recipient 250", "unexpectedReply", "serviceClosing", "recipient 451", "recipient 550"]
        ) {
            ready(&$0)
            _ = $0.begin(mail, path)
            _ = $0.receive(ok)
        },
        row(
            "RCPT, of several, one by one", .recipient,
            [
                "recipient 220,RCPT", "recipient 250,RCPT", "unexpectedReply", "serviceClosing", "recipient 451,RCPT",
                "recipient 550,RCPT",
            ]
        ) {
            ready(&$0)
            _ = $0.begin(mail, [path, path])
            _ = $0.receive(ok)
        },
        row(
            "RCPT behind a refused MAIL", .recipient,
            ["recipient 452", "recipient 452", "unexpectedReply", "serviceClosing", "recipient 452", "recipient 452"]
        ) {
            ready(&$0, "PIPELINING")
            _ = $0.begin(mail, [path, path])
            _ = $0.receive(SMTPReply(452, nil, "full"))
        },
        row("open", .nothing, unexpected, isOpen: true) { open(&$0) },
        row(
            "DATA", .data,
            ["unexpectedReply", "unexpectedReply", "data 354", "serviceClosing", "data 451", "data 550"]
        ) {
            open(&$0)
            _ = $0.data()
        },
        row(
            "message", .room,
            ["earlyReply", "earlyReply", "earlyReply", "serviceClosing", "earlyReply", "earlyReply"]
        ) {
            open(&$0)
            _ = $0.data()
            _ = $0.receive(SMTPReply(354, nil, "go"))
        },
        row(
            "final dot", .answer,
            ["message 220", "message 250", "unexpectedReply", "message 421", "message 451", "message 550"]
        ) {
            open(&$0)
            _ = $0.data()
            _ = $0.receive(SMTPReply(354, nil, "go"))
            $0.messageSent()
        },
        row("QUIT", .bye, Array(repeating: "wait", count: 6)) {
            ready(&$0)
            _ = $0.quit()
        },
        row("failed", .nothing, Array(repeating: "unexpectedReply", count: 6)) {
            _ = $0.receive(SMTPReply(554, nil, "no"))
        },
    ]

    @Test("Every reply has one outcome in every state", arguments: rows)
    func replies(row: ClientSessionRow) {
        var reached = ClientSession(name: "relay.example")
        row.reach(&reached)
        #expect(reached.awaited == row.awaited)
        #expect(reached.isIdle == row.isIdle)
        #expect(reached.isOpen == row.isOpen)
        for (code, outcome) in zip(codes, row.outcomes) {
            var session = reached
            #expect(words(session.receive(SMTPReply(code, nil, "x"))) == outcome, "\(code)")
        }
    }

    @Test("Whatever a server answers, in whatever order, the session asks for nothing that is out of order")
    func walks() {
        // Every sequence of six replies, with everything asked that may be asked: preconditions are the test.
        for number in 0..<(6 * 6 * 6 * 6 * 6 * 6) {
            // From behind the handshake on, pipelined or not.
            var session = ClientSession(name: "relay.example")
            ready(&session, number % 2 == 0 ? "PIPELINING" : "SIZE")
            _ = session.begin(mail, [path, path])
            var rest = number
            for _ in 0..<6 {
                let reply = SMTPReply(codes[rest % 6], nil, "backend")
                rest /= 6
                if case .fail = session.receive(reply) { break }
                if session.isIdle { _ = session.begin(mail, [path, path]) }
                if session.isReadyForMessage { _ = session.data() }
                if session.awaited == .room { session.messageSent() }
            }
            #expect(session.awaited != .bye)
        }
    }
}
