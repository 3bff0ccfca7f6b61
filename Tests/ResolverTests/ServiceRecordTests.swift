import NIOCore
import Testing

@testable import Resolver

@Suite(.timeLimit(.minutes(1))) struct ServiceRecordTests {
    /// The data of an SRV record.
    static func data(_ priority: Int, _ weight: Int, _ port: Int, _ target: [UInt8]) -> [UInt8] {
        [priority, weight, port].flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] } + target
    }

    static let name = "_smtp._tcp.app.example"

    private func records(_ data: [[UInt8]]) throws -> [DNSReply.Record] {
        var message = DNSMessage(answers: data.count)
        message.question(Self.name, 33)
        for data in data { message.record(DNSMessage.questionName, 33, ttl: 9, data) }
        return try DNSReply(message.octets, type: .service).records
    }

    @Test("Priority, weight, port and target are read, compressed and not, the root as no service")
    func read() throws {
        #expect(
            try self.records([
                Self.data(10, 65535, 2525, DNSMessage.wire("A.Example")),
                Self.data(0, 0, 25, [1, 0x62, 0xC0, 0x0C]),
                Self.data(0, 0, 0, [0]),
            ]) == [
                .service(.init(priority: 10, weight: 65535, port: 2525, target: "a.example")),
                .service(.init(priority: 0, weight: 0, port: 0, target: nil)),
            ], "b below the question's own name is no host: it has underscores")
    }

    @Test("A record with port 0, or with a target that is no host name, is left out")
    func leftOut() throws {
        #expect(try self.records([Self.data(0, 0, 0, DNSMessage.wire("a.example"))]).isEmpty)
        #expect(try self.records([Self.data(0, 0, 1, DNSMessage.wire("a b.example"))]).isEmpty)
    }

    @Test("Data that end too soon, or go on, are no answer")
    func cut() {
        let whole = Self.data(1, 2, 3, DNSMessage.wire("a.example"))
        for length in 0..<whole.count {
            #expect(throws: DNSReply.Malformed.self, "\(length)") { try self.records([Array(whole.prefix(length))]) }
        }
        #expect(throws: DNSReply.Malformed.record) { try self.records([whole + [0]]) }
    }

    private func ask<Record>(
        _ server: ScriptedDNS,
        _ body: @escaping @Sendable (NameResolver, @escaping (NameAnswer<Record>) -> Void) -> Void
    ) async throws -> NameAnswer<Record> {
        var configuration = ResolverConfiguration(servers: [try server.address])
        configuration.timeout = .seconds(20)
        configuration.maximumTTL = .seconds(100)
        let loop = ScriptedDNS.loops.any()
        return try await loop.flatSubmit { [configuration] in
            let resolver = NameResolver(eventLoop: loop, configuration: configuration)
            let promise = loop.makePromise(of: NameAnswer<Record>.self)
            body(resolver) { promise.succeed($0) }
            return promise.futureResult
        }.get()
    }

    @Test(
        "Services and addresses come with the time that they hold for, the least of their chain, and no more than the bound"
    )
    func times() async throws {
        let server = try await ScriptedDNS { question in
            switch (question.name, question.type) {
            case (Self.name, 33):
                [question.reply([(33, 1000, Self.data(1, 2, 3, DNSMessage.wire("a.example")))])]
            case ("a.example", 1):
                [question.reply([(5, 7, DNSMessage.wire("b.example")), (1, 50, [10, 0, 0, 1])])]
            case ("b.example", 28): [question.reply(flags: 0x8182)]
            default: [question.nxdomain]
            }
        }
        let began = NIODeadline.now()
        let services: NameAnswer<ServiceRecord> = try await self.ask(server) { resolver, done in
            _ = resolver.services(of: Self.name, completion: done)
        }
        guard case .found(let records, let expiry) = services else { throw ChannelError.eof }
        #expect(records == [.init(priority: 1, weight: 2, port: 3, target: "a.example")])
        #expect(expiry - began >= .seconds(100) && expiry - began < .seconds(160))
        // (The alias leads to a name whose record is of another owner: none.)
        let addresses: NameAnswer<[UInt8]> = try await self.ask(server) { resolver, done in
            _ = resolver.addresses(of: "a.example", family: .v4, completion: done)
        }
        guard case .absent = addresses else { throw ChannelError.eof }
        let failed: NameAnswer<[UInt8]> = try await self.ask(server) { resolver, done in
            _ = resolver.addresses(of: "b.example", family: .v6, completion: done)
        }
        #expect(failed == .failed)
        let wrong: NameAnswer<[UInt8]> = try await self.ask(server) { resolver, done in
            _ = resolver.addresses(of: "b b", family: .v6, completion: done)
        }
        #expect(wrong == .failed)
        try await server.stop()
    }
}
