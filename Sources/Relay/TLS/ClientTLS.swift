import AuthHTTP
import SMTPCore

/// What is known of a client's TLS, once its handshake is done.
struct ClientTLS: Equatable, Sendable {
    /// What became of the client's certificate.
    enum Verification: Equatable, Sendable {
        /// The listener asks for none.
        case notAsked
        /// The client showed none.
        case none
        /// It leads to an authority that is trusted.
        case success
        /// It does not; the reason is one of our own words.
        case failed(String)

        /// nginx's `$ssl_client_verify`; nil where nobody asked.
        var text: String? {
            switch self {
            case .notAsked: nil
            case .none: "NONE"
            case .success: "SUCCESS"
            case .failed(let reason): "FAILED:\(reason)"
            }
        }
    }

    /// The protocol, as `TLSv1.3`.
    var version: String
    /// OpenSSL's name of the cipher suite; empty where it is not known.
    var cipher: String
    /// The name that the client asked for (SNI), as ``ServerNamePattern/canonical(_:)`` has it; nil where it asked for none, or
    /// for what is no host name.
    var serverName: String?
    /// What became of the client's certificate.
    var verification = Verification.notAsked
    /// The certificate, whatever became of it.
    var certificate: ClientCertificate?

    /// What the Received field says.
    var trace: ReceivedField.TLS { .init(version: self.version, cipher: self.cipher.isEmpty ? nil : self.cipher) }

    /// What a lookup is told; the certificate itself where `passesCertificate`.
    func lookupFacts(passesCertificate: Bool) -> LookupRequest.TLSFacts {
        var facts = LookupRequest.TLSFacts(protocolVersion: self.version, cipher: self.cipher)
        guard let verification = self.verification.text else { return facts }
        facts.verification = verification
        guard let certificate = self.certificate else { return facts }
        facts.subject = certificate.subject
        facts.issuer = certificate.issuer
        facts.serial = certificate.serial
        facts.fingerprint = certificate.fingerprint
        if passesCertificate { facts.certificate = certificate.pem }
        return facts
    }
}
