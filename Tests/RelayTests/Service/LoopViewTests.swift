import Routing
import SMTPCore
import Testing

@testable import Relay

@Suite struct LoopViewTests {
    private static let able = ServerCapabilities(extensions: [.smtpUTF8, .dsn])
    private static let backend = BackendAddress.host("a", port: 25)

    private static func snapshot(_ domain: String) throws -> RelaySnapshot {
        let group = BackendGroup(name: "app", backends: [Backend(Self.backend)])
        let configuration = RelayConfiguration(
            listeners: [.init(.address(.v4(0x7F00_0001), port: 2526)), .init(.address(.v4(0x7F00_0001), port: 2527))],
            groups: [], routes: [Route(recipients: [.domain(domain)], group: group)], postmaster: nil, lookup: nil)
        return try RelaySnapshot(configuration, hostName: "mx.example")
    }

    private static func views(_ state: RelayState) -> [LoopView] {
        (0..<2).map { _ in
            LoopView(state)
        }
    }

    @Test("Every loop sees a reload with what it does next")
    func reload() throws {
        let state = RelayState(try Self.snapshot("a.example"))
        let views = Self.views(state)
        let first = state.snapshot
        for view in views {
            #expect(view.snapshot === first)
            #expect(view.terms(at: 1).snapshot === first)
        }
        let second = try Self.snapshot("b.example")
        state.replace(second)
        for view in views {
            #expect(view.terms(at: 0).snapshot === second)
            #expect(view.terms(at: 1).listener == 1)
            #expect(view.tls === second.tls)
        }
    }

    @Test("Certificates are replaced for the snapshot that they belong to, and for no other")
    func certificates() throws {
        let first = try Self.snapshot("a.example")
        let state = RelayState(first)
        let view = Self.views(state)[0]
        let others = try Self.snapshot("a.example").tls
        #expect(state.replace(others, of: first))
        #expect(view.tls === others)
        #expect(view.snapshot === first)
        let second = try Self.snapshot("b.example")
        state.replace(second)
        #expect(!state.replace(others, of: first))
        #expect(view.tls === second.tls)
    }

    @Test("What one loop learns of a backend all know, and is news once")
    func learning() throws {
        let state = RelayState(try Self.snapshot("a.example"))
        let views = Self.views(state)
        #expect(views[1].terms(at: 0).session.extensions == .ofRelay)
        #expect(views[0].learn(Self.able, of: Self.backend))
        let before = state.generation
        for view in views {
            #expect(!view.learn(Self.able, of: Self.backend))
            #expect(view.terms(at: 0).session.extensions == [.ofRelay, .smtpUTF8, .dsn])
        }
        #expect(!views[0].learn(Self.able, of: .host("nobody", port: 25)))
        #expect(state.generation == before)
    }
}
