/// One question at the relay's admin socket: a line of JSON.
///
/// ```text
/// C: {"command":"route","recipient":"RCPT TO:<user@flxw.de>"}
/// S: {"route":{"backend":"192.0.2.1:2525","group":"app","verdict":"forward"}}
/// C: {"command":"dance"}
/// S: {"error":"unknown command \"dance\""}
/// ```
///
/// Answers come in the order of the questions.
package enum AdminRequest: Hashable, Sendable {
    /// Where a recipient would go by the route table. `recipient` is RCPT as a client says it.
    case route(recipient: String)

    /// The longest line, its line end included, in octets.
    package static let longestLine = 8192

    private enum CodingKeys: String, CodingKey {
        case command, recipient
    }

    private enum Command: String {
        case route
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
        }
    }
}
