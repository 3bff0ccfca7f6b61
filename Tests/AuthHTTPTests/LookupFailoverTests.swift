import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import Testing

@testable import AuthHTTP

@Suite(.timeLimit(.minutes(1))) struct LookupFailoverTests {
    static func url(_ server: ScriptedServer) -> String { "http://127.0.0.1:\(server.port)/mail/auth" }

    /// Where nobody listens, and nobody will: a port that was free a moment ago may be another test's now.
    static let deadURLs = ["http://127.66.66.66:1/mail/auth", "http://127.66.66.67:1/mail/auth"]

    static let failures: [ScriptedServer.Step] = [
        .close, .sayAndClose("nonsense\r\n\r\n"), .sayAndClose("HTTP/1.1 200 OK\r\nAuth-Stat"), .silence,
        .sayAndClose("\r\n\r\n"), .sayAndClose("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"),
        .sayAndClose("HTTP/1.1 200 OK\r\nAuth-Status: OK\r\nAuth-Server: ~\r\nAuth-Port: 1\r\n\r\n"),
        .sayAndClose("HTTP/1.1 200 OK\r\nX: " + String(repeating: "x", count: 100_000) + "\r\n\r\n"),
    ]

    @Test("Where one server fails in any way, the next is asked", arguments: failures.indices)
    func next(_ index: Int) async throws {
        let bad = try await ScriptedServer(Self.failures[index])
        let good = try await ScriptedServer(.say(ScriptedServer.allow))
        let asker = try await Asker([Self.url(bad), Self.url(good)]) { $0.timeout = .milliseconds(500) }
        #expect(try await asker.ask() == allowed)
        #expect(bad.asked.count == 1)
        #expect(good.asked.count == 1)
        try await asker.shutDown()
        try await bad.stop()
        try await good.stop()
    }

    @Test("A server that failed is passed over for a while, then asked again")
    func passedOver() async throws {
        let first = try await ScriptedServer(.close, .say(ScriptedServer.allow))
        let second = try await ScriptedServer(.say(ScriptedServer.allow))
        let asker = try await Asker([Self.url(first), Self.url(second)]) { $0.retryTime = .seconds(2) }
        for _ in 0..<5 { #expect(try await asker.ask() == allowed) }
        #expect(first.asked.count == 1)
        #expect(second.asked.count == 5)
        try await Task.sleep(for: .milliseconds(2100))
        #expect(try await asker.ask() == allowed)
        #expect(first.asked.count == 2)
        try await asker.shutDown()
        try await first.stop()
        try await second.stop()
    }

    @Test("A denial, and an answer that makes no sense to one question, cost the server nothing")
    func notPassedOver() async throws {
        let denial = "HTTP/1.1 204 No\r\nAuth-Status: no\r\n\r\n"
        let senseless = "HTTP/1.1 204 No\r\nAuth-Status: OK\r\n\r\n"
        let first = try await ScriptedServer(.say(denial), .say(senseless), .say(ScriptedServer.allow))
        let second = try await ScriptedServer(.say(ScriptedServer.allow))
        let asker = try await Asker([Self.url(first), Self.url(second)])
        #expect(try await asker.ask() == .success(.denied(.init(text: "no"))))
        #expect(try await asker.ask() == allowed)
        #expect(second.asked.count == 1)
        #expect(try await asker.ask() == allowed)
        #expect(first.asked.count == 3)
        #expect(second.asked.count == 1)
        try await asker.shutDown()
        try await first.stop()
        try await second.stop()
    }

    @Test("With all of them down, each is asked once, and the last one's failure is told; then they are asked again")
    func allDown() async throws {
        let asker = try await Asker(Self.deadURLs)
        for _ in 0..<2 {
            guard case .failure(let error) = try await asker.ask() else {
                Issue.record("an answer of nobody")
                return
            }
            #expect(error.code == .refused)
            #expect(error.message.contains("connect"))
        }
        #expect(try await eventually { try await asker.connectionCount == 0 })
        try await asker.shutDown()
    }

    @Test("The deadline bounds all servers together")
    func deadline() async throws {
        let silent = try await ScriptedServer(.silence)
        let other = try await ScriptedServer(.silence)
        let asker = try await Asker([Self.url(silent), Self.url(other)])
        let began = ContinuousClock.now
        #expect(try await asker.code(within: .milliseconds(400)) == .timedOut)
        #expect(ContinuousClock.now - began < .seconds(5))
        #expect(other.asked.isEmpty)
        try await asker.shutDown()
        try await silent.stop()
        try await other.stop()
    }

    @Test("A Unix socket is asked as nginx asks it, and its connection kept")
    func unixSocket() async throws {
        let path = "/tmp/postern-lookup-\(UInt32.random(in: 0 ... .max)).sock"
        let server = try await ScriptedServer([.say(ScriptedServer.allow)], path: path, tls: nil)
        let asker = try await Asker(["http://unix:\(path):/auth?x"])
        for _ in 0..<3 { #expect(try await asker.ask() == allowed) }
        #expect(server.connections == 1)
        #expect(server.asked.allSatisfy { $0.request.hasPrefix("GET /auth?x HTTP/1.1\r\nHost: localhost\r\nAuth-") })
        try await asker.shutDown()
        try await server.stop()
        try? FileManager.default.removeItem(atPath: path)
    }

    @Test(
        "https verifies the certificate and the name, and keeps the connection", arguments: ["localhost", "127.0.0.1"])
    func tls(_ host: String) async throws {
        let path = "/tmp/postern-lookup-\(UInt32.random(in: 0 ... .max)).pem"
        try TestCertificate.certificate.write(toFile: path, atomically: true, encoding: .utf8)
        let server = try await Self.secure([.say(ScriptedServer.allow)])
        let trusting = try await Asker(["https://\(host):\(server.port)/"]) { $0.trustedCertificates = path }
        for _ in 0..<3 { #expect(try await trusting.ask() == allowed) }
        #expect(server.connections == 1)
        #expect(server.asked.allSatisfy { $0.request.hasPrefix("GET / HTTP/1.1\r\nHost: \(host)\r\n") })
        try await trusting.shutDown()
        // The system does not know it.
        let doubting = try await Asker(["https://\(host):\(server.port)/"])
        guard case .failure(let error) = try await doubting.ask() else {
            Issue.record("a certificate of nobody was taken")
            return
        }
        #expect(error.message.lowercased().contains("certificate"), "\(error)")
        #expect(server.asked.count == 3)
        try await doubting.shutDown()
        try await server.stop()
        try FileManager.default.removeItem(atPath: path)
    }

    @Test("A certificate for another name is refused, and so is a server without TLS")
    func wrongName() async throws {
        let path = "/tmp/postern-lookup-\(UInt32.random(in: 0 ... .max)).pem"
        try TestCertificate.certificate.write(toFile: path, atomically: true, encoding: .utf8)
        let server = try await Self.secure([.say(ScriptedServer.allow)])
        // Every 127.0.0.0/8 address reaches a wildcard listener only: the name is tried instead.
        let plain = try await ScriptedServer(.say(ScriptedServer.allow))
        for url in ["https://ip6-localhost:\(server.port)/", "https://127.0.0.1:\(plain.port)/"] {
            let asker = try await Asker([url]) { $0.trustedCertificates = path }
            #expect(try await asker.code() != nil, "\(url)")
            try await asker.shutDown()
        }
        #expect(server.asked.isEmpty)
        let unreadable = try await Asker(["https://127.0.0.1:\(server.port)/"]) {
            $0.trustedCertificates = "/nonexistent"
        }
        #expect(try await unreadable.code() == .refused)
        try await unreadable.shutDown()
        try await server.stop()
        try await plain.stop()
        try FileManager.default.removeItem(atPath: path)
    }

    private static func secure(_ steps: [ScriptedServer.Step]) async throws -> ScriptedServer {
        let certificates = try NIOSSLCertificate.fromPEMBytes(Array(TestCertificate.certificate.utf8))
        let key = try NIOSSLPrivateKey(bytes: Array(TestCertificate.key.utf8), format: .pem)
        let context = try NIOSSLContext(
            configuration: .makeServerConfiguration(
                certificateChain: certificates.map { .certificate($0) }, privateKey: .privateKey(key)))
        return try await ScriptedServer(steps, path: nil, tls: context)
    }

    // MARK: The server that is named

    private static func naming(_ server: String) -> ScriptedServer.Step {
        .say("HTTP/1.1 204 No\r\nAuth-Status: OK\r\nAuth-Server: \(server)\r\nAuth-Port: 2525\r\n\r\n")
    }

    @Test("A name in Auth-Server is resolved; one without address, and one that nobody resolves, are errors")
    func named() async throws {
        let server = try await ScriptedServer(
            Self.naming("app.example"), Self.naming("none.example"), Self.naming("broken.example"),
            Self.naming("silent.example"))
        let asker = try await Asker(
            [Self.url(server)],
            names: [
                "app.example": [.loopback(2525), .loopback(2526)], "none.example": [],
            ]
        ) { $0.timeout = .milliseconds(500) }
        #expect(try await asker.ask() == allowed)
        for _ in 0..<3 { #expect(try await asker.code() == .unknownServer) }
        try await asker.shutDown()
        try await server.stop()
    }

    @Test("Without a resolver the system's is asked")
    func systemResolver() async throws {
        let server = try await ScriptedServer(Self.naming("localhost"), Self.naming("no-such-name.invalid"))
        let asker = try await Asker([Self.url(server)])
        guard case .success(.allowed(let answer)) = try await asker.ask() else {
            Issue.record("localhost has no address")
            return
        }
        #expect(["127.0.0.1", "::1"].contains(answer.server.ipAddress) && answer.server.port == 2525)
        #expect(try await asker.code() == .unknownServer)
        try await asker.shutDown()
        try await server.stop()
    }

    @Test("A server that is not allowed, or is this relay, is refused, by address and by name")
    func forbidden() async throws {
        let server = try await ScriptedServer(
            Self.naming("127.0.0.1"), Self.naming("10.0.0.1"), Self.naming("unix:/run/x"), Self.naming("app.example"),
            Self.naming("10.0.0.99"), Self.naming("[::1]"))
        let asker = try await Asker(
            [Self.url(server)], names: ["app.example": [.loopback(2525)]],
            forbidden: ["10.0.0.99"]
        ) { $0.allow = [.network([10, 0, 0, 0], bits: 8)] }
        #expect(try await asker.code() == .forbiddenServer)
        #expect(try await asker.code() == nil)
        for _ in 0..<4 { #expect(try await asker.code() == .forbiddenServer) }
        #expect(server.connections == 1)
        try await asker.shutDown()
        try await server.stop()
    }

    @Test("CR and LF in every place of an answer: no field that was not there, and no crash")
    func lineEnds() async throws {
        let whole = "HTTP/1.1 204 No\r\nAuth-Status: no\r\nAuth-Error-Code: 550 5.1.1\r\nContent-Length: 0\r\n\r\n"
        let steps = whole.utf8.indices.dropFirst().flatMap { index in
            ["\r", "\n", "\r\n"].map { end in
                ScriptedServer.Step.sayAndClose(String(whole[..<index]) + end + String(whole[index...]))
            }
        }
        let server = try await ScriptedServer(steps + [.say(ScriptedServer.allow)], path: nil, tls: nil)
        let asker = try await Asker([Self.url(server)])
        for _ in steps {
            if case .success(.allowed) = try await asker.ask() { Issue.record("a denial became an answer") }
        }
        #expect(try await asker.ask() == allowed)
        try await asker.shutDown()
        try await server.stop()
    }
}
