/// A version of TLS that is spoken; older ones never are (RFC 8996).
package enum TLSProtocol: String, CaseIterable, Hashable, Sendable {
    /// RFC 5246.
    case tls12 = "TLSv1.2"
    /// RFC 8446.
    case tls13 = "TLSv1.3"
}

/// How connections to the backends of a destination are encrypted.
package struct BackendTLS: Hashable, Sendable {
    /// When TLS begins.
    package enum Mode: String, CaseIterable, Hashable, Sendable {
        /// Never: everything goes in clear.
        case none
        /// With STARTTLS; a backend that does not offer it gets no mail.
        case startTLS = "starttls"
        /// With the connection.
        case implicit
    }

    /// When TLS begins.
    package var mode = Mode.none
    /// Whether a backend has to prove who it is. Without it the connection is encrypted all the same, but to whoever
    /// answers.
    package var verifies = true
    /// The file with the roots that are trusted; nil: the system's.
    package var authorities: String?
    /// The name that the backend's certificate has to have, and that is asked for by SNI; nil: the backend's own.
    package var name: String?
    /// Our own certificate and its key; nil: none is shown.
    package var certificate: CertificateFiles?
    /// The versions that are spoken, at least one.
    package var protocols = Set(TLSProtocol.allCases)

    /// Makes settings: without arguments everything goes in clear.
    package init(mode: Mode = .none) {
        self.mode = mode
    }
}

/// Where a certificate and its key are.
package struct CertificateFiles: Hashable, Sendable {
    /// The certificate, in PEM, with the intermediate ones behind it.
    package var certificate: String
    /// Its private key, in PEM.
    package var key: String

    /// Names the two files.
    package init(certificate: String, key: String) {
        self.certificate = certificate
        self.key = key
    }
}
