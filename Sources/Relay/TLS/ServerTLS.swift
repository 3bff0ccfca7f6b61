import NIOSSL
import Routing

/// The TLS of one listener: its certificates, as their files were when they were read.
package final class ServerTLS: Sendable {
    /// The protocol of RFC 7301 for us; nginx has it, though no registry does.
    static let applicationProtocol = "smtp"

    private struct Identity: Sendable {
        let certificate: LoadedCertificate
        let configuration: TLSConfiguration
        /// The context of all connections, which keeps what resumes sessions; nil where each gets its own.
        let context: NIOSSLContext?
    }

    private let identities: [Identity]
    /// Whether and how clients are asked for certificates.
    let clientCertificates: RelayConfiguration.Listener.ClientCertificates
    /// The most intermediate certificates between a client's and its authority's.
    let verifyDepth: Int

    /// Makes the TLS of a listener; `certificates` has one at least, the first is for who asks for none of the others.
    init(
        _ certificates: [LoadedCertificate], _ settings: RelayConfiguration.TLS,
        clientCertificates: RelayConfiguration.Listener.ClientCertificates, authorities: [NIOSSLCertificate]
    ) throws {
        self.clientCertificates = clientCertificates
        self.verifyDepth = settings.verifyDepth
        // The library keeps the client's certificate with a session, but not what became of its verification: who is asked
        // for one proves it each time.
        let isResumable = settings.sessionTickets && clientCertificates == .off
        self.identities = try certificates.map { certificate in
            var configuration = certificate.configuration
            configuration.minimumTLSVersion = settings.protocols.contains(.tls12) ? .tlsv12 : .tlsv13
            configuration.maximumTLSVersion = settings.protocols.contains(.tls13) ? .tlsv13 : .tlsv12
            let chosen = settings.ciphers.isEmpty ? CipherSuite.standard.map(\.name) : settings.ciphers
            configuration.cipherSuites = chosen.joined(separator: ":")
            configuration.applicationProtocols = [Self.applicationProtocol]
            configuration.renegotiationSupport = .none
            if clientCertificates != .off {
                configuration.certificateVerification = .optionalVerification
                configuration.trustRoots = .certificates(authorities)
                configuration.sendCANameList = true
            }
            let context = try NIOSSLContext(configuration: configuration)
            return Identity(
                certificate: certificate, configuration: configuration, context: isResumable ? context : nil)
        }
    }

    /// The context for a connection whose client asks for this name.
    func context(for name: String?) throws -> NIOSSLContext {
        let named = name.flatMap { name in self.identities.first { $0.certificate.serves(name) } }
        let identity = named ?? self.identities[0]
        // Session tickets are sealed with a key of the context's: without it nobody can come back with one.
        return try identity.context ?? NIOSSLContext(configuration: identity.configuration)
    }
}
