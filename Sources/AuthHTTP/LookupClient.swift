package import NIOCore

/// Asks lookups over a small pool of keep-alive connections.
///
/// Confined to its event loop: make one for each, and call it there only. It owns its connections until
/// ``shutDown()``.
package final class LookupClient {
    /// The loop on which everything happens.
    package let eventLoop: any EventLoop
    /// Whom to ask, and within which bounds.
    package let configuration: LookupConfiguration

    /// Makes a client; it connects when it is first asked.
    package init(eventLoop: any EventLoop, configuration: LookupConfiguration) {
        self.eventLoop = eventLoop
        self.configuration = configuration
    }

    /// Asks, and calls `completion` once, on the event loop, and never before this returns.
    ///
    /// `deadline` bounds the whole with its waits; each question within it has ``LookupConfiguration/timeout``.
    package func ask(
        _ request: LookupRequest,
        deadline: NIODeadline,
        completion: @escaping (Result<LookupVerdict, LookupError>) -> Void
    ) {
        self.eventLoop.preconditionInEventLoop()
        completion(.failure(LookupError(.shutDown, "not there yet")))
    }

    /// Closes every connection; questions under way fail with ``LookupError/Code/shutDown``.
    package func shutDown() {
        self.eventLoop.preconditionInEventLoop()
    }
}
