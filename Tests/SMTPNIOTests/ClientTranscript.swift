import Foundation
import NIOCore
import NIOEmbedded
import SMTPCore
import SMTPNIO

/// A recorded dialogue with a server that the test plays, line by line:
///
/// `S: text` is a line of the server's, `S+ text` octets with escapes (`\r`, `\n`, `\x00`) and no line end of their own,
/// `S!` its end. `> word …` is what the delegate asks. `C: text` is a line that the handler must send, `A: text` a call
/// that its delegate must get, both in this order. `#` begins a comment.
struct ClientTranscript: Sendable {
    enum Input: Sendable {
        case server([UInt8])
        case end
        case ask([String])
    }

    let name: String
    private(set) var inputs: [Input] = []
    /// What each input brings about.
    private(set) var outputs: [[String]] = []

    init(named name: String, in file: String = #filePath) throws {
        self.name = name
        let folder = URL(fileURLWithPath: file).deletingLastPathComponent().appendingPathComponent("Transcripts/Client")
        let text = try String(contentsOf: folder.appendingPathComponent("\(name).txt"), encoding: .utf8)
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            let content = String(line.dropFirst(3))
            switch line.prefix(2) {
            case "S:": self.append(Array((content + "\r\n").utf8))
            case "S+": self.append(Self.unescaped(content))
            case "S!": self.append(.end)
            case "> ": self.append(.ask(line.dropFirst(2).split(separator: " ").map(String.init)))
            case "C:", "A:":
                guard !self.outputs.isEmpty else { throw Malformed(line: line) }
                self.outputs[self.outputs.count - 1].append(String(line))
            default: throw Malformed(line: line)
            }
        }
    }

    struct Malformed: Error {
        var line: Substring
    }

    private mutating func append(_ input: Input) {
        self.inputs.append(input)
        self.outputs.append([])
    }

    /// Lines of the server's that nothing answers leave together.
    private mutating func append(_ octets: [UInt8]) {
        if case .server(let earlier) = self.inputs.last, self.outputs.last == [] {
            self.inputs[self.inputs.count - 1] = .server(earlier + octets)
        } else {
            self.append(.server(octets))
        }
    }

    private static func unescaped(_ text: String) -> [UInt8] {
        Array(
            text.replacingOccurrences(of: "\\n", with: "\n").replacingOccurrences(of: "\\r", with: "\r")
                .replacingOccurrences(of: "\\x00", with: "\u{0}").utf8)
    }

    /// Plays the dialogue; `cut` says how the server's octets arrive. Returns what each input brought about.
    func play(cut: ([UInt8]) -> [ArraySlice<UInt8>] = { [$0[...]] }) throws -> [[String]] {
        let player = try ClientPlayer()
        return try self.inputs.map { input in
            switch input {
            case .server(let octets): for part in cut(octets) { try player.serverSays(part) }
            case .end: player.serverCloses()
            case .ask(let words): player.ask(words)
            }
            return player.takeLog()
        }
    }
}

/// A handler, its delegate and the server's end of its connection.
final class ClientPlayer: SMTPClientDelegate {
    let channel = EmbeddedChannel()
    private var handler: SMTPClientHandler?
    private var log: [String] = []

    init() throws {
        let handler = SMTPClientHandler(
            name: "relay.example", sweep: SessionSweep(eventLoop: self.channel.embeddedEventLoop), delegate: self)
        self.handler = handler
        try self.channel.pipeline.syncOperations.addHandler(handler)
        self.channel.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 2525), promise: nil)
    }

    func serverSays(_ octets: some Sequence<UInt8>) throws {
        guard self.channel.isActive else { return }
        try self.channel.writeInbound(ByteBuffer(bytes: octets))
    }

    func serverCloses() {
        self.channel.close(promise: nil)
        self.channel.embeddedEventLoop.run()
    }

    func ask(_ words: [String]) {
        let recipients = words.dropFirst().map { name in
            RecipientCommand(.mailbox(Mailbox(localPart: name, domain: "d.example")))
        }
        switch words.first {
        case "begin":
            let mail = MailCommand(
                .mailbox(Mailbox(localPart: "a", domain: "b.example")), size: 100, body: .eightBitMIME)
            self.handler?.begin(mail, recipients)
        case "recipients": self.handler?.recipients(recipients)
        case "data": self.handler?.data()
        case "message":
            self.handler?.writeMessage(ByteBuffer(string: words.dropFirst().joined(separator: " ") + "\r\n"))
            self.handler?.flushMessage()
        case "end": self.handler?.endMessage()
        case "abandon": self.handler?.abandon()
        case "introduce":
            let attributes = [
                ClientAttribute(.address, "192.0.2.42"), ClientAttribute(.name, "mx.example.net"),
                ClientAttribute(.helo, "client.example"),
            ]
            self.handler?.introduce(
                ClientIntroduction(
                    xclient: attributes, greeting: .ehlo("client.example"),
                    credentials: ClientCredentials(user: Array("user".utf8), password: "pass")))
        case "starttls": self.handler?.startTLS()
        case "established": self.handler?.tlsEstablished()
        case "quit": self.handler?.quit()
        case "expire": self.handler?.deadlineExpired()
        default: preconditionFailure("no such question: \(words)")
        }
    }

    /// What was sent and called since the last time; `A: closed` at the end where the connection is no more.
    func takeLog() -> [String] {
        self.drain()
        defer { self.log = [] }
        return self.log
    }

    /// What was sent before a call stands before it.
    private func drain() {
        while let octets = try? self.channel.readOutbound(as: ByteBuffer.self) {
            for line in String(buffer: octets).split(separator: "\r\n") { self.log.append("C: \(line)") }
        }
    }

    private func note(_ call: String) {
        self.drain()
        self.log.append("A: \(call)")
    }

    func clientReady() {
        let extensions = self.handler?.capabilities.extensions ?? []
        self.note("ready \(extensions.isEmpty ? "-" : extensions.description)")
    }
    func clientAnswered(_ question: ClientSession.Question, _ reply: SMTPReply) { self.note("\(question) \(reply)") }
    func clientStartsTLS() { self.note("TLS") }
    func clientFailed(_ failure: SMTPClientFailure) {
        switch failure {
        case .session(let error): self.note("failed \(error.code) \(error.reply)")
        case .syntax(let error): self.note("failed \(error)")
        case .answeredUnasked, .injection, .tls, .timeout, .closed: self.note("failed \(failure)")
        }
    }
    func clientWritabilityChanged(_ isWritable: Bool) {}
}
