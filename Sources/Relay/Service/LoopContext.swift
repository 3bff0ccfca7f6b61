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
    private var lookups: (client: LookupClient, configuration: LookupConfiguration)?

    /// Makes the context of an event loop.
    package init(eventLoop: any EventLoop, state: RelayState, logger: Logger) {
        self.eventLoop = eventLoop
        self.sweep = SessionSweep(eventLoop: eventLoop)
        self.state = state
        self.logger = logger
    }

    /// The client that asks lookups on this loop; a reload that changes whom to ask makes a new one.
    func lookupClient(_ configuration: LookupConfiguration) -> LookupClient {
        if let lookups = self.lookups, lookups.configuration == configuration { return lookups.client }
        if let retired = self.lookups?.client {
            // By then every question that it was asked has had its answer, or its time.
            let bound = NIOLoopBound(retired, eventLoop: self.eventLoop)
            self.eventLoop.scheduleTask(in: .minutes(10)) { bound.value.shutDown() }
        }
        let client = LookupClient(eventLoop: self.eventLoop, configuration: configuration)
        self.lookups = (client, configuration)
        return client
    }

    /// Ends what this loop still does: every session is over.
    package func shutDown() {
        self.lookups?.client.shutDown()
        self.lookups = nil
    }
}
