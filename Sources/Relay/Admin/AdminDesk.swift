import AdminProtocol
import FoundationEssentials
package import Logging
import Routing
import SMTPCore

/// Answers the questions of the admin socket from what the relay knows; without any I/O.
package struct AdminDesk: Sendable {
    let state: RelayState
    let logger: Logger

    /// Answers for the relay whose state this is.
    package init(_ state: RelayState, logger: Logger) {
        self.state = state
        self.logger = logger
    }

    /// The answer to a line, without its line end: a line too, with its end. Never fails: what makes no sense is answered so.
    package func answer(_ line: [UInt8]) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let answer = self.answer(to: line)
        let octets = (try? encoder.encode(answer)).map(Array.init) ?? Array(#"{"error":"no answer"}"#.utf8)
        return octets + [UInt8(ascii: "\n")]
    }

    private func answer(to line: [UInt8]) -> AdminAnswer {
        let request: AdminRequest
        do {
            request = try JSONDecoder().decode(AdminRequest.self, from: Data(line))
        } catch DecodingError.dataCorrupted(let context) where !context.codingPath.isEmpty {
            return AdminAnswer(error: context.debugDescription)
        } catch DecodingError.keyNotFound(let key, _) {
            return AdminAnswer(error: "\"\(key.stringValue)\" is missing")
        } catch {
            return AdminAnswer(error: "not a question in JSON")
        }
        switch request {
        case .route(let recipient): return self.route(recipient)
        case .backends: return self.backends()
        case .drain(let group, let backend): return self.drain(true, group, backend)
        case .undrain(let group, let backend): return self.drain(false, group, backend)
        }
    }

    private func route(_ line: String) -> AdminAnswer {
        let recipient: RecipientCommand
        do {
            guard case .rcpt(let command) = try CommandParser.command(Array(line.utf8).span) else {
                return AdminAnswer(error: "not a RCPT command")
            }
            recipient = command
        } catch {
            return AdminAnswer(route: .refuse(error.reply))
        }
        let snapshot = self.state.snapshot
        // Of the client nothing is known here: a route with conditions is not taken.
        switch snapshot.routes.decide(recipient.forwardPath) {
        case .reject(let reply):
            return AdminAnswer(route: .refuse(reply))
        case .lookup:
            return AdminAnswer(route: .lookup)
        case .undecided:
            return AdminAnswer(route: .refuse(.routeUndecided))
        case .noMatch:
            return AdminAnswer(route: snapshot.configuration.lookup == nil ? .refuse(.relayingDenied) : .lookup)
        case .group(let group):
            // The asker makes the connection, and it is not ours to count.
            guard let backend = self.state.groups.peek(group) else {
                return AdminAnswer(error: "group \"\(group.name)\" has no backend that can be had now")
            }
            return AdminAnswer(route: .forward(group: group.name, backend: backend.description))
        }
    }
}

extension RouteAnswer {
    fileprivate static func refuse(_ reply: SMTPReply) -> RouteAnswer {
        .refuse(
            replyCode: reply.replyCode, enhancedCode: reply.enhancedStatusCode.map { "\($0)" },
            text: reply.lines.joined(separator: " "))
    }
}
