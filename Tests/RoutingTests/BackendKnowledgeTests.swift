import Routing
import SMTPCore
import Testing

private let one = BackendAddress.host("one.example", port: 25)
private let two = BackendAddress.host("two.example", port: 25)
private let able = ServerCapabilities(extensions: [.smtpUTF8, .dsn, .pipelining])
private let candidates: ServerExtensions = [.smtpUTF8, .dsn]

@Suite struct BackendKnowledgeTests {
    @Test("What every backend is known to have is shared; an unknown one has nothing")
    func shared() {
        var knowledge = BackendKnowledge()
        #expect(knowledge.shared(by: [one, two], of: candidates) == [])
        knowledge.learn(able, of: one)
        #expect(knowledge.shared(by: [one], of: candidates) == candidates)
        #expect(knowledge.shared(by: [one, two], of: candidates) == [])
        knowledge.learn(ServerCapabilities(extensions: [.dsn, .size]), of: two)
        #expect(knowledge.shared(by: [one, two], of: candidates) == .dsn)
        #expect(knowledge.shared(by: [], of: candidates) == [])
    }

    @Test("News is what was not known or is other than before; TLS and AUTH are none")
    func news() {
        var knowledge = BackendKnowledge()
        let first = knowledge.learn(able, of: one)
        let again = knowledge.learn(able, of: one)
        var secure = able
        secure.extensions.formUnion([.startTLS, .auth])
        secure.mechanisms = ["PLAIN"]
        let withTLS = knowledge.learn(secure, of: one)
        let bare = knowledge.learn(ServerCapabilities(), of: one)
        #expect([first, again, withTLS, bare] == [true, false, false, true])
        let unknownBare = knowledge.learn(ServerCapabilities(), of: two)
        #expect(unknownBare)
        #expect(knowledge.capabilities(of: one) == ServerCapabilities())
    }

    @Test("Backends that a configuration has no more are forgotten, the others are not")
    func keep() {
        var knowledge = BackendKnowledge()
        knowledge.learn(able, of: one)
        knowledge.learn(able, of: two)
        knowledge.keep([two])
        #expect(knowledge.capabilities(of: one) == nil)
        #expect(knowledge.capabilities(of: two) == able)
    }
}
