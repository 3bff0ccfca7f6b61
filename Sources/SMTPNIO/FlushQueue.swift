package import NIOCore

/// What has been written to a channel, and is to leave at the end of the event loop's turn.
package protocol DeferredFlush: AnyObject {
    /// Flushes, once for each ``FlushQueue/add(_:)``.
    func flushDeferred()
}

/// A handler whose octets leave at the end of the turn, where there is a queue for that, and else at once.
protocol DeferredWriter: DeferredFlush {
    var flushes: FlushQueue? { get }
    /// Whether it stands in the queue.
    var isFlushDue: Bool { get set }
}

extension DeferredWriter {
    /// Hands octets to the channel.
    func write(_ octets: ByteBuffer, to context: ChannelHandlerContext) {
        guard let flushes = self.flushes else { return context.writeAndFlush(NIOAny(octets), promise: nil) }
        context.write(NIOAny(octets), promise: nil)
        guard !self.isFlushDue else { return }
        self.isFlushDue = true
        flushes.add(self)
    }
}

/// The flushes of one event loop, put off to the end of its turn; confined to that loop.
///
/// What a turn has to say then leaves together, and whoever it is for is woken once. Flushed one by one, each wakes a peer
/// that has dealt with the last and gone to sleep again, which costs both sides more than the octets do.
package final class FlushQueue {
    private let eventLoop: any EventLoop
    private var waiting: [any DeferredFlush] = []
    /// Those whose turn it is; kept for its storage.
    private var current: [any DeferredFlush] = []

    /// Makes an empty queue.
    package init(eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
    }

    /// Has ``DeferredFlush/flushDeferred()`` called behind everything that the loop does in this turn.
    package func add(_ member: any DeferredFlush) {
        // (A loop looks at its tasks when it has served every channel that was ready.)
        if self.waiting.isEmpty { self.eventLoop.assumeIsolated().execute { self.flush() } }
        self.waiting.append(member)
    }

    private func flush() {
        swap(&self.waiting, &self.current)
        for member in self.current { member.flushDeferred() }
        self.current.removeAll(keepingCapacity: true)
    }
}
