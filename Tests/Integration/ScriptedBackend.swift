import Foundation

/// A backend that does as a script says, however badly, and keeps what it was told.
final class ScriptedBackend: Sendable {
    /// What it does at one step of the dialogue.
    enum Answer: Sendable {
        case say(String)
        case sayAfter(Duration, String)
        /// Ends the connection without a word.
        case close
        /// The same, with a reset.
        case reset
        /// Says nothing, ever; waits for the other side to give up.
        case silence
        /// Says nothing and reads nothing for so long, then goes on.
        case pause(Duration)
        /// Says this again and again, asked or not, for as long as the other side listens.
        case babble(String)

        /// What it says, at once or later; nil where that is no one reply.
        var text: String? {
            switch self {
            case .say(let text), .sayAfter(_, let text): text
            case .close, .reset, .silence, .pause, .babble: nil
            }
        }
    }

    struct Script: Sendable {
        var greeting = Answer.say("220 backend.example.org ESMTP")
        var ehlo = Answer.say("250-backend.example.org\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n250 8BITMIME")
        var helo = Answer.say("250 backend.example.org")
        var mail = Answer.say("250 2.1.0 OK")
        var rcpt = Answer.say("250 2.1.5 OK")
        /// The answer for a recipient that contains the key, instead of `rcpt`.
        var recipients: [String: Answer] = [:]
        var data = Answer.say("354 go on")
        /// What happens as soon as that many bytes of content have come.
        var inContent: (after: Int, Answer)?
        var dot = Answer.say("250 2.0.0 taken")
        var rset = Answer.say("250 2.0.0 OK")
        var quit = Answer.say("221 2.0.0 Bye")
        /// The answers to other verbs, in upper case, and to whatever else a line begins with: `AUTH`, `PROXY`.
        var others: [String: Answer] = [:]
    }

    struct Message: Sendable {
        let reversePath: String
        let forwardPaths: [String]
        /// The bytes between the 354 and the final CRLF . CRLF, as they were on the wire.
        let wire: [UInt8]

        /// The message without the trace header that the relay puts before it.
        var content: String {
            var lines = String(decoding: wire, as: UTF8.self).components(separatedBy: "\r\n")
            if lines.first?.hasPrefix("Received:") == true {
                lines.removeFirst()
                while let first = lines.first, first.hasPrefix(" ") || first.hasPrefix("\t") { lines.removeFirst() }
            }
            return lines.joined(separator: "\r\n")
        }

        /// What a backend less strict than this one could take for the end of a line or of the message.
        var looseEnds: [String] {
            var found: [String] = []
            // However it ends its lines, no line may be a dot alone.
            let lines = wire.split(omittingEmptySubsequences: false) { $0 == 0x0A || $0 == 0x0D }
            if lines.contains(where: { $0.elementsEqual([0x2E]) }) { found.append("a dot alone") }
            for (index, byte) in wire.enumerated() {
                if byte == 0x0A, index == 0 || wire[index - 1] != 0x0D { found.append("a bare LF at \(index)") }
                if byte == 0x0D, index + 1 == wire.count || wire[index + 1] != 0x0A {
                    found.append("a bare CR at \(index)")
                }
            }
            return found
        }
    }

    struct Record: Sendable {
        var connections = 0
        var open = 0
        var commands: [String] = []
        /// The commands of each connection, in the order in which the connections were made.
        var sessions: [[String]] = []
        /// Commands that had come before the one in front of them was answered.
        var pipelined = 0
        /// Command lines that did not end in CRLF.
        var looseCommands = 0
        var messages: [Message] = []
        /// Contents that stopped without the final dot.
        var truncated = 0

        /// The connections that somebody sent mail on: one without MAIL asked what this backend can do.
        var mailSessions: [[String]] { sessions.filter { $0.contains { $0.hasPrefix("MAIL") } } }
        /// The commands that were about mail, in order.
        var mailCommands: [String] {
            mailSessions.joined().filter { !$0.hasPrefix("EHLO") && !$0.hasPrefix("HELO") && $0 != "QUIT" }
        }
    }

    let record = Watched(Record())
    /// What is answered to the next command with this verb, on any connection, instead of what the script says.
    private let once = Watched<[String: Answer]>([:])
    private let script: Watched<Script>
    private let listener: Socket
    private let connections = Watched<[Socket]>([])

    /// - Parameter host: the last octet of the address, in 127.0.0.0/24.
    init(
        _ network: TestNetwork, port: UInt16 = 2525, host: UInt8 = 1, receiveBuffer: Int32? = nil,
        _ script: Script = Script()
    ) throws {
        self.script = Watched(script)
        self.listener = try network.listen(port, host: host, receiveBuffer: receiveBuffer)
        Thread.detachNewThread { [listener, record, connections, once, script = self.script] in
            while let connection = listener.accept() {
                connections.change { $0.append(connection) }
                let number = record.change {
                    $0.connections += 1
                    $0.open += 1
                    $0.sessions.append([])
                    return $0.sessions.count - 1
                }
                Thread.detachNewThread {
                    var session = BackendSession(
                        socket: connection, number: number, script: script.read { $0 }, record: record, once: once)
                    try? session.run()
                    if session.resets { connection.resetOnClose() } else { connection.interrupt() }
                    connections.change { $0.removeAll { $0 === connection } }
                    record.change {
                        if session.isInContent { $0.truncated += 1 }
                        $0.open -= 1
                    }
                }
            }
        }
    }

    deinit { stop() }

    /// From the next connection on, does as another script says.
    func follow(_ new: Script) { script.change { $0 = new } }

    /// Answers the next command with this verb, on any connection, so; then as the script says again.
    func answerOnce(_ verb: String, _ answer: Answer) { once.change { $0[verb] = answer } }

    /// Says this now, on every connection, asked or not.
    func say(_ text: String, isLine: Bool = true) {
        for connection in connections.read({ $0 }) { try? connection.send(Array((text + (isLine ? "\r\n" : "")).utf8)) }
    }

    /// Listens no more and ends every connection.
    func stop() {
        listener.interrupt()
        endConnections()
    }

    /// Ends every connection, among them those that the other side kept for later, and waits until they are over.
    func endConnections() {
        connections.read { $0 }.forEach { $0.interrupt() }
        _ = wait { $0.open == 0 }
    }

    /// Waits for the record to be as wanted; what it is then, or at the end of the time.
    func wait(_ patience: Duration = .seconds(20), until test: (Record) -> Bool) -> Record {
        record.wait(patience) { test($0) ? $0 : nil } ?? record.read { $0 }
    }
}

/// One connection to a scripted backend.
private struct BackendSession {
    let socket: Socket
    let number: Int
    let script: ScriptedBackend.Script
    let record: Watched<ScriptedBackend.Record>
    let once: Watched<[String: ScriptedBackend.Answer]>
    var buffer: [UInt8] = []
    var isInContent = false
    var resets = false

    private struct Ended: Error {}

    init(
        socket: Socket, number: Int, script: ScriptedBackend.Script, record: Watched<ScriptedBackend.Record>,
        once: Watched<[String: ScriptedBackend.Answer]>
    ) {
        self.once = once
        self.socket = socket
        self.number = number
        self.script = script
        self.record = record
    }

    mutating func run() throws {
        var reversePath = ""
        var forwardPaths: [String] = []
        try give(script.greeting)
        while true {
            let line = try line()
            record.change {
                $0.commands.append(line)
                $0.sessions[number].append(line)
            }
            let verb = line.prefix { $0 != " " }.uppercased()
            if let answer = once.change({ $0.removeValue(forKey: verb) }) {
                try give(answer)
                continue
            }
            switch verb {
            case "EHLO": try give(script.ehlo)
            case "HELO": try give(script.helo)
            case "MAIL":
                (reversePath, forwardPaths) = (line, [])
                try give(script.mail)
            case "RCPT":
                let answer = script.recipients.first { line.contains($0.key) }?.value ?? script.rcpt
                if answer.text?.hasPrefix("2") == true { forwardPaths.append(line) }
                try give(answer)
            case "DATA":
                try give(script.data)
                guard script.data.text?.hasPrefix("354") == true else { continue }
                let wire = try content()
                record.change {
                    $0.messages.append(.init(reversePath: reversePath, forwardPaths: forwardPaths, wire: wire))
                }
                try give(script.dot)
            case "RSET": try give(script.rset)
            case "NOOP": try give(.say("250 2.0.0 OK"))
            case "QUIT":
                try give(script.quit)
                throw Ended()
            default: try give(script.others[verb] ?? .say("500 5.5.1 unknown"))
            }
        }
    }

    private mutating func give(_ answer: ScriptedBackend.Answer) throws {
        switch answer {
        case .say(let text): try socket.send(Array((text + "\r\n").utf8))
        case .sayAfter(let delay, let text):
            // (a delay is what this step is there for; whoever leaves in the meantime ends it)
            _ = try socketEnded(within: delay)
            try socket.send(Array((text + "\r\n").utf8))
        case .close: throw Ended()
        case .reset:
            resets = true
            throw Ended()
        case .silence: while true { try more(patience: .seconds(600)) }
        case .pause(let delay): Thread.sleep(forTimeInterval: Double(delay.components.seconds))
        case .babble(let text):
            while true { try socket.send(Array((text + "\r\n").utf8)) }
        }
        if !buffer.isEmpty, !isInContent { record.change { $0.pipelined += 1 } }
    }

    private mutating func socketEnded(within delay: Duration) throws -> Bool {
        let deadline = ContinuousClock.now + delay
        while let bytes = try socket.receive(until: deadline) {
            if bytes.isEmpty { throw Ended() }
            buffer += bytes
        }
        return false
    }

    private mutating func more(patience: Duration = .seconds(120)) throws {
        guard let bytes = try socket.receive(until: .now + patience), !bytes.isEmpty else { throw Ended() }
        buffer += bytes
    }

    private mutating func line() throws -> String {
        while true {
            if let end = buffer.firstIndex(of: 0x0A) {
                let line = buffer[..<end]
                if line.last != 0x0D { record.change { $0.looseCommands += 1 } }
                let text = String(decoding: line.last == 0x0D ? line.dropLast() : line, as: UTF8.self)
                buffer.removeSubrange(...end)
                return text
            }
            try more()
        }
    }

    /// Reads to CRLF . CRLF and nothing else.
    private mutating func content() throws -> [UInt8] {
        isInContent = true
        let end: [UInt8] = [0x0D, 0x0A, 0x2E, 0x0D, 0x0A]
        var wire: [UInt8] = [0x0D, 0x0A]  // (the CRLF of the command line counts: a message may be empty)
        var searched = 0
        var interruption = script.inContent
        while true {
            wire += buffer
            buffer = []
            if let (after, answer) = interruption, wire.count - 2 >= after {
                interruption = nil
                try give(answer)
            }
            var index = searched
            while index + 5 <= wire.count {
                if wire[index] == 0x0D, wire[index..<index + 5].elementsEqual(end) {
                    buffer = Array(wire[(index + 5)...])
                    isInContent = false
                    return index < 2 ? [] : Array(wire[2..<index])
                }
                index += 1
            }
            searched = max(0, wire.count - 4)
            try more()
        }
    }
}
