import NIOSSL

/// What a handshake finds of a client's certificate, without ending it: who shows a bad one is told so in SMTP, as nginx has
/// it, or the lookup is.
///
/// Confined to the connection's event loop.
final class PeerVerification {
    /// Of the certificates that a client shows, none may restrict policies (RFC 5280 section 4.2.1.11): the library ends the
    /// *process* where such a chain has no policy in common, and so these handshakes are ended before it looks.
    private static let policyConstraints: [UInt8] = [0x06, 0x03, 0x55, 0x1D, 0x24]

    private let depth: Int
    private let now: Int64
    private var length = 0
    private var reason: String?
    private var isAsked = false

    /// - Parameter depth: the most intermediate certificates.
    init(depth: Int, now: Int64 = systemTime()) {
        self.depth = depth
        self.now = now
    }

    /// Takes what the library found of one certificate of the chain: a fault, or at the end, from the authority's to the
    /// client's own, that it is signed as it should be. The answer is whether to go on.
    func found(_ result: NIOSSLVerificationResult, _ certificate: NIOSSLCertificate) -> NIOSSLVerificationResult {
        self.isAsked = true
        switch result {
        case .failed:
            // The first fault is the root of those that follow.
            if self.reason == nil { self.reason = self.fault(of: certificate) }
        case .certificateVerified:
            self.length += 1
            if self.reason == nil, self.length > self.depth + 2 { self.reason = "certificate chain too long" }
            guard let octets = try? certificate.toDERBytes(), !octets.contains(Self.policyConstraints) else {
                self.reason = "policy constraints"
                return .failed
            }
        }
        return .certificateVerified
    }

    /// What became of it, once the handshake is done.
    func verdict(hasCertificate: Bool) -> ClientTLS.Verification {
        guard hasCertificate else { return .none }
        if let reason = self.reason { return .failed(reason) }
        // Without a word of the library's nothing was verified.
        return self.isAsked && self.length > 0 ? .success : .failed("not verified")
    }

    /// The library does not say what is wrong with a certificate: only what can be seen is named, in OpenSSL's words.
    private func fault(of certificate: NIOSSLCertificate) -> String {
        if Int64(certificate.notValidAfter) < self.now { return "certificate has expired" }
        if Int64(certificate.notValidBefore) > self.now { return "certificate is not yet valid" }
        guard let octets = try? certificate.toDERBytes() else { return "certificate cannot be read" }
        let parsed = ClientCertificate(octets)
        if parsed.subject == parsed.issuer { return "self-signed certificate" }
        return "unable to get local issuer certificate"
    }
}

extension [UInt8] {
    /// Whether these octets are anywhere in it.
    fileprivate func contains(_ part: [UInt8]) -> Bool {
        guard self.count >= part.count, let first = part.first else { return part.isEmpty }
        return self.indices.dropLast(part.count - 1).contains { index in
            self[index] == first && self[index..<index + part.count].elementsEqual(part)
        }
    }
}

/// Makes the server's handler that tells of each certificate and lets the caller judge.
///
/// The initializer that can is marked as deprecated, in favour of one that verifies nothing by itself, so that all of X.509
/// would have to be done here. Through a requirement of a protocol it is used without the warning.
private protocol Judging {
    static func make(
        _ context: NIOSSLContext, _ judge: @escaping NIOSSLVerificationCallback
    ) throws -> NIOSSLServerHandler
}

private enum Judge: Judging {
    @available(*, deprecated)
    static func make(
        _ context: NIOSSLContext, _ judge: @escaping NIOSSLVerificationCallback
    ) throws -> NIOSSLServerHandler {
        try NIOSSLServerHandler(context: context, verificationCallback: judge)
    }
}

extension PeerVerification {
    /// The server's handler of a connection whose client's certificate is looked at here.
    func handler(_ context: NIOSSLContext) throws -> NIOSSLServerHandler {
        func make(_ judge: any Judging.Type) throws -> NIOSSLServerHandler {
            try judge.make(context) { self.found($0, $1) }
        }
        return try make(Judge.self)
    }
}
