import NIOCore
import NIOEmbedded
import NIOHTTP1
import NIOPosix
import SMTPCore
import Testing

@testable import AuthHTTP

/// A client on a loop of its own, driven from a test's task.
struct Asker: Sendable {
    let loop: any EventLoop
    private let bound: NIOLoopBound<LookupClient>

    init(port: Int, host: String = "127.0.0.1", _ change: (inout LookupConfiguration) -> Void = { _ in }) async throws {
        try await self.init(["http://\(host):\(port)/mail/auth"], change)
    }

    /// - Parameters:
    ///   - names: what the resolver knows; nil: the system's resolver.
    ///   - forbidden: addresses that no answer may name.
    init(
        _ urls: [String], names: [String: [SocketAddress]]? = nil,
        forbidden: Set<String> = [],
        _ change: (inout LookupConfiguration) -> Void = { _ in }
    ) async throws {
        var configuration = LookupConfiguration(endpoints: try urls.map { try LookupEndpoint(parsing: $0) })
        configuration.timeout = .seconds(10)
        change(&configuration)
        let loop = ScriptedServer.loops.any()
        self.loop = loop
        self.bound = try await loop.submit { [configuration] in
            var environment = LookupEnvironment.system(on: loop)
            environment.objection = { forbidden.contains($0.ipAddress ?? "") ? "which is this relay" : nil }
            if let names {
                environment.resolve = { name, _, completion in
                    // A name that is not here is never answered, but for one.
                    if let found = names[name] {
                        completion(found)
                    } else if name == "broken.example" {
                        completion(nil)
                    }
                }
            }
            let client = LookupClient(eventLoop: loop, configuration: configuration, environment: environment)
            return NIOLoopBound(client, eventLoop: loop)
        }.get()
    }

    func ask(
        _ request: LookupRequest = LookupRequestTests.request(), within limit: TimeAmount = .seconds(20)
    ) async throws -> Result<LookupVerdict, LookupError> {
        try await self.loop.flatSubmit { [bound, loop] in
            let promise = loop.makePromise(of: Result<LookupVerdict, LookupError>.self)
            var calls = 0
            bound.value.ask(request, deadline: .now() + limit) { result in
                calls += 1
                precondition(calls == 1, "completed twice")
                promise.succeed(result)
            }
            return promise.futureResult
        }.get()
    }

    func code(_ request: LookupRequest = LookupRequestTests.request(), within limit: TimeAmount = .seconds(20))
        async throws -> LookupError.Code?
    {
        switch try await self.ask(request, within: limit) {
        case .success: nil
        case .failure(let error): error.code
        }
    }

    var connectionCount: Int {
        get async throws { try await self.loop.submit { [bound] in bound.value.connectionCount }.get() }
    }

    func shutDown() async throws { try await self.loop.submit { [bound] in bound.value.shutDown() }.get() }
}

/// Waits until `condition` holds; false after ten seconds.
func eventually(_ condition: () async throws -> Bool) async throws -> Bool {
    for _ in 0..<1000 {
        if try await condition() { return true }
        try await Task.sleep(for: .milliseconds(10))
    }
    return false
}

let allowed = Result<LookupVerdict, LookupError>.success(
    .allowed(.init(server: .loopback(2525))))

extension SocketAddress {
    static func loopback(_ port: Int) -> SocketAddress {
        do {
            return try SocketAddress(ipAddress: "127.0.0.1", port: port)
        } catch {
            preconditionFailure("127.0.0.1 is an address: \(error)")
        }
    }
}

@Suite(.timeLimit(.minutes(1))) struct LookupClientTests {
    @Test("Questions one after another share a connection")
    func keepAlive() async throws {
        let server = try await ScriptedServer(.say(ScriptedServer.allow))
        let asker = try await Asker(port: server.port)
        for _ in 0..<20 { #expect(try await asker.ask() == allowed) }
        #expect(server.connections == 1)
        #expect(server.asked.count == 20)
        #expect(server.asked.allSatisfy { $0.request.hasPrefix("GET /mail/auth HTTP/1.1\r\nHost: 127.0.0.1\r\nAuth-") })
        try await asker.shutDown()
        #expect(try await eventually { server.open == 0 })
        try await server.stop()
    }

    @Test("Questions at the same time have a connection each, and few are kept")
    func concurrent() async throws {
        let server = try await ScriptedServer(.sayThenLater("", ScriptedServer.allow, after: .milliseconds(50)))
        let asker = try await Asker(port: server.port) { $0.maximumIdleConnections = 3 }
        let verdicts = try await withThrowingTaskGroup(of: Result<LookupVerdict, LookupError>.self) { group in
            for _ in 0..<20 { group.addTask { try await asker.ask() } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(verdicts == Array(repeating: allowed, count: 20))
        #expect(try await eventually { try await asker.connectionCount == 3 })
        #expect(try await eventually { server.open == 3 })
        try await asker.shutDown()
        try await server.stop()
    }

    @Test("A host name is resolved")
    func hostName() async throws {
        let server = try await ScriptedServer(.say(ScriptedServer.allow))
        let asker = try await Asker(port: server.port, host: "localhost")
        #expect(try await asker.ask() == allowed)
        try await asker.shutDown()
        try await server.stop()
    }

    static let headers = "Auth-Status: OK\r\nAuth-Server: 127.0.0.1\r\nAuth-Port: 2525\r\n"

    @Test(
        "Every way to write an answer is understood, whole, octet by octet and in threes, and keeps the connection",
        arguments: [
            "HTTP/1.1 204 No Content\r\n\(headers)\r\n",
            "HTTP/1.1 200 OK\r\n\(headers)Content-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\(headers)Content-Length: 5\r\n\r\nhello",
            "HTTP/1.1 500 Oops\r\n\(headers)Content-Length: 5\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\n\(headers)Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nAuth-Status: no\r\n\r\nHTTP/1.1 204 x\r\n\(headers)\r\n",
            "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\(headers)Content-Length: 2\r\n\r\nxx",
        ])
    func answers(_ answer: String) async throws {
        for step in [ScriptedServer.Step.say(answer), .dribble(answer, by: 1), .dribble(answer, by: 3)] {
            let server = try await ScriptedServer(step)
            let asker = try await Asker(port: server.port)
            #expect(try await asker.ask() == allowed)
            // The rest of a response may still be on its way: then a question has a connection of its own.
            try await Task.sleep(for: .milliseconds(50))
            #expect(try await asker.ask() == allowed)
            #expect(server.connections == 1)
            try await asker.shutDown()
            try await server.stop()
        }
    }

    @Test(
        "A connection is not used again where the answer says so",
        arguments: [
            "HTTP/1.1 204 No Content\r\n\(headers)Connection: close\r\n\r\n",
            "HTTP/1.0 200 OK\r\n\(headers)\r\n",
            "HTTP/1.0 200 OK\r\n\(headers)Content-Length: 0\r\n\r\n",
        ])
    func notKept(_ answer: String) async throws {
        let server = try await ScriptedServer(.sayAndClose(answer))
        let asker = try await Asker(port: server.port)
        for _ in 0..<3 { #expect(try await asker.ask() == allowed) }
        #expect(server.connections == 3)
        #expect(try await eventually { try await asker.connectionCount == 0 })
        try await asker.shutDown()
        try await server.stop()
    }

    @Test("An answer counts as soon as its headers are complete, and a body without end costs the connection only")
    func longBody() async throws {
        let endless = "HTTP/1.1 200 OK\r\n\(Self.headers)Transfer-Encoding: chunked\r\n\r\n"
        let chunk = "400\r\n" + String(repeating: "x", count: 1024) + "\r\n"
        let server = try await ScriptedServer(
            .say(endless + "5\r\nhello\r\n"), .keepSaying(chunk, after: endless), .say(ScriptedServer.allow))
        let asker = try await Asker(port: server.port) { $0.timeout = .milliseconds(300) }
        for _ in 0..<3 { #expect(try await asker.ask() == allowed) }
        #expect(server.connections == 3)
        #expect(try await eventually { try await asker.connectionCount == 1 })
        try await asker.shutDown()
        try await server.stop()
    }

    @Test("A kept connection that the server closed is replaced once, unseen")
    func retried() async throws {
        let server = try await ScriptedServer(.say(ScriptedServer.allow), .close, .say(ScriptedServer.allow))
        let asker = try await Asker(port: server.port)
        #expect(try await asker.ask() == allowed)
        #expect(try await asker.ask() == allowed)
        #expect(server.connections == 2)
        #expect(server.asked.map(\.connection) == [1, 1, 2])
        try await asker.shutDown()
        try await server.stop()
    }

    @Test("A fresh connection that the server closes is not replaced")
    func notRetried() async throws {
        let server = try await ScriptedServer(.close)
        let asker = try await Asker(port: server.port)
        #expect(try await asker.code() == .closed)
        #expect(server.asked.count == 1)
        try await asker.shutDown()
        try await server.stop()
    }

    @Test("Once an octet of the answer has come, a lost connection is an error")
    func lostMidway() async throws {
        let server = try await ScriptedServer(.say(ScriptedServer.allow), .sayAndClose("H"), .silence)
        let asker = try await Asker(port: server.port)
        #expect(try await asker.ask() == allowed)
        #expect(try await asker.code() == .closed)
        #expect(server.asked.count == 2)
        try await asker.shutDown()
        try await server.stop()
    }

    @Test("An answer cut anywhere before its headers end is no answer")
    func cut() async throws {
        let answer = Array("HTTP/1.1 200 OK\r\n\(Self.headers)Content-Length: 2\r\n\r\n".utf8)
        for end in 1..<answer.count {
            let server = try await ScriptedServer(.sayAndClose(String(decoding: answer[..<end], as: UTF8.self)))
            let asker = try await Asker(port: server.port)
            let code = try await asker.code()
            #expect(
                code == .closed || code == .malformed,
                """
                cut at \(end): \(code.map { "\($0)" } ?? "a verdict"), asked \(server.asked.count), \
                connections \(server.connections), open \(server.open)
                """)
            #expect(try await eventually { try await asker.connectionCount == 0 })
            try await asker.shutDown()
            try await server.stop()
        }
    }

    @Test(
        "What is no answer is malformed",
        arguments: [
            "garbage\r\n\r\n", "220 mail ESMTP\r\n", "\u{0}\u{1}\u{2}", "HTTP/1.1 204 No Content\r\nA B: c\r\n\r\n",
            "HTTP/1.1 204 No Content\r\nAuth-Status: OK\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 204 No Content\r\nAuth-Status: OK\r\nAuth-Server: local host\r\nAuth-Port: 25\r\n\r\n",
            "HTTP/1.1 204 No Content\r\nAuth-Status: a\u{0}b\r\n\r\n", "HTTP/9.9 204 x\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
        ])
    func garbage(_ answer: String) async throws {
        let server = try await ScriptedServer(.say(answer))
        let asker = try await Asker(port: server.port) { $0.timeout = .seconds(2) }
        #expect(try await asker.code() == .malformed)
        try await asker.shutDown()
        try await server.stop()
    }

    @Test("Octets that nobody asked for cost the connection, and no later question gets them")
    func unsolicited() async throws {
        let forged = ScriptedServer.allow.replacing("2525", with: "6666")
        let server = try await ScriptedServer(.say(ScriptedServer.allow + forged), .say(ScriptedServer.allow))
        let asker = try await Asker(port: server.port)
        for _ in 0..<3 { #expect(try await asker.ask() == allowed) }
        try await asker.shutDown()
        try await server.stop()
    }

    @Test(
        "Headers without end are cut off",
        arguments: ["X-Header: some value or other\r\n", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\n", "x"])
    func endless(_ text: String) async throws {
        let server = try await ScriptedServer(
            .keepSaying(String(repeating: text, count: 20), after: text.hasPrefix("X-") ? "HTTP/1.1 200 OK\r\n" : ""))
        let asker = try await Asker(port: server.port)
        #expect(try await asker.code() == .malformed)
        #expect(try await eventually { server.open == 0 })
        try await asker.shutDown()
        try await server.stop()
    }

    @Test("A long header is read to the bound")
    func longHeaders() async throws {
        let long = "HTTP/1.1 204 x\r\nX: \(String(repeating: "y", count: 12000))\r\n\(Self.headers)\r\n"
        let tooLong = "HTTP/1.1 204 x\r\nX: \(String(repeating: "y", count: 40000))\r\n"
        let server = try await ScriptedServer(.say(long), .say(tooLong))
        let asker = try await Asker(port: server.port)
        #expect(try await asker.ask() == allowed)
        #expect(try await asker.code() == .malformed)
        try await asker.shutDown()
        try await server.stop()
    }

    @Test("A server that never answers, or never ends its headers, is given up in time")
    func silence() async throws {
        for step in [ScriptedServer.Step.silence, .say("HTTP/1.1 200 OK\r\nAuth-Status: OK\r\n")] {
            let server = try await ScriptedServer(step)
            let asker = try await Asker(port: server.port) { $0.timeout = .milliseconds(200) }
            let start = ContinuousClock.now
            #expect(try await asker.code() == .timedOut)
            #expect(.milliseconds(190)...(.seconds(5)) ~= start.duration(to: .now))
            #expect(try await eventually { server.open == 0 })
            #expect(try await asker.connectionCount == 0)
            try await asker.shutDown()
            try await server.stop()
        }
    }

    @Test("The caller's deadline goes before the time of one try")
    func deadline() async throws {
        let server = try await ScriptedServer(.silence)
        let asker = try await Asker(port: server.port)
        #expect(try await asker.code(within: .milliseconds(100)) == .timedOut)
        #expect(try await asker.code(within: .nanoseconds(-1)) == .timedOut)
        try await asker.shutDown()
        try await server.stop()
    }

    @Test("Where nobody listens, the question is refused")
    func refused() async throws {
        // (No test has this port: one that was free a moment ago may be another's now.)
        let port = 1
        let asker = try await Asker(port: port)
        let result = try await asker.ask()
        guard case .failure(let error) = result else {
            Issue.record("\(result)")
            return
        }
        #expect(error.code == .refused)
        #expect(error.message.hasPrefix("lookup at 127.0.0.1:\(port): connect: "))
        #expect(try await asker.connectionCount == 0)
        try await asker.shutDown()
    }

    @Test("WAIT asks the same again after the seconds it names")
    func wait() async throws {
        let wait = "HTTP/1.1 204 x\r\nAuth-Status: WAIT\r\nAuth-Wait: 1\r\n\r\n"
        let server = try await ScriptedServer(.say(wait), .say(ScriptedServer.allow))
        let asker = try await Asker(port: server.port)
        let start = ContinuousClock.now
        #expect(try await asker.ask() == allowed)
        #expect(start.duration(to: .now) >= .milliseconds(990))
        #expect(server.asked.count == 2)
        #expect(server.asked.first?.request == server.asked.last?.request)
        try await asker.shutDown()
        try await server.stop()
    }

    @Test("WAIT without seconds is no storm, and has an end")
    func waitStorm() async throws {
        let server = try await ScriptedServer(.say("HTTP/1.1 204 x\r\nAuth-Status: WAIT\r\n\r\n"))
        let asker = try await Asker(port: server.port) { $0.waitBudget = .milliseconds(1500) }
        #expect(try await asker.code() == .waitedTooLong)
        #expect(server.asked.count == 2)
        #expect(try await asker.code(within: .milliseconds(500)) == .waitedTooLong)
        try await asker.shutDown()
        try await server.stop()
    }

    @Test("A denial is a verdict")
    func denied() async throws {
        let server = try await ScriptedServer(
            .say("HTTP/1.1 204 x\r\nAuth-Status: Go away\r\nAuth-Error-Code: 550 5.7.1\r\nAuth-Wait: 2\r\n\r\n"))
        let asker = try await Asker(port: server.port)
        let denial = LookupAnswer.Denial(replyCode: 550, enhancedCode: .init(5, 7, 1), text: "Go away", wait: 2)
        #expect(try await asker.ask() == .success(.denied(denial)))
        try await asker.shutDown()
        try await server.stop()
    }

    @Test("A request that could forge a header is not sent")
    func forbidden() async throws {
        let server = try await ScriptedServer(.say(ScriptedServer.allow))
        let asker = try await Asker(port: server.port)
        #expect(try await asker.code(LookupRequestTests.request(rcpt: "RCPT TO:<a>\r\nX: y")) == .forbiddenOctet)
        #expect(server.connections == 0)
        try await asker.shutDown()
        try await server.stop()
    }

    @Test("Idle connections are closed after their time")
    func idle() async throws {
        let server = try await ScriptedServer(.say(ScriptedServer.allow))
        let asker = try await Asker(port: server.port) {
            $0.idleTimeout = .milliseconds(100)
            $0.timeout = .milliseconds(300)
        }
        #expect(try await asker.ask() == allowed)
        #expect(server.open == 1)
        #expect(try await eventually { server.open == 0 })
        #expect(try await asker.connectionCount == 0)
        #expect(try await asker.ask() == allowed)
        try await asker.shutDown()
        try await server.stop()
    }

    @Test("Shutting down ends what is under way: asking, waiting, and what comes after")
    func shutDown() async throws {
        for step in [ScriptedServer.Step.silence, .say("HTTP/1.1 204 x\r\nAuth-Status: WAIT\r\nAuth-Wait: 5\r\n\r\n")] {
            let server = try await ScriptedServer(step)
            let asker = try await Asker(port: server.port)
            async let code = asker.code()
            #expect(try await eventually { server.asked.count == 1 })
            try await Task.sleep(for: .milliseconds(50))
            try await asker.shutDown()
            let result = try await code
            #expect(result == .shutDown)
            #expect(try await asker.code() == .shutDown)
            #expect(try await eventually { server.open == 0 })
            try await server.stop()
        }
    }

    @Test("A completion may ask the next question, on the same connection")
    func reentrant() async throws {
        let server = try await ScriptedServer(.say(ScriptedServer.allow))
        let port = server.port
        let loop = ScriptedServer.loops.any()
        let count = try await loop.flatSubmit {
            let promise = loop.makePromise(of: Int.self)
            guard let endpoint = try? LookupEndpoint(parsing: "http://127.0.0.1:\(port)/") else {
                return loop.makeSucceededFuture(0)
            }
            let client = LookupClient(eventLoop: loop, configuration: LookupConfiguration(endpoint: endpoint))
            func next(_ left: Int) {
                client.ask(LookupRequestTests.request(), deadline: .now() + .seconds(10)) { _ in
                    if left > 0 { return next(left - 1) }
                    let count = client.connectionCount
                    client.shutDown()
                    promise.succeed(count)
                }
            }
            next(50)
            return promise.futureResult
        }.get()
        #expect(count == 1)
        #expect(server.connections == 1)
        #expect(server.asked.count == 51)
        try await server.stop()
    }

    @Test("A real HTTP server understands the request")
    func realServer() async throws {
        final class Handler: ChannelInboundHandler {
            typealias InboundIn = HTTPServerRequestPart
            typealias OutboundOut = HTTPServerResponsePart
            private var recipient = ""

            func channelRead(context: ChannelHandlerContext, data: NIOAny) {
                switch self.unwrapInboundIn(data) {
                case .head(let head):
                    self.recipient = head.headers["auth-smtp-to"].first ?? ""
                case .body:
                    break
                case .end:
                    // The published example's rule.
                    var headers = HTTPHeaders([("Auth-Server", "127.0.0.1"), ("Auth-Port", "2525"), ("Auth-Wait", "1")])
                    headers.add(name: "Auth-Status", value: self.recipient.contains("flxw.de") ? "OK" : "ERROR")
                    let head = HTTPResponseHead(version: .http1_1, status: .noContent, headers: headers)
                    context.write(self.wrapOutboundOut(.head(head)), promise: nil)
                    context.writeAndFlush(self.wrapOutboundOut(.end(nil)), promise: nil)
                }
            }
        }
        let server = try await ServerBootstrap(group: ScriptedServer.loops)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(Handler())
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let asker = try await Asker(port: server.localAddress?.port ?? 0)
        for _ in 0..<3 {
            #expect(try await asker.ask(LookupRequestTests.request(rcpt: "RCPT TO:<a@flxw.de>")) == allowed)
            #expect(
                try await asker.ask(LookupRequestTests.request(rcpt: "RCPT TO:<a@example.org>"))
                    == .success(.denied(.init(text: "ERROR", wait: 1))))
        }
        #expect(try await asker.connectionCount == 1)
        try await asker.shutDown()
        try await server.close()
    }
}
