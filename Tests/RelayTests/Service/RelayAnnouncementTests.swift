import AuthHTTP
import NIOCore
import Relay
import Routing
import SMTPCore
import Testing

private func backend(_ name: String) -> Backend { Backend(.host(name, port: 25)) }

private let app = BackendGroup(name: "app", backends: [backend("a"), backend("b")])
private let other = BackendGroup(name: "other", backends: [backend("c")])
private let able = ServerCapabilities(extensions: [.smtpUTF8, .dsn])

private func route(_ domain: String, _ group: BackendGroup) -> Route {
    Route(recipients: [.domain(domain)], group: group)
}

private func configuration(
    _ routes: [Route] = [route("a.example", app)], groups: [BackendGroup] = [], postmaster: BackendGroup? = nil,
    isAsking: Bool = false
) throws -> RelayConfiguration {
    let endpoint = try LookupEndpoint(parsing: "http://127.0.0.1/auth")
    let lookup = isAsking ? LookupConfiguration(endpoint: endpoint) : nil
    return RelayConfiguration(
        listeners: [.init(.address(.v4(0x7F00_0001), port: 2526))], groups: groups, routes: routes,
        postmaster: postmaster,
        lookup: lookup)
}

private func knowing(_ backends: String...) -> BackendKnowledge {
    var knowledge = BackendKnowledge()
    for name in backends { knowledge.learn(able, of: .host(name, port: 25)) }
    return knowledge
}

private func announced(
    _ configuration: RelayConfiguration, _ knowledge: BackendKnowledge, _ configured: ServerExtensions? = nil
) -> EHLOAnnouncement {
    var configuration = configuration
    configuration.listeners[0].ehlo = configured
    guard let snapshot = try? RelaySnapshot(configuration, hostName: "mx.example") else {
        preconditionFailure("no file is named")
    }
    return SessionTerms(snapshot, knowledge, listener: 0).session.announcement
}

@Suite struct RelayAnnouncementTests {
    @Test("What depends on backends is announced where every backend of every group is known to have them")
    func learnt() throws {
        let one = try configuration()
        #expect(announced(one, knowing("a")).extensions == .ofRelay)
        #expect(announced(one, knowing("a", "b")).extensions == [.ofRelay, .smtpUTF8, .dsn])
        let two = try configuration([route("a.example", app)], groups: [other])
        #expect(announced(two, knowing("a", "b")).extensions == .ofRelay)
        #expect(announced(two, knowing("a", "b", "c")).extensions == [.ofRelay, .smtpUTF8, .dsn])
        let three = try configuration(postmaster: other)
        #expect(announced(three, knowing("a", "b")).extensions == .ofRelay)
        #expect(announced(try configuration([]), knowing("a")).extensions == .ofRelay)
    }

    @Test("Where a lookup names backends, nothing that depends on them is announced, unless it is configured")
    func lookup() throws {
        let asking = try configuration(isAsking: true)
        #expect(announced(asking, knowing("a", "b")).extensions == .ofRelay)
        #expect(announced(asking, knowing(), [.size, .smtpUTF8]).extensions == [.size, .smtpUTF8])
    }

    @Test("SIZE is the largest limit of all destinations", arguments: [0, 1000])
    func size(limit: Int) throws {
        var small = app
        small.policy.size = 10
        var large = other
        large.policy.size = 20
        func size(_ routes: [Route], isAsking: Bool = false) throws -> UInt64 {
            var configuration = try configuration(routes, isAsking: isAsking)
            configuration.limits.messageSize = limit
            return announced(configuration, knowing()).size
        }
        let both = [route("a.example", small), route("b.example", large)]
        #expect(try size(both) == 20)
        #expect(try size(both, isAsking: true) == UInt64(limit))
        #expect(
            try size(both + [route("c.example", BackendGroup(name: "c", backends: [backend("c")]))]) == UInt64(limit))
        #expect(try size([]) == UInt64(limit))
    }

    @Test("A configured list is announced in place of what was learnt, within what the relay can serve")
    func configured() throws {
        let one = try configuration()
        #expect(announced(one, knowing("a", "b"), [.pipelining]).extensions == .pipelining)
        #expect(announced(one, knowing(), [.dsn, .xclient, .binaryMIME, .auth]).extensions == .dsn)
    }

}

@Suite struct RelayAnnouncementEdgeCases {
    static let layouts: [(RelayConfiguration?, Bool)] = [
        (try? configuration(), false),
        (try? configuration([route("a.example", app), route("b.example", app)]), false),
        (try? configuration([route("a.example", app), route("b.example", other)]), true),
        (try? configuration(postmaster: other), true), (try? configuration(postmaster: app), false),
        (try? configuration([], isAsking: true), true), (try? configuration(isAsking: true), true),
    ]

    @Test("35: RCPTDOMAINMAX=1 is announced where two domains may lead to different destinations", arguments: layouts)
    func domains(configuration: RelayConfiguration?, mayLeadApart: Bool) throws {
        let configuration = try #require(configuration)
        #expect(configuration.leadsToSeveralDestinations == mayLeadApart)
        let announcement = announced(configuration, knowing())
        #expect(announcement.limits == .init(recipientMaximum: 1000, domainMaximum: mayLeadApart ? 1 : nil))
        #expect(announcement.reply.lines.contains("LIMITS RCPTMAX=1000\(mayLeadApart ? " RCPTDOMAINMAX=1" : "")"))
    }

    @Test("31, 39: SMTPUTF8 and DSN are announced only where every backend is known to have them")
    func backends() throws {
        let one = try configuration()
        for known in [[], ["a"], ["b"]] {
            var knowledge = BackendKnowledge()
            for name in known { knowledge.learn(able, of: .host(name, port: 25)) }
            #expect(announced(one, knowledge).extensions.isDisjoint(with: [.smtpUTF8, .dsn]))
        }
        #expect(announced(one, knowing("a", "b")).extensions.isSuperset(of: [.smtpUTF8, .dsn]))
    }
}

@Suite struct RelayStateTests {
    @Test("What is learnt changes what later sessions begin with; a backend's silence, and one of no group, nothing")
    func terms() throws {
        let state = RelayState(try RelaySnapshot(configuration(), hostName: "mx.example"))
        #expect(state.forNewSession(at: 0).session.extensions == .ofRelay)
        let news = ["a", "b", "a", "nobody"].map { state.learn(able, of: .host($0, port: 25)) }
        #expect(news == [true, true, false, false])
        #expect(state.forNewSession(at: 0).session.extensions == [.ofRelay, .smtpUTF8, .dsn])
        #expect(state.forNewSession(at: 0).extendedReply == state.forNewSession(at: 0).session.extendedReply)
        #expect(state.knowledge.capabilities(of: .host("nobody", port: 25)) == nil)
    }

    @Test("A reload keeps what is known of the backends that are still there")
    func reload() throws {
        let state = RelayState(try RelaySnapshot(configuration(), hostName: "mx.example"))
        for name in ["a", "b"] { _ = state.learn(able, of: .host(name, port: 25)) }
        state.replace(try RelaySnapshot(configuration([route("c.example", other)]), hostName: "mx.example"))
        #expect(state.forNewSession(at: 0).session.extensions == .ofRelay)
        #expect(state.knowledge.capabilities(of: .host("a", port: 25)) == nil)
        _ = state.learn(able, of: .host("c", port: 25))
        state.replace(try RelaySnapshot(configuration([route("d.example", other)]), hostName: "mx.example"))
        #expect(state.forNewSession(at: 0).session.extensions == [.ofRelay, .smtpUTF8, .dsn])
    }
}
