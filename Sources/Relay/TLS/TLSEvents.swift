import NIOCore
import NIOSSL
import NIOTLS

/// `event` is the end of a TLS handshake.
func isHandshakeCompleted(_ event: Any) -> Bool {
    if case .handshakeCompleted? = event as? TLSUserEvent { return true }
    return false
}

extension TLSVersion {
    /// The name that OpenSSL, and so nginx, gives it.
    var name: String {
        switch self {
        case .tlsv1: "TLSv1"
        case .tlsv11: "TLSv1.1"
        case .tlsv12: "TLSv1.2"
        case .tlsv13: "TLSv1.3"
        }
    }
}

/// What went wrong with a handshake, in a few words: the library's reasons come with file names and lines of its own.
func describe(tlsError error: any Error) -> String {
    switch error as? NIOSSLError {
    case .handshakeFailed(.sslError(let stack)):
        // `Error: 268435703 error:100000f7:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER at …/tls_record.cc:123`
        let words = stack.map { error in
            // The reason is the word in capitals behind the last colon before the file.
            let parts = "\(error)".split(separator: ":").map { $0.prefix { $0 != " " } }
            return String(
                parts.last {
                    $0.count > 3 && $0.allSatisfy { $0.isUppercase || $0 == "_" || $0.isNumber }
                        && !$0.allSatisfy(\.isNumber)
                } ?? "\(error)"[...])
        }
        return words.isEmpty ? "handshake failed" : words.joined(separator: ", ")
    case .uncleanShutdown: return "the connection ended without a close"
    default: return "\(error)"
    }
}
