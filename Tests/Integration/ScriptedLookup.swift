import Foundation

/// An HTTP server for lookups that answers as told, however badly, and keeps what it was asked.
final class ScriptedLookup: Sendable {
    enum Answer: Sendable {
        /// 204 with these header fields.
        case fields([String])
        /// These bytes, then the end of the connection.
        case raw(String)
        case close
        case silence
    }

    struct Request: Sendable {
        let line: String
        /// As they came: "Auth-Method: none".
        let fields: [String]

        func value(_ name: String) -> String? {
            fields.first { $0.lowercased().hasPrefix(name.lowercased() + ":") }
                .map { $0.dropFirst(name.count + 1).trimmingCharacters(in: .whitespaces) }
        }
    }

    static let accepting = Answer.fields(["Auth-Status: OK", "Auth-Server: 127.0.0.1", "Auth-Port: 2525"])

    let requests = Watched<[Request]>([])
    private let answer: Watched<@Sendable (Request) -> Answer>
    private let listener: Socket
    private let connections = Watched<[Socket]>([])

    init(_ network: TestNetwork, port: UInt16 = 80, _ answer: @escaping @Sendable (Request) -> Answer) throws {
        self.answer = Watched(answer)
        self.listener = try network.listen(port)
        Thread.detachNewThread { [listener, connections, requests, answer = self.answer] in
            while let connection = listener.accept() {
                connections.change { $0.append(connection) }
                Thread.detachNewThread {
                    try? ScriptedLookup.serve(connection, requests, answer)
                    connection.interrupt()
                    connections.change { $0.removeAll { $0 === connection } }
                }
            }
        }
    }

    deinit { stop() }

    /// The connections that are open: an idle client may keep some.
    var open: Int { connections.read { $0.count } }

    /// From the next request on, answers so.
    func give(_ new: Answer) { answer.change { $0 = { _ in new } } }

    func stop() {
        listener.interrupt()
        connections.read { $0 }.forEach { $0.interrupt() }
    }

    private static func serve(
        _ socket: Socket, _ requests: Watched<[Request]>, _ answer: Watched<@Sendable (Request) -> Answer>
    ) throws {
        var buffer: [UInt8] = []
        while true {
            while !String(decoding: buffer, as: UTF8.self).contains("\r\n\r\n") {
                guard let bytes = try socket.receive(until: .now + .seconds(120)), !bytes.isEmpty else { return }
                buffer += bytes
            }
            let lines = String(decoding: buffer, as: UTF8.self).components(separatedBy: "\r\n")
            buffer = []
            let request = Request(line: lines[0], fields: lines.dropFirst().filter { !$0.isEmpty })
            requests.change { $0.append(request) }
            switch answer.read({ $0 })(request) {
            case .fields(let fields):
                let head = ["HTTP/1.1 204 No Content"] + fields + ["", ""]
                try socket.send(Array(head.joined(separator: "\r\n").utf8))
                if request.line.hasSuffix("HTTP/1.0") { return }
            case .raw(let text):
                try socket.send(Array(text.utf8))
                return
            case .close: return
            case .silence: while let bytes = try socket.receive(until: .now + .seconds(600)), !bytes.isEmpty {}
            }
        }
    }
}
