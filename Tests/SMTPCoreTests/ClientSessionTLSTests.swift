import SMTPCore
import Testing

@Suite("a server that has to have STARTTLS") struct ClientSessionTLSTests {
    private func introduced(_ ehlo: SMTPReply) -> (ClientSession, ClientSession.Action) {
        var session = ClientSession(name: "relay.example", requiresStartTLS: true)
        _ = session.receive(SMTPReply(220, nil, "backend"))
        let action = session.receive(ehlo)
        return (session, action)
    }

    @Test("STARTTLS comes before all else, and EHLO once more behind it")
    func begins() {
        var (session, action) = self.introduced(SMTPReply(250, lines: ["backend", "PIPELINING", "STARTTLS"]))
        #expect(action == .send([.startTLS]))
        #expect(session.receive(SMTPReply(220, nil, "go")) == .startTLS)
        #expect(session.extensions.isEmpty)
        #expect(session.tlsEstablished() == .send([.ehlo("relay.example")]))
        #expect(session.receive(SMTPReply(250, lines: ["backend", "SIZE"])) == .ready)
        #expect(session.extensions == .size)
    }

    @Test("A server that does not offer it, refuses it, or has no EHLO gets nothing in clear")
    func refused() {
        let plain = SMTPReply(250, lines: ["backend", "PIPELINING"])
        #expect(self.introduced(plain).1 == .fail(ClientSessionError(code: .noTLS, reply: plain)))
        let unknown = SMTPReply(502, nil, "no")
        #expect(self.introduced(unknown).1 == .fail(ClientSessionError(code: .noTLS, reply: unknown)))
        for code: UInt16 in [454, 501] {
            var (session, _) = self.introduced(SMTPReply(250, lines: ["backend", "STARTTLS"]))
            let reply = SMTPReply(code, nil, "no")
            #expect(session.receive(reply) == .fail(ClientSessionError(code: .noTLS, reply: reply)))
        }
    }
}
