package import Routing
package import SMTPCore
import SMTPNIO

/// How a client is met at one listener.
package struct SessionTerms: Sendable {
    /// What holds for its recipients and messages.
    let snapshot: RelaySnapshot
    /// Where it connects, by the place among the configuration's listeners.
    let listener: Int
    /// What its session allows and says.
    package let session: ServerSessionConfiguration
    /// How long it is waited for, and how long it waits for its greeting.
    let timeouts: SMTPServerTimeouts
    /// The listener's own name; nil where it has the server's.
    let listenerName: String?
    /// Whether its connection begins with a PROXY header.
    let expectsProxyHeader: Bool
    /// The reply to its EHLO.
    package let extendedReply: SMTPReply
    /// How the client's connection is encrypted.
    let tls: RelayConfiguration.Listener.TLSMode

    /// What follows from a configuration and from what is known of the backends.
    package init(_ snapshot: RelaySnapshot, _ knowledge: BackendKnowledge, listener: Int) {
        let configuration = snapshot.configuration
        let limits = configuration.limits
        var session = ServerSessionConfiguration(serverName: snapshot.serverName)
        session.messageSize = configuration.largestMessage
        session.recipients = limits.recipients
        session.transactions = limits.transactions == 0 ? .max : limits.transactions
        session.errors = limits.errors
        session.hasOneDomain = configuration.leadsToSeveralDestinations(at: listener, table: snapshot.routes)
        var timeouts = snapshot.serverTimeouts
        let place = listener
        let listener = configuration.listeners.indices.contains(place) ? configuration.listeners[place] : nil
        let tls = listener?.tls ?? .none
        if let listener {
            session.offersTLS = tls == .startTLS || tls == .required
            session.requiresTLS = tls == .required
            session.extensions = configuration.extensions(
                knowledge: knowledge, configured: listener.ehlo,
                lookup: listener.lookup ?? configuration.lookup ?? configuration.routeLookups.first)
            session.authMechanisms = listener.mechanisms.map(\.rawValue)
            session.requiresAuthentication = listener.requiresAuthentication
            session.forbidsEarlyInput = listener.isPipeliningStrict
            session.requiresHello = listener.requiresHello
            session.greeting = listener.greeting
            session.serverName = listener.name ?? snapshot.serverName
            timeouts.greetingDelay = listener.greetingDelay
        }
        self.snapshot = snapshot
        self.session = session
        self.timeouts = timeouts
        self.listenerName = listener?.name
        self.expectsProxyHeader = listener?.expectsProxyHeader ?? false
        self.extendedReply = session.announcement(isSecure: tls == .implicit).reply
        self.tls = tls
        self.listener = place
    }
}
