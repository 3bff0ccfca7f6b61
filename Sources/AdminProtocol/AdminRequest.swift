/// One question at the relay's admin socket: a line of JSON.
///
/// ```text
/// C: {"command":"route","recipient":"RCPT TO:<user@flxw.de>"}
/// S: {"route":{"backend":"192.0.2.1:2525","group":"app","verdict":"forward"}}
/// C: {"command":"drain","group":"app","backend":"192.0.2.1:2525"}
/// S: {"drained":{"backend":"192.0.2.1:2525","connections":3,"group":"app","isDrained":true}}
/// C: {"command":"dance"}
/// S: {"error":"unknown command \"dance\""}
/// ```
///
/// Answers come in the order of the questions.
package enum AdminRequest: Hashable, Sendable {
    /// Where a recipient would go by the route table. `recipient` is RCPT as a client says it.
    case route(recipient: String)
    /// Every group, its backends and how they are.
    case backends
    /// Has no session begin at a backend any more. `backend` is as relay.yaml writes it, or one of its addresses.
    case drain(group: String, backend: String)
    /// Has sessions begin there again.
    case undrain(group: String, backend: String)

    /// The longest line, its line end included, in octets.
    package static let longestLine = 8192

    private enum CodingKeys: String, CodingKey {
        case command, recipient, group, backend
    }

    private enum Command: String {
        case route, backends, drain, undrain
    }
}

extension AdminRequest: Codable {
    /// Decodes a question; a command that is not known is an error that names it.
    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        let command = try fields.decode(String.self, forKey: .command)
        switch Command(rawValue: command) {
        case .route:
            self = .route(recipient: try fields.decode(String.self, forKey: .recipient))
        case .backends:
            self = .backends
        case .drain:
            self = .drain(
                group: try fields.decode(String.self, forKey: .group),
                backend: try fields.decode(String.self, forKey: .backend))
        case .undrain:
            self = .undrain(
                group: try fields.decode(String.self, forKey: .group),
                backend: try fields.decode(String.self, forKey: .backend))
        case nil:
            throw DecodingError.dataCorruptedError(
                forKey: .command, in: fields, debugDescription: "unknown command \"\(command)\"")
        }
    }

    /// Encodes the question.
    package func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .route(let recipient):
            try fields.encode(Command.route.rawValue, forKey: .command)
            try fields.encode(recipient, forKey: .recipient)
        case .backends:
            try fields.encode(Command.backends.rawValue, forKey: .command)
        case .drain(let group, let backend):
            try fields.encode(Command.drain.rawValue, forKey: .command)
            try fields.encode(group, forKey: .group)
            try fields.encode(backend, forKey: .backend)
        case .undrain(let group, let backend):
            try fields.encode(Command.undrain.rawValue, forKey: .command)
            try fields.encode(group, forKey: .group)
            try fields.encode(backend, forKey: .backend)
        }
    }
}
