import AuthHTTP
package import Logging
package import NIOCore
import SMTPNIO

/// What the sessions of one event loop share; confined to it.
package final class LoopContext {
    let eventLoop: any EventLoop
    let sweep: SessionSweep
    let state: RelayState
    let logger: Logger
    private var lookups: [LookupClient] = []

    /// Makes the context of an event loop.
    package init(eventLoop: any EventLoop, state: RelayState, logger: Logger) {
        self.eventLoop = eventLoop
        self.sweep = SessionSweep(eventLoop: eventLoop)
        self.state = state
        self.logger = logger
    }

    /// The client that asks lookups on this loop: one for each place to ask; a reload that changes them makes new ones.
    func lookupClient(_ configuration: LookupConfiguration) -> LookupClient {
        if let client = self.lookups.first(where: { $0.configuration == configuration }) { return client }
        let current = self.state.snapshot.configuration.allLookups
        for retired in self.lookups where !current.contains(retired.configuration) {
            // By then every question that it was asked has had its answer, or its time.
            let bound = NIOLoopBound(retired, eventLoop: self.eventLoop)
            self.eventLoop.scheduleTask(in: .minutes(10)) { bound.value.shutDown() }
        }
        self.lookups.removeAll { !current.contains($0.configuration) }
        let client = LookupClient(eventLoop: self.eventLoop, configuration: configuration)
        self.lookups.append(client)
        return client
    }

    /// Ends what this loop still does: every session is over.
    package func shutDown() {
        for client in self.lookups { client.shutDown() }
        self.lookups = []
    }
}
