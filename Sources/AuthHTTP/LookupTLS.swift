import NIOCore
import NIOSSL

/// TLS to a lookup server: its certificate and name are always verified.
struct LookupTLS {
    private let context: NIOSSLContext
    /// What the certificate has to be for; nil where it is an IP address, which is compared with the connection's own.
    private let serverName: String?

    /// Fails where the file of trusted certificates cannot be used.
    init(trusted path: String?, host: String) throws {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        configuration.certificateVerification = .fullVerification
        configuration.applicationProtocols = ["http/1.1"]
        if let path { configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(path)) }
        self.context = try NIOSSLContext(configuration: configuration)
        let isAddress = (try? SocketAddress(ipAddress: host, port: 0)) != nil
        self.serverName = isAddress ? nil : host
    }

    func makeHandler() throws -> NIOSSLClientHandler {
        try NIOSSLClientHandler(context: self.context, serverHostname: self.serverName)
    }
}

extension LookupConfiguration {
    /// Why a file of trusted certificates cannot be used, as a clause; nil where it can.
    package static func problem(trustedCertificates path: String) -> String? {
        do {
            let certificates = try NIOSSLCertificate.fromPEMFile(path)
            return certificates.isEmpty ? "\(path) has no certificate in PEM form" : nil
        } catch {
            return "\(path) cannot be read as certificates in PEM form: \(error)"
        }
    }
}
