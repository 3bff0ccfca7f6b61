import NIOCore
import NIOEmbedded
import Testing

@testable import AuthHTTP

@Suite struct LookupConnectionTests {
    private final class Owner: LookupConnectionOwner {
        var events: [String] = []

        func connectionReleased(_ connection: LookupConnection) { self.events.append("released") }
        func connectionClosed(_ connection: LookupConnection) { self.events.append("closed") }
        func connection(_ connection: LookupConnection, answered question: LookupQuestion, _ answer: LookupAnswer) {
            self.events.append("answered")
        }
        func connection(_ connection: LookupConnection, failed question: LookupQuestion, _ code: LookupError.Code) {
            self.events.append("failed: \(code)")
        }
        func connection(_ connection: LookupConnection, rejected question: LookupQuestion) {
            self.events.append("rejected")
        }
    }

    private static let answer = Array(
        "HTTP/1.1 200 OK\r\nAuth-Status: no\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".utf8)

    /// What the owner hears when `pieces` arrive one by one, and the octets that went out.
    private func run(_ pieces: [ArraySlice<UInt8>], thenClose: Bool) throws -> (events: [String], sent: String) {
        let owner = Owner()
        let configuration = try LookupRequestTests.configuration()
        let question = LookupQuestion(
            LookupRequestTests.request(), deadline: .distantFuture, waitBudget: .zero, completion: { _ in })
        question.octets = ByteBuffer(string: "GET / HTTP/1.1\r\n\r\n")
        question.tryDeadline = .distantFuture
        let connection = LookupConnection(for: question, owner: owner, configuration: configuration)
        let channel = EmbeddedChannel()
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 80)).wait()
        connection.opened(channel, nil)
        let sent = try channel.readOutbound(as: ByteBuffer.self).map { String(buffer: $0) } ?? ""
        for piece in pieces where channel.isActive {
            try channel.writeInbound(ByteBuffer(bytes: piece))
        }
        if thenClose, channel.isActive { _ = try channel.finish(acceptAlreadyClosed: true) }
        return (owner.events, sent)
    }

    @Test("The octets of the question go out as they are")
    func request() throws {
        #expect(try self.run([], thenClose: false).sent == "GET / HTTP/1.1\r\n\r\n")
    }

    @Test("Whole, octet by octet and cut at every offset, an answer is the same")
    func cuts() throws {
        #expect(try self.run([Self.answer[...]], thenClose: false).events == ["released", "answered"])
        // In pieces, the verdict comes with the headers and the connection with the end.
        let single = Self.answer.indices.map { Self.answer[$0...$0] }
        #expect(try self.run(single, thenClose: false).events == ["answered", "released"])
        for cut in 1..<Self.answer.count {
            let events = try self.run([Self.answer[..<cut], Self.answer[cut...]], thenClose: false).events
            #expect(Set(events) == ["answered", "released"] && events.count == 2, "cut at \(cut): \(events)")
        }
    }

    @Test("An answer that ends anywhere is an answer from the end of its headers on, and a failure before")
    func truncated() throws {
        let head = "HTTP/1.1 200 OK\r\nAuth-Status: no\r\nTransfer-Encoding: chunked\r\n\r\n".utf8.count
        for end in 0..<Self.answer.count {
            let events = try self.run([Self.answer[..<end]], thenClose: true).events
            let expected = end < head ? ["closed", "failed: closed"] : ["answered", "closed"]
            #expect(events == expected, "ended at \(end)")
        }
    }
}
