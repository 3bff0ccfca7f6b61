/// What one connection to a lookup server is at, and what to do next: no channel, no clock.
///
/// ```text
/// connecting -> asked -> answered -> idle -> asked -> …
///                 |         |
///                 |         +-> draining -> idle     the body comes later than the headers
///                 +-> closed                         failed, or asked again elsewhere
/// ```
struct LookupConnectionState {
    enum Action: Equatable {
        case none
        /// Give the answer to the one who asked, and go on reading what belongs to it.
        case deliver(LookupAnswer)
        /// Take the connection back among the idle ones, then give the answer.
        case releaseAndDeliver(LookupAnswer)
        /// Close the connection, and give the answer.
        case closeAndDeliver(LookupAnswer)
        /// Take the connection back among the idle ones.
        case release
        /// Close the connection.
        case close
        /// Ask the same on a fresh connection.
        case askAgain
        /// Close the connection, and fail the question.
        case fail(LookupError.Code)
    }

    private enum State {
        /// The first question waits for the connection to open.
        case connecting
        case idle
        case asked(onReused: Bool)
        /// The headers are complete; the answer is held until the end of the response or of the read.
        case answered(LookupAnswer, keepAlive: Bool)
        case draining(keepAlive: Bool)
        case closed
    }

    private let maximumHeadSize: Int
    private let maximumBodySize: Int
    private var state = State.connecting

    init(maximumHeadSize: Int, maximumBodySize: Int) {
        self.maximumHeadSize = maximumHeadSize
        self.maximumBodySize = maximumBodySize
    }

    /// Whether a question may be asked here.
    var isIdle: Bool {
        if case .idle = self.state { true } else { false }
    }

    /// Another question goes out.
    mutating func asked() {
        guard self.isIdle else { preconditionFailure("asked on a connection that is not idle") }
        self.state = .asked(onReused: true)
    }

    /// The connection is open: true when the first question goes out, false when nobody waits for it any more.
    mutating func opened() -> Bool {
        guard case .connecting = self.state else { return false }
        self.state = .asked(onReused: false)
        return true
    }

    /// The connection could not be opened; `reason` is why.
    mutating func connectFailed(_ reason: LookupError.Code) -> Action {
        defer { self.state = .closed }
        if case .connecting = self.state { return .fail(reason) }
        return .none
    }

    /// The headers of the answer are complete.
    mutating func headReceived(_ answer: LookupAnswer, keepAlive: Bool) -> Action {
        switch self.state {
        case .asked:
            self.state = .answered(answer, keepAlive: keepAlive)
            return .none
        case .connecting, .idle, .answered, .draining:
            return self.protocolErrorCaught()
        case .closed:
            return .none
        }
    }

    /// The response is complete.
    mutating func endReceived() -> Action {
        switch self.state {
        case .answered(let answer, let keepAlive):
            self.state = keepAlive ? .idle : .closed
            return keepAlive ? .releaseAndDeliver(answer) : .closeAndDeliver(answer)
        case .draining(let keepAlive):
            self.state = keepAlive ? .idle : .closed
            return keepAlive ? .release : .close
        case .connecting, .idle, .asked:
            return self.protocolErrorCaught()
        case .closed:
            return .none
        }
    }

    /// All that could be read for now has been; `octets` have come since the question.
    mutating func readCompleted(octets: Int) -> Action {
        switch self.state {
        case .asked where octets > self.maximumHeadSize:
            self.state = .closed
            return .fail(.malformed)
        case .answered(let answer, let keepAlive):
            self.state = .draining(keepAlive: keepAlive)
            return .deliver(answer)
        case .draining(let keepAlive) where !keepAlive || octets > self.maximumHeadSize + self.maximumBodySize:
            self.state = .closed
            return .close
        case .connecting, .idle, .asked, .draining, .closed:
            return .none
        }
    }

    /// What came is not HTTP, or nobody asked for it.
    mutating func protocolErrorCaught() -> Action {
        defer { self.state = .closed }
        return switch self.state {
        case .connecting, .asked: .fail(.malformed)
        case .answered(let answer, _): .closeAndDeliver(answer)
        case .idle, .draining: .close
        case .closed: .none
        }
    }

    /// The connection is gone; `octets` had come since the question.
    mutating func closed(octets: Int) -> Action {
        defer { self.state = .closed }
        switch self.state {
        case .connecting:
            return .fail(.closed)
        case .asked(let onReused):
            // The server closed an idle connection while the question was on its way: it has not seen it, or not
            // begun to answer, and to ask is no act that could be done twice.
            return onReused && octets == 0 ? .askAgain : .fail(.closed)
        case .answered(let answer, _):
            return .closeAndDeliver(answer)
        case .idle, .draining:
            return .close
        case .closed:
            return .none
        }
    }

    /// The time for what goes on has passed.
    mutating func expired() -> Action {
        defer { self.state = .closed }
        return switch self.state {
        case .connecting, .asked: .fail(.timedOut)
        case .answered(let answer, _): .closeAndDeliver(answer)
        case .idle, .draining: .close
        case .closed: .none
        }
    }

    /// The client is shut down.
    mutating func shutDown() -> Action {
        defer { self.state = .closed }
        return switch self.state {
        case .connecting, .asked, .answered: .fail(.shutDown)
        case .idle, .draining: .close
        case .closed: .none
        }
    }
}
