import AdminProtocol
import Foundation
import Testing

@Suite struct AdminRequestTests {
    @Test(
        "a question is one object, and comes back as it was",
        arguments: [
            AdminRequest.route(recipient: "RCPT TO:<\"a b\"@flxw.de>"), .backends,
            .drain(group: "app", backend: "unix:/run/\n.sock"), .undrain(group: "app", backend: "[::1]:25"),
        ])
    func roundTrip(_ request: AdminRequest) throws {
        let octets = try JSONEncoder().encode(request)
        #expect(try JSONDecoder().decode(AdminRequest.self, from: octets) == request)
        #expect(!octets.contains(UInt8(ascii: "\n")))
    }

    @Test(
        "what is no question is an error",
        arguments: ["{}", "[]", "1", #"{"command":1}"#, #"{"command":"route"}"#, #"{"command":"drain","group":"app"}"#])
    func errors(text: String) {
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode(AdminRequest.self, from: Data(text.utf8))
        }
    }

    @Test("an answer has what it says and no more")
    func answers() throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        func text(_ answer: AdminAnswer) throws -> String {
            String(decoding: try encoder.encode(answer), as: UTF8.self)
        }
        #expect(try text(AdminAnswer(error: "no")) == #"{"error":"no"}"#)
        #expect(try text(AdminAnswer(route: .lookup)) == #"{"route":{"verdict":"lookup"}}"#)
        let refusal = AdminAnswer(route: .refuse(replyCode: 550, enhancedCode: nil, text: "no"))
        #expect(try text(refusal) == #"{"route":{"replyCode":550,"text":"no","verdict":"refuse"}}"#)
    }
}
