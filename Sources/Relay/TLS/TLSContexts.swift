import NIOCore
import NIOSSL
import Routing

/// All that a configuration needs of certificates, keys and authorities, as the files were when they were read.
package final class TLSContexts: Sendable {
    /// How long a peer that was told that TLS ends may take to say so, too. All that was said has left before.
    ///
    /// SwiftNIO's library keeps what it has of a session for as long, some 17 KB, even of a peer that hung up instead: its
    /// own 5 s would be 80 MB where a thousand sessions a second end so.
    static let farewell: TimeAmount = .seconds(1)

    private let servers: [ServerTLS?]
    private let clients: [BackendTLS: NIOSSLContext]
    /// What is hardly meant, though it can be used.
    let warnings: [TLSFileError]

    /// Reads every file that the configuration names.
    init(_ configuration: RelayConfiguration) throws(TLSFileError) {
        var loaded: [CertificateFiles: LoadedCertificate] = [:]
        var warnings: [TLSFileError] = []
        func load(_ files: CertificateFiles) throws(TLSFileError) -> LoadedCertificate {
            if let certificate = loaded[files] { return certificate }
            let certificate = try LoadedCertificate(files)
            loaded[files] = certificate
            warnings += certificate.warnings
            return certificate
        }
        let authorities = try configuration.tls.clientAuthorities.map { path throws(TLSFileError) in
            try PEMFile.certificates(path, as: "the authorities")
        }
        var servers: [ServerTLS?] = []
        for listener in configuration.listeners {
            guard listener.tls != .none else {
                servers.append(nil)
                continue
            }
            let files = configuration.certificates(of: listener)
            var certificates: [LoadedCertificate] = []
            for file in files { certificates.append(try load(file)) }
            do {
                servers.append(
                    try ServerTLS(
                        certificates, configuration.tls, clientCertificates: listener.clientCertificates,
                        authorities: authorities ?? []))
            } catch {
                throw TLSFileError(path: files.first?.certificate ?? "tls", message: "it cannot be used: \(error)")
            }
        }
        self.servers = servers
        var clients: [BackendTLS: NIOSSLContext] = [:]
        for settings in configuration.backendTLS {
            let certificate = try settings.certificate.map(load)
            let roots = try settings.authorities.map { path throws(TLSFileError) in
                try PEMFile.certificates(path, as: "the authorities")
            }
            do {
                clients[settings] = try NIOSSLContext(
                    configuration: Self.configuration(settings, certificate: certificate, roots: roots))
            } catch {
                throw TLSFileError(path: settings.authorities ?? "the system's authorities", message: "\(error)")
            }
        }
        self.clients = clients
        self.warnings = warnings
    }

    /// The TLS of a listener, by its place among the configuration's; nil where it has none.
    func server(_ listener: Int) -> ServerTLS? {
        self.servers.indices.contains(listener) ? self.servers[listener] : nil
    }

    /// The context for connections to backends with these settings; nil where the configuration does not have them.
    func client(_ settings: BackendTLS) -> NIOSSLContext? { self.clients[settings] }

    private static func configuration(
        _ settings: BackendTLS, certificate: LoadedCertificate?, roots: [NIOSSLCertificate]?
    ) -> TLSConfiguration {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = settings.protocols.contains(.tls12) ? .tlsv12 : .tlsv13
        configuration.maximumTLSVersion = settings.protocols.contains(.tls13) ? .tlsv13 : .tlsv12
        configuration.certificateVerification = settings.verifies ? .fullVerification : .none
        configuration.shutdownTimeout = Self.farewell
        if let roots { configuration.trustRoots = .certificates(roots) }
        if let certificate {
            configuration.certificateChain = certificate.chain.map { .certificate($0) }
            configuration.privateKey = .privateKey(certificate.key)
        }
        return configuration
    }
}

extension RelayConfiguration {
    /// The certificates that a listener's clients are shown.
    func certificates(of listener: Listener) -> [CertificateFiles] {
        listener.certificates.isEmpty ? self.tls.certificates : listener.certificates
    }

    /// Every way in which connections to backends are encrypted.
    var backendTLS: Set<BackendTLS> {
        var all = Set(self.allGroups.map(\.policy.tls))
        if self.lookup != nil { all.insert(self.lookupPolicy.tls) }
        return all.filter { $0.mode != .none }
    }

    /// Every file whose change makes other certificates.
    var tlsFiles: Set<String> {
        let listeners = self.listeners.filter { $0.tls != .none }
        let settings = self.backendTLS
        let pairs = listeners.flatMap { self.certificates(of: $0) } + settings.compactMap(\.certificate)
        var files = Set(pairs.flatMap { [$0.certificate, $0.key] })
        if let path = self.tls.clientAuthorities, !listeners.isEmpty { files.insert(path) }
        return files.union(settings.compactMap(\.authorities))
    }
}
