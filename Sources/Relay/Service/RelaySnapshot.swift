import Routing
import SMTPCore
import SMTPNIO

/// What a relay does with mail, as one configuration says it: unchanged once made, replaced as a whole by a reload.
package final class RelaySnapshot: Sendable {
    /// The configuration itself.
    package let configuration: RelayConfiguration
    /// The name in the greeting and in EHLO, to clients and to backends.
    package let serverName: String
    /// The same name, marked, for EHLO to backends.
    let hop: HopName
    let routes: RouteTable
    /// Whether anybody is asked about any recipient.
    let asksLookups: Bool
    /// The certificates that the files held when the configuration was read; ``RelayState/tls`` has those of now.
    let tls: TLSContexts
    /// What was to be seen of those files then.
    let tlsStamps: [String: FileStamp]
    /// Every backend of every group, each once.
    let backends: Set<BackendAddress>
    let serverTimeouts: SMTPServerTimeouts
    let clientTimeouts: SMTPClientTimeouts

    /// Makes a snapshot; `hostName` is the server's name where the configuration has none.
    ///
    /// Reads the files of certificates, and fails where one cannot be used.
    package init(_ configuration: RelayConfiguration, hostName: String) throws(TLSFileError) {
        // Before they are read: what changes meanwhile is read once more.
        self.tlsStamps = configuration.tlsStamps()
        self.tls = try TLSContexts(configuration)
        self.configuration = configuration
        self.serverName = configuration.serverName ?? hostName
        var generator = SystemRandomNumberGenerator()
        self.hop = HopName(self.serverName, using: &generator)
        self.routes = configuration.routeTable
        self.asksLookups = !configuration.allLookups.isEmpty
        self.backends = Set(configuration.allBackends)
        var timeouts = SMTPServerTimeouts()
        timeouts.command = configuration.timeouts.command
        timeouts.dataBlock = configuration.timeouts.dataBlock
        timeouts.dataRate = configuration.limits.dataRate
        self.serverTimeouts = timeouts
        var backend = SMTPClientTimeouts()
        backend.greeting = configuration.timeouts.greeting
        backend.hello = configuration.timeouts.backendCommand
        backend.mail = configuration.timeouts.backendCommand
        backend.recipient = configuration.timeouts.backendCommand
        backend.dataBlock = configuration.timeouts.backendDataBlock
        self.clientTimeouts = backend
    }
}
