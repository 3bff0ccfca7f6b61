import NIOCore
import NIOEmbedded
import SMTPCore
import SMTPNIO
import Testing

/// A delegate that lets "user" with the password "secret" in, and takes no mail.
private final class Doorkeeper: SMTPServerDelegate {
    weak var handler: SMTPServerHandler?
    private(set) var unoffered = 0
    private let loop: EmbeddedEventLoop?
    private var exchange: SASLExchange?
    var acceptsMessage: Bool { true }

    init(deferringOn loop: EmbeddedEventLoop?) { self.loop = loop }

    func authenticate(_ command: AuthCommand) {
        guard let mechanism = SASLMechanism(rawValue: command.mechanism) else { return }
        self.exchange = SASLExchange(mechanism, challenge: Array("<1@x>".utf8))
        self.perform(self.exchange?.begin(command.initialResponse))
    }

    func continueAuthentication(_ response: Secret) { self.perform(self.exchange?.respond(response)) }
    func unofferedAuthenticationSeen() { self.unoffered += 1 }

    private func perform(_ step: SASLExchange.Step?) {
        guard let loop = self.loop else { return self.performNow(step) }
        loop.assumeIsolated().execute { self.performNow(step) }
    }

    private func performNow(_ step: SASLExchange.Step?) {
        switch step {
        case .challenge(let challenge): self.handler?.authenticationContinued(challenge)
        case .refuse(let reply): self.handler?.authenticationCompleted(reply)
        case .verify(let credentials):
            let isGood = credentials.user == "user" && credentials.proof == .password("secret")
            self.handler?.authenticationCompleted(isGood ? .authenticated : .invalidCredentials)
        case nil: break
        }
    }

    func transactionBegan(_ mail: MailCommand, line: ByteBuffer) {}
    func resolveRecipient(_ recipient: RecipientCommand, line: ByteBuffer) {}
    func prepareMessage() {}
    func messageReceived(_ octets: ByteBuffer) {}
    func messageReceiveCompleted() {}
    func messageRefused(_ reply: SMTPReply) {}
    func messageEnded(_ receipt: MessageReceipt) {}
    func transactionReset() {}
    func sessionClosed() {}
}

@Suite struct SMTPServerAuthenticationTests {
    /// What the server says to all of it; octet by octet, where that is asked for.
    private func replies(
        to client: [UInt8], isPiecemeal: Bool, isDeferred: Bool, mechanisms: [String] = ["PLAIN", "LOGIN"]
    ) throws -> (text: String, unoffered: Int) {
        let loop = EmbeddedEventLoop()
        let doorkeeper = Doorkeeper(deferringOn: isDeferred ? loop : nil)
        let channel = EmbeddedChannel(loop: loop)
        var configuration = ServerSessionConfiguration(serverName: "mx.example")
        configuration.authMechanisms = mechanisms
        configuration.requiresAuthentication = !mechanisms.isEmpty
        configuration.forbidsEarlyInput = false
        configuration.errors = 100
        let handler = SMTPServerHandler(
            configuration: configuration, extendedReply: configuration.extendedReply, timeouts: SMTPServerTimeouts(),
            form: .stuffed, sweep: SessionSweep(eventLoop: loop), delegate: doorkeeper)
        doorkeeper.handler = handler
        try channel.pipeline.syncOperations.addHandler(handler)
        channel.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 25), promise: nil)
        for piece in isPiecemeal ? client.map({ [$0] }) : [client] {
            guard channel.isActive else { break }
            try channel.writeInbound(ByteBuffer(bytes: piece))
            loop.run()
        }
        var text = ""
        while let octets = try channel.readOutbound(as: ByteBuffer.self) { text += String(buffer: octets) }
        _ = try? channel.finish()
        return (text, doorkeeper.unoffered)
    }

    @Test("A transcript with AUTH, whole and octet by octet, answered at once and later", arguments: [false, true])
    func transcript(isDeferred: Bool) throws {
        let transcript = try Transcript(named: "auth")
        for isPiecemeal in [false, true] {
            let (text, _) = try self.replies(to: transcript.client, isPiecemeal: isPiecemeal, isDeferred: isDeferred)
            #expect(text == transcript.server)
        }
    }

    @Test("AUTH where none is offered is 502, and the delegate is told")
    func unoffered() throws {
        let client = Array("EHLO x\r\nAUTH PLAIN AHUAcA==\r\nAUTH LOGIN\r\nNOOP\r\nQUIT\r\n".utf8)
        let (text, unoffered) = try self.replies(to: client, isPiecemeal: false, isDeferred: false, mechanisms: [])
        #expect(text.hasSuffix("502 5.5.1 Command not implemented\r\n250 2.0.0 OK\r\n221 2.0.0 Bye\r\n"))
        #expect(unoffered == 2)
    }
}
