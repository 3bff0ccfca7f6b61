package import NIOCore

/// A session that a sweep looks after: it waits for its peer, but not for ever.
package protocol SweptSession: AnyObject {
    /// When ``deadlineExpired()`` is to be called; read at every sweep, so a change costs nothing.
    var deadline: NIODeadline { get }
    /// The deadline has passed. Called on the event loop, at most a sweep's interval late.
    func deadlineExpired()
    /// The process is about to stop: end as soon as that costs nobody a message.
    func drain()
}

/// Looks at the deadlines of all sessions of one event loop, every second: cheaper than a timer for each.
///
/// Confined to its event loop. It keeps its sessions alive until they are removed.
package final class SessionSweep {
    /// A session's place, to remove it by.
    package struct Token {
        fileprivate var slot: Int
    }

    private static let mostIdleSlots = 1024

    private let eventLoop: any EventLoop
    private let interval: TimeAmount
    /// In slots, so that to add and to remove one takes no hash.
    private var slots: [(any SweptSession)?] = []
    private var freeSlots: [Int] = []
    private var task: RepeatedTask?

    /// Makes a sweep; it starts with its first session and rests when there is none.
    package init(eventLoop: any EventLoop, interval: TimeAmount = .seconds(1)) {
        self.eventLoop = eventLoop
        self.interval = interval
    }

    /// Adds a session; must be called on the event loop.
    package func add(_ session: any SweptSession) -> Token {
        self.eventLoop.assertInEventLoop()
        if self.task == nil { self.start() }
        guard let slot = self.freeSlots.popLast() else {
            self.slots.append(session)
            return Token(slot: self.slots.count - 1)
        }
        self.slots[slot] = session
        return Token(slot: slot)
    }

    /// Removes a session, once; must be called on the event loop.
    package func remove(_ token: Token) {
        self.eventLoop.assertInEventLoop()
        self.slots[token.slot] = nil
        self.freeSlots.append(token.slot)
        // What a rush of clients took is given back when they are gone.
        if self.freeSlots.count == self.slots.count, self.slots.count > Self.mostIdleSlots {
            self.slots = []
            self.freeSlots = []
        }
    }

    /// Calls `body` for every session; it may remove sessions.
    package func forEach(_ body: (any SweptSession) -> Void) {
        for session in self.slots { if let session { body(session) } }
    }

    /// How many sessions there are.
    package var count: Int { self.slots.count - self.freeSlots.count }

    private func start() {
        let bound = NIOLoopBound(self, eventLoop: self.eventLoop)
        self.task = self.eventLoop.scheduleRepeatedTask(initialDelay: self.interval, delay: self.interval) { _ in
            bound.value.sweep()
        }
    }

    private func sweep() {
        guard self.count > 0 else {
            self.task?.cancel()
            self.task = nil
            return
        }
        let now = NIODeadline.now()
        for session in self.slots { if let session, session.deadline <= now { session.deadlineExpired() } }
    }
}
