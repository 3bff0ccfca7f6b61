import NIOCore
import NIOPosix
import Testing

@testable import Resolver

/// A resolver on a loop of its own, driven from a test's task.
private struct Asker: Sendable {
    let loop: any EventLoop
    let bound: NIOLoopBound<NameResolver>

    init(_ servers: [SocketAddress], timeout: TimeAmount = .seconds(20)) async throws {
        var configuration = ResolverConfiguration(servers: servers)
        configuration.timeout = timeout
        configuration.maximumCacheEntries = 8
        let loop = ScriptedDNS.loops.any()
        self.loop = loop
        self.bound = try await loop.submit { [configuration] in
            NIOLoopBound(NameResolver(eventLoop: loop, configuration: configuration), eventLoop: loop)
        }.get()
    }

    func name(_ ip: String) async throws -> ConfirmedName {
        let address = try SocketAddress(ipAddress: ip, port: 4711)
        return try await self.loop.flatSubmit { [bound, loop] in
            let promise = loop.makePromise(of: ConfirmedName.self)
            var calls = 0
            _ = bound.value.confirmName(of: address) {
                calls += 1
                precondition(calls == 1, "completed twice")
                promise.succeed($0)
            }
            precondition(calls == 0, "completed before it returned")
            return promise.futureResult
        }.get()
    }

    func addresses(_ name: String) async throws -> [String]? {
        try await self.loop.flatSubmit { [bound, loop] in
            let promise = loop.makePromise(of: [String]?.self)
            _ = bound.value.addresses(of: name, port: 25) { promise.succeed($0?.map { $0.ipAddress ?? "?" }) }
            return promise.futureResult
        }.get()
    }

    func shutDown() async throws { try await self.loop.submit { [bound] in bound.value.shutDown() }.get() }
}

@Suite(.timeLimit(.minutes(1))) struct NameResolverTests {
    private func run(
        _ answer: @escaping ScriptedDNS.Answer, timeout: TimeAmount = .seconds(20),
        _ body: (Asker, ScriptedDNS) async throws -> Void
    ) async throws {
        let server = try await ScriptedDNS(answer)
        let asker = try await Asker([try server.address], timeout: timeout)
        try await body(asker, server)
        try await asker.shutDown()
        try await server.stop()
    }

    private func name(_ ip: String = "192.0.2.4", _ answer: @escaping ScriptedDNS.Answer) async throws -> ConfirmedName
    {
        var name = ConfirmedName.failed
        try await self.run(answer) { (asker: Asker, _: ScriptedDNS) async throws in name = try await asker.name(ip) }
        return name
    }

    @Test("A name counts where it leads back to the address, IPv4, mapped and IPv6")
    func confirmed() async throws {
        let four = try await self.name {
            $0.type == 12 ? [$0.pointer("Host.example.org")] : [$0.address([192, 0, 2, 4])]
        }
        #expect(four == .name("Host.example.org"))
        let mapped = try await self.name("::ffff:192.0.2.4") {
            $0.type == 12 && $0.name == "4.2.0.192.in-addr.arpa"
                ? [$0.pointer("host.example.org")] : [$0.address([192, 0, 2, 4])]
        }
        #expect(mapped == .name("host.example.org"))
        let octets: [UInt8] = [0x20, 1, 0xD, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x1F]
        try await self.run({
            $0.type == 12 ? [$0.pointer("six.example.org")] : $0.type == 28 ? [$0.address(octets)] : [$0.nxdomain]
        }) { (asker: Asker, server: ScriptedDNS) async throws in
            #expect(try await asker.name("2001:db8::1f") == .name("six.example.org"))
            #expect(
                server.asked.first?.name
                    == "f.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa")
            #expect(server.asked.map(\.type) == [12, 28])
        }
    }

    @Test("No name, a name that leads elsewhere and one that leads nowhere are none")
    func none() async throws {
        #expect(try await self.name { [$0.nxdomain] } == .none)
        #expect(try await self.name { [$0.reply()] } == .none)
        #expect(try await self.name { $0.type == 12 ? [$0.pointer("a.example")] : [$0.nxdomain] } == .none)
        #expect(try await self.name { $0.type == 12 ? [$0.pointer("a.example")] : [$0.reply()] } == .none)
        #expect(
            try await self.name { $0.type == 12 ? [$0.pointer("a.example")] : [$0.address([192, 0, 2, 5])] } == .none)
    }

    @Test("Errors of the server are failures", arguments: [0x8182, 0x8185, 0x8184, 0x8181] as [UInt16])
    func failed(_ flags: UInt16) async throws {
        #expect(try await self.name { [$0.reply(flags: flags)] } == .failed)
        #expect(
            try await self.name { $0.type == 12 ? [$0.pointer("a.example")] : [$0.reply(flags: flags)] } == .failed)
    }

    @Test(
        "A PTR record with octets that no host name has is a failure, and not asked about",
        arguments: ["a\r\nX: 1", "a\u{0}b", "a_b", "é", "a b"])
    func oddNames(_ label: String) async throws {
        try await self.run({ $0.type == 12 ? [$0.pointer(label + ".example")] : [$0.address([192, 0, 2, 4])] }) {
            (asker: Asker, server: ScriptedDNS) async throws in
            #expect(try await asker.name("192.0.2.4") == .failed)
            #expect(server.asked.map(\.type) == [12])
        }
    }

    @Test("A reply with another identifier, another question or of garbage is not taken; the right one behind it is")
    func forged() async throws {
        let name = try await self.name { question in
            guard question.type == 12 else { return [question.address([192, 0, 2, 4])] }
            var other = question
            other.name = "4.2.0.193.in-addr.arpa"
            return [
                question.reply([(12, 60, DNSMessage.wire("bad.example"))], id: question.id ^ 1), [], [0, 1, 2],
                [UInt8](repeating: 0xFF, count: 600), other.pointer("bad.example"), question.pointer("good.example"),
            ]
        }
        #expect(name == .name("good.example"))
    }

    @Test("A truncated reply is asked for again over TCP, and a thousand records are read")
    func truncated() async throws {
        try await self.run({ question in
            guard question.type == 1 else { return [question.pointer("many.example")] }
            guard question.isTCP else { return [question.reply(flags: 0x8380)] }
            return [question.reply((0..<1000).map { (1, 60, [192, 0, UInt8($0 / 256), UInt8($0 % 256)]) })]
        }) { (asker: Asker, server: ScriptedDNS) async throws in
            #expect(try await asker.name("192.0.2.4") == .name("many.example"))
            #expect(server.asked.map(\.isTCP) == [false, false, true])
        }
    }

    @Test("Truncated, and a server that closes or says nonsense over TCP: a failure")
    func truncatedThenNothing() async throws {
        #expect(try await self.name { $0.isTCP ? [] : [$0.reply(flags: 0x8380)] } == .failed)
        try await self.run(
            { $0.isTCP ? [[1, 2, 3], [UInt8](repeating: 7, count: 60000)] : [$0.reply(flags: 0x8380)] },
            timeout: .seconds(1)
        ) { (asker: Asker, _: ScriptedDNS) async throws in
            #expect(try await asker.name("192.0.2.4") == .failed)
        }
    }

    @Test("A server that says nothing is a failure in the time given, and so is one that is not there")
    func silent() async throws {
        try await self.run({ _ in [] }, timeout: .milliseconds(600)) {
            (asker: Asker, server: ScriptedDNS) async throws in
            let began = ContinuousClock.now
            #expect(try await asker.name("192.0.2.4") == .failed)
            #expect(ContinuousClock.now - began > .milliseconds(500))
            #expect(server.asked.count > 1, "it is asked again")
        }
    }

    @Test("A server that is not there is a failure")
    func absent() async throws {
        let gone = try await ScriptedDNS { _ in [] }
        let asker = try await Asker([try gone.address])
        try await gone.stop()
        #expect(try await asker.name("192.0.2.5") == .failed)
        try await asker.shutDown()
    }

    @Test("The next server is asked where one is not there")
    func nextServer() async throws {
        let server = try await ScriptedDNS {
            $0.type == 12 ? [$0.pointer("host.example")] : [$0.address([192, 0, 2, 4])]
        }
        let gone = try await ScriptedDNS { _ in [] }
        let address = try gone.address
        try await gone.stop()
        let asker = try await Asker([address, try server.address])
        #expect(try await asker.name("192.0.2.4") == .name("host.example"))
        try await asker.shutDown()
        try await server.stop()
    }

    @Test("Answers are kept for their TTL, and no longer; TTL 0 not at all")
    func cached() async throws {
        try await self.run({ question in
            let ttl = question.name.hasPrefix("9.") ? 0 : 60
            guard question.type == 1 else { return [question.pointer("host.example", ttl: ttl)] }
            return [question.address([192, 0, 2, 4], ttl: 60)]
        }) { (asker: Asker, server: ScriptedDNS) async throws in
            for _ in 0..<5 { #expect(try await asker.name("192.0.2.4") == .name("host.example")) }
            #expect(server.asked.count == 2)
            for _ in 0..<3 { #expect(try await asker.name("192.0.2.9") == .none) }
            #expect(server.asked.count == 5)
        }
        try await self.run({
            $0.type == 1 ? [$0.address([192, 0, 2, 4])] : [$0.pointer("host.example", ttl: 1)]
        }) { (asker: Asker, server: ScriptedDNS) async throws in
            #expect(try await asker.name("192.0.2.4") == .name("host.example"))
            try await Task.sleep(for: .milliseconds(1200))
            #expect(try await asker.name("192.0.2.4") == .name("host.example"))
            #expect(server.asked.map(\.type) == [12, 1, 12])
        }
    }

    @Test("The cache does not grow above its bound")
    func bounded() async throws {
        try await self.run({ [$0.pointer("a.example")] }) { (asker: Asker, server: ScriptedDNS) async throws in
            for index in 0..<40 { _ = try await asker.name("192.0.2.\(index)") }
            let count = try await asker.loop.submit { asker.bound.value.cacheCount }.get()
            #expect(count == 8)
        }
    }

    @Test("The same question of many is asked once; who gives up takes nothing from the others")
    func together() async throws {
        try await self.run({ question in
            question.type == 12 ? [question.pointer("host.example")] : [question.address([192, 0, 2, 4])]
        }) { (asker: Asker, server: ScriptedDNS) async throws in
            let address = try SocketAddress(ipAddress: "192.0.2.4", port: 25)
            let names = try await asker.loop.flatSubmit { [bound = asker.bound, loop = asker.loop] in
                let promise = loop.makePromise(of: [ConfirmedName].self)
                var names: [ConfirmedName] = []
                let first = bound.value.confirmName(of: address) { _ in preconditionFailure("it was given up") }
                for _ in 0..<20 {
                    _ = bound.value.confirmName(of: address) {
                        names.append($0)
                        if names.count == 20 { promise.succeed(names) }
                    }
                }
                first.giveUp()
                return promise.futureResult
            }.get()
            #expect(names == Array(repeating: .name("host.example"), count: 20))
            #expect(server.asked.count == 2)
        }
    }

    @Test("Given up by all and shut down, nothing more is called")
    func givenUp() async throws {
        try await self.run({ _ in [] }) { (asker: Asker, _: ScriptedDNS) async throws in
            let address = try SocketAddress(ipAddress: "192.0.2.4", port: 25)
            try await asker.loop.submit { [bound = asker.bound] in
                bound.value.confirmName(of: address) { _ in preconditionFailure("it was given up") }.giveUp()
                _ = bound.value.confirmName(of: address) { _ in preconditionFailure("it was shut down") }
                bound.value.shutDown()
            }.get()
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    @Test("A host name has its addresses, IPv4 first, else IPv6; nil where nobody knows")
    func addresses() async throws {
        let six = [UInt8](repeating: 0, count: 15) + [1]
        try await self.run({ question in
            switch (question.name, question.type) {
            case ("both.example", 1): [question.reply([(1, 60, [192, 0, 2, 1]), (1, 60, [192, 0, 2, 2])])]
            case ("six.example", 28): [question.address(six)]
            case ("six.example", 1): [question.reply()]
            case ("half.example", 28): [question.reply()]
            case ("half.example", 1), ("broken.example", _): [question.reply(flags: 0x8182)]
            default: [question.nxdomain]
            }
        }) { (asker: Asker, _: ScriptedDNS) async throws in
            #expect(try await asker.addresses("Both.example") == ["192.0.2.1", "192.0.2.2"])
            #expect(try await asker.addresses("six.example") == ["::1"])
            #expect(try await asker.addresses("none.example") == [])
            #expect(try await asker.addresses("half.example") == nil)
            #expect(try await asker.addresses("broken.example") == nil)
            for name in ["", "a b", "a\\046b", "é", String(repeating: "a", count: 254)] {
                #expect(try await asker.addresses(name) == nil)
            }
        }
    }
}
