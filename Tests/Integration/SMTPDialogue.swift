/// What a server said: every line of one reply.
struct WireReply: Equatable, CustomStringConvertible {
    /// The lines as they came, codes and all, without their CRLF.
    let lines: [String]

    var code: Int { Int(lines.last?.prefix(3) ?? "") ?? 0 }
    /// The last line whole: "250 2.0.0 OK".
    var text: String { lines.last ?? "" }
    /// What follows the codes: the keywords of an EHLO reply.
    var keywords: [String] { lines.map { String($0.dropFirst(4)) } }
    var description: String { lines.joined(separator: "\n") }

    /// The reply has this code and an enhanced status code that begins so: `is(451, "4.3.")`.
    func `is`(_ code: Int, _ enhanced: String) -> Bool { text.hasPrefix("\(code) \(enhanced)") }
}

/// A scripted SMTP client over a plain socket: says what it is told to, bytes and all, and reads replies.
///
/// It keeps a transcript, which every error carries.
final class SMTPDialogue {
    let socket: Socket
    private var buffer: [UInt8] = []
    private(set) var transcript: [String] = []
    private let patience: Duration

    /// Connects, and reads nothing yet.
    init(connecting network: TestNetwork, port: UInt16, patience: Duration = .seconds(60)) throws {
        self.socket = try network.connect(port)
        self.patience = patience
    }

    /// Connects and reads the greeting.
    convenience init(_ network: TestNetwork, port: UInt16, patience: Duration = .seconds(60)) throws {
        try self.init(connecting: network, port: port, patience: patience)
        let greeting = try reply()
        guard greeting.code == 220 else { throw failure("the greeting is not 220") }
    }

    /// Connects, reads the greeting and says EHLO.
    static func greeted(_ network: TestNetwork, port: UInt16) throws -> SMTPDialogue {
        let dialogue = try SMTPDialogue(network, port: port)
        guard try dialogue.command("EHLO client.example.org").code == 250 else {
            throw dialogue.failure("EHLO was refused")
        }
        return dialogue
    }

    /// Sends a line and its CRLF.
    func send(_ line: String) throws { try send(bytes: Array((line + "\r\n").utf8)) }

    func send(bytes: [UInt8]) throws {
        let shown = bytes.prefix(200).map { byte in
            switch byte {
            case 0x0D: "\\r"
            case 0x0A: "\\n"
            case 0x20...0x7E: String(UnicodeScalar(byte))
            default: "\\x" + String(byte, radix: 16)
            }
        }
        transcript.append("C: " + shown.joined() + (bytes.count > 200 ? "… (\(bytes.count) bytes)" : ""))
        try socket.send(bytes, patience: patience)
    }

    /// Sends a line and reads the reply to it.
    func command(_ line: String) throws -> WireReply {
        try send(line)
        return try reply()
    }

    /// Sends the content of a message and its end, and reads the reply. `content` goes out as it is.
    func content(_ content: String) throws -> WireReply {
        try send(bytes: Array((content + "\r\n.\r\n").utf8))
        return try reply()
    }

    /// MAIL, RCPT, DATA and a short message; the reply that ended it: to the dot, or the first that is not 2xx or 354.
    func message(from: String = "sender@example.org", to: String, _ content: String = "Subject: test\r\n\r\nHello")
        throws -> WireReply
    {
        for line in ["MAIL FROM:<\(from)>", "RCPT TO:<\(to)>", "DATA"] {
            let reply = try command(line)
            guard reply.code < 400 else { return reply }
        }
        return try self.content(content)
    }

    /// Says QUIT and sees the connection end; a session that is left open counts as a descriptor of the relay's.
    func quit() throws {
        guard try command("QUIT").text == "221 2.0.0 Bye", try isClosed() else {
            throw failure("QUIT did not end it")
        }
    }

    /// The next reply.
    func reply() throws -> WireReply {
        let deadline = ContinuousClock.now + patience
        var lines: [String] = []
        while true {
            guard let line = try line(until: deadline) else {
                throw failure("the connection ended where a reply was due")
            }
            transcript.append("S: " + line)
            lines.append(line)
            guard line.count >= 3, Int(line.prefix(3)) != nil else { throw failure("not a reply: \(line)") }
            if line.dropFirst(3).first != "-" { return WireReply(lines: lines) }
        }
    }

    /// The next octets, so many, whatever they say.
    func receive(_ count: Int) throws -> [UInt8] {
        let deadline = ContinuousClock.now + patience
        while buffer.count < count {
            guard let bytes = try socket.receive(until: deadline), !bytes.isEmpty else {
                throw failure("\(buffer.count) of \(count) octets came")
            }
            buffer += bytes
        }
        defer { buffer.removeFirst(count) }
        return Array(buffer[..<count])
    }

    /// Whether the server has closed the connection, without another word.
    func isClosed() throws -> Bool {
        let line = try line(until: .now + patience)
        if let line { transcript.append("S: " + line) }
        return line == nil
    }

    func failure(_ what: String) -> HarnessError {
        HarnessError(what + "; the dialogue:\n" + transcript.suffix(60).joined(separator: "\n"))
    }

    private func line(until deadline: ContinuousClock.Instant) throws -> String? {
        while true {
            if let end = buffer.firstIndex(of: 0x0A) {
                var line = buffer[..<end]
                if line.last == 0x0D { line.removeLast() } else { throw failure("a reply line without CR") }
                let text = String(decoding: line, as: UTF8.self)
                buffer.removeSubrange(...end)
                return text
            }
            guard let bytes = try socket.receive(until: deadline) else { throw failure("no reply in \(patience)") }
            if bytes.isEmpty {
                guard buffer.isEmpty else { throw failure("the connection ended inside a line") }
                return nil
            }
            buffer += bytes
        }
    }
}
