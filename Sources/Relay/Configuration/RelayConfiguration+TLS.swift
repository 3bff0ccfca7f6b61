package import Routing

extension RelayConfiguration {
    /// What `tls` at the top says: for all listeners with TLS.
    package struct TLS: Hashable, Sendable {
        /// The certificates that clients are shown, by the name that they ask for; who asks for none of them gets the first.
        package var certificates: [CertificateFiles] = []
        /// The versions that are spoken, at least one.
        package var protocols = Set(TLSProtocol.allCases)
        /// OpenSSL's names of the cipher suites for TLS 1.2; empty: those of the relay's own choice.
        package var ciphers: [String] = []
        /// Whether a client may go on with the keys of an earlier session.
        package var sessionTickets = true
        /// The file with the authorities that clients' certificates have to lead to.
        package var clientAuthorities: String?
        /// The most intermediate certificates between a client's and its authority's.
        package var verifyDepth = 1

        /// Makes the defaults: no certificate.
        package init() {}
    }
}

extension RelayConfiguration.Listener {
    /// How a client's connection is encrypted.
    package enum TLSMode: String, CaseIterable, Hashable, Sendable {
        /// It is not.
        case none
        /// With STARTTLS, where the client wants it.
        case startTLS = "starttls"
        /// With STARTTLS, and nothing is served before (RFC 3207 section 4).
        case required
        /// With the connection (RFC 8314 section 3).
        case implicit
    }

    /// Whether clients are asked for certificates.
    package enum ClientCertificates: String, CaseIterable, Hashable, Sendable {
        /// They are not.
        case off
        /// Each has to show a good one.
        case on
        /// Who shows one has to show a good one.
        case optional
        /// Who shows one is told of to the lookup, whatever it is worth.
        case optionalWithoutAuthority = "optional-no-ca"
    }
}
