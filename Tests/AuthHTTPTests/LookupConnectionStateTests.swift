import Testing

@testable import AuthHTTP

@Suite struct LookupConnectionStateTests {
    enum StateName: CaseIterable { case connecting, idle, asked, askedAgain, answered, answeredOnce, draining, closed }

    enum Event: CaseIterable {
        case head, end, read, readTooMuch, protocolError, closed, closedMidway, expired, shutDown, connectFailed
    }

    typealias Action = LookupConnectionState.Action

    static let answer = LookupAnswer.denied(.init(text: "no"))

    static func state(_ name: StateName) -> LookupConnectionState {
        var state = LookupConnectionState(maximumHeadSize: 100, maximumBodySize: 1000)
        if name == .connecting { return state }
        _ = state.opened()
        if name == .asked { return state }
        if name == .closed {
            _ = state.expired()
            return state
        }
        _ = state.headReceived(answer, keepAlive: name != .answeredOnce)
        if name == .answered || name == .answeredOnce { return state }
        if name == .draining {
            _ = state.readCompleted(octets: 50)
            return state
        }
        _ = state.endReceived()
        if name == .askedAgain { state.asked() }
        return state
    }

    static func feed(_ event: Event, to state: inout LookupConnectionState) -> Action {
        switch event {
        case .head: state.headReceived(answer, keepAlive: true)
        case .end: state.endReceived()
        case .read: state.readCompleted(octets: 100)
        case .readTooMuch: state.readCompleted(octets: 1101)
        case .protocolError: state.protocolErrorCaught()
        case .closed: state.closed(octets: 0)
        case .closedMidway: state.closed(octets: 1)
        case .expired: state.expired()
        case .shutDown: state.shutDown()
        case .connectFailed: state.connectFailed(.refused)
        }
    }

    /// Every pair; the events in the order of ``Event``.
    static let table: [(StateName, [Action])] = [
        (
            .connecting,
            [
                .fail(.malformed), .fail(.malformed), .none, .none, .fail(.malformed), .fail(.closed), .fail(.closed),
                .fail(.timedOut), .fail(.shutDown), .fail(.refused),
            ]
        ),
        (.idle, [.close, .close, .none, .none, .close, .close, .close, .close, .close, .none]),
        (
            .asked,
            [
                .none, .fail(.malformed), .none, .fail(.malformed), .fail(.malformed), .fail(.closed), .fail(.closed),
                .fail(.timedOut), .fail(.shutDown), .none,
            ]
        ),
        (
            .askedAgain,
            [
                .none, .fail(.malformed), .none, .fail(.malformed), .fail(.malformed), .askAgain, .fail(.closed),
                .fail(.timedOut), .fail(.shutDown), .none,
            ]
        ),
        (
            .answered,
            [
                .closeAndDeliver(answer), .releaseAndDeliver(answer), .deliver(answer), .deliver(answer),
                .closeAndDeliver(answer), .closeAndDeliver(answer), .closeAndDeliver(answer), .closeAndDeliver(answer),
                .fail(.shutDown), .none,
            ]
        ),
        (
            .answeredOnce,
            [
                .closeAndDeliver(answer), .closeAndDeliver(answer), .deliver(answer), .deliver(answer),
                .closeAndDeliver(answer), .closeAndDeliver(answer), .closeAndDeliver(answer), .closeAndDeliver(answer),
                .fail(.shutDown), .none,
            ]
        ),
        (.draining, [.close, .release, .none, .close, .close, .close, .close, .close, .close, .none]),
        (.closed, [.none, .none, .none, .none, .none, .none, .none, .none, .none, .none]),
    ]

    @Test("Every event in every state", arguments: table)
    func pairs(_ name: StateName, _ actions: [Action]) {
        #expect(actions.count == Event.allCases.count)
        for (event, action) in zip(Event.allCases, actions) {
            var state = Self.state(name)
            #expect(Self.feed(event, to: &state) == action, "\(event) in \(name)")
        }
    }

    @Test("After whatever ends it, a connection does nothing more")
    func afterwards() {
        for name in StateName.allCases {
            for event in Event.allCases {
                var state = Self.state(name)
                switch Self.feed(event, to: &state) {
                case .close, .closeAndDeliver, .fail, .askAgain:
                    for next in Event.allCases {
                        var copy = state
                        #expect(Self.feed(next, to: &copy) == .none, "\(next) after \(event) in \(name)")
                    }
                case .none, .deliver, .releaseAndDeliver, .release:
                    break
                }
            }
        }
    }

    @Test("A connection that was not kept alive closes when its answer has been read")
    func notKept() {
        var state = Self.state(.answeredOnce)
        #expect(Self.feed(.read, to: &state) == .deliver(Self.answer))
        #expect(Self.feed(.read, to: &state) == .close)
    }

    @Test("Nobody asks on a connection that opened too late")
    func late() {
        var state = Self.state(.connecting)
        #expect(state.expired() == .fail(.timedOut))
        let isWanted = state.opened()
        #expect(!isWanted)
    }
}
