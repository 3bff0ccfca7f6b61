import Foundation
import Testing

/// A relay between a scripted client and a scripted backend: what each test of a case on the list needs.
///
/// Where a case is about trouble, ``RelayTrial`` stands in its place, which looks for what has leaked.
struct EdgeTrial {
    let network: TestNetwork
    let backend: ScriptedBackend
    let relay: RelayUnderTest

    /// - Parameters:
    ///   - script: what the backend on 2525 does.
    ///   - more: lines of relay.yaml, behind a route that sends every recipient to that backend.
    ///   - listener: what else relay.yaml says of the listener: `key: value, …`.
    init(_ script: ScriptedBackend.Script = .init(), _ more: String = "", listener: String = "") throws {
        try self.init(
            script, listener: listener,
            settings: """
                routes:
                  - recipients: "*"
                    backends: ["127.0.0.1:2525"]
                \(more)
                """)
    }

    /// - Parameter settings: relay.yaml but for the server, the listeners and the admin socket.
    init(_ script: ScriptedBackend.Script = .init(), listener: String = "", settings: String) throws {
        self.network = try TestNetwork()
        self.backend = try ScriptedBackend(self.network, script)
        self.relay = try RelayUnderTest(in: self.network, listener: listener, settings)
    }

    /// A client that has said EHLO.
    func greeted() throws -> SMTPDialogue { try self.relay.greeted() }

    /// A client with a transaction open, one recipient accepted.
    func begun(_ recipient: String = "user@flxw.de") throws -> SMTPDialogue {
        let dialogue = try self.greeted()
        try dialogue.begin(recipient)
        return dialogue
    }

    /// Waits until the relay has asked the backends what they have, and announces it.
    func learnt(_ ports: [UInt16] = [2525]) throws {
        for port in ports {
            _ = try self.relay.program.line { $0.contains(" backend-learnt backend=127.0.0.1:\(port) ") }
        }
    }

    /// The messages that came, once there are so many.
    func messages(_ count: Int) -> [ScriptedBackend.Message] {
        self.backend.wait { $0.messages.count >= count }.messages
    }

    /// The commands about mail that came: those of connections that only asked what the backend can do are left out.
    var commands: [String] { self.backend.record.read { $0.mailCommands } }
}

/// The announcement of a backend that has every extension which makes a difference to the relay.
let everyExtension = ScriptedBackend.Answer.say(
    """
    250-backend.example.org\r
    250-PIPELINING\r
    250-SIZE 1000000000\r
    250-8BITMIME\r
    250-SMTPUTF8\r
    250-DSN\r
    250-CHUNKING\r
    250 ENHANCEDSTATUSCODES
    """)

/// Runs what spends its time with waiting on a thread of its own, so that other tests go on meanwhile.
///
/// The test is not known on that thread: checks have to throw, `#expect` belongs behind it.
@discardableResult
func waiting<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
    }
}

/// What is wrong, unless something is as it should be: for threads where no test is known.
func check(_ condition: Bool, _ what: @autoclosure () -> String) throws {
    guard condition else { throw HarnessError(what()) }
}

extension SMTPDialogue {
    /// Sends a line; the reply to it begins so.
    @discardableResult
    func say(_ line: String, gets expected: String) throws -> WireReply {
        try self.send(line)
        return try self.gets(expected)
    }

    /// Sends octets as they are; the reply to them begins so.
    @discardableResult
    func say(octets: String, gets expected: String) throws -> WireReply {
        try self.send(bytes: Array(octets.utf8))
        return try self.gets(expected)
    }

    /// The next reply begins so: its last line, codes and all.
    @discardableResult
    func gets(_ expected: String) throws -> WireReply {
        let reply = try self.reply()
        guard reply.text.hasPrefix(expected) else { throw self.failure("not “\(expected)…”") }
        return reply
    }

    /// The next reply is this, to the last letter.
    func getsExactly(_ expected: String) throws {
        guard try self.reply().description == expected else { throw self.failure("not “\(expected)”") }
    }

    /// Opens a transaction.
    func begin(_ recipient: String = "user@flxw.de") throws {
        try self.say("MAIL FROM:<sender@example.org>", gets: "250 2.0.0 OK")
        try self.say("RCPT TO:<\(recipient)>", gets: "250 2.1.5")
    }

    /// Opens a transaction as far as the message.
    func beginData(_ recipient: String = "user@flxw.de") throws {
        try self.begin(recipient)
        try self.say("DATA", gets: "354 ")
    }

    /// Sends a message whose content is these octets, and its end; the reply begins so.
    @discardableResult
    func deliver(_ content: String, gets expected: String = "250 ") throws -> WireReply {
        try self.beginData()
        return try self.say(octets: content + "\r\n.\r\n", gets: expected)
    }

    /// What was said so far is answered: nothing else comes before the answer to this.
    ///
    /// (VRFY counts as no error, and no other command has this reply.)
    func expectInStep() throws { try self.say("VRFY step", gets: "252 2.0.0") }

    /// The server says nothing more and closes.
    func expectClosed() throws {
        guard try self.isClosed() else { throw self.failure("the connection goes on") }
    }
}

extension ScriptedBackend.Message {
    /// The octets of the message, without the trace field that the relay puts before it.
    var octets: [UInt8] { Array(self.wire[self.traceLength...]) }

    private var traceLength: Int {
        guard self.wire.starts(with: Array("Received: from ".utf8)),
            String(decoding: self.wire.prefix(1000), as: UTF8.self).contains("mail.flxw.de")
        else { return 0 }
        var index = 0
        while let lineFeed = self.wire[index...].firstIndex(of: 0x0A) {
            index = lineFeed + 1
            guard index < self.wire.count, self.wire[index] == 0x20 || self.wire[index] == 0x09 else { return index }
        }
        return self.wire.count
    }
}

/// Octets that a `String` cannot hold: its scalars up to U+00FF, one octet each.
func latin1(_ text: String) -> [UInt8] { text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) } }
