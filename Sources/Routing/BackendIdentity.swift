package import SMTPCore

/// How a backend learns on whose behalf a session is.
package enum BackendIdentity: String, CaseIterable, Hashable, Sendable {
    /// It does not: it sees this relay.
    case none
    /// By XCLIENT: from then on the backend takes us for the client.
    case xclient
    /// By XFORWARD: the backend takes us for what we are, and writes the client into its log.
    case xforward
    /// By a PROXY header of version 1.
    case proxyV1 = "proxy-v1"
    /// By a PROXY header of version 2.
    case proxyV2 = "proxy-v2"

    /// Whether the backend hears whose session it is before it greets.
    package var sendsHeader: Bool {
        switch self {
        case .proxyV1, .proxyV2: true
        case .none, .xclient, .xforward: false
        }
    }

    /// Whether the backend treats us as if we were the client, and says so in the Received field that it writes.
    package var replacesClient: Bool {
        switch self {
        case .xclient, .proxyV1, .proxyV2: true
        case .none, .xforward: false
        }
    }
}

/// Whom a session with a backend logs in as.
package enum BackendLogin: Hashable, Sendable {
    /// Who the client logged in as, with its password; nobody where the client has not logged in.
    case client
    /// One user for all clients.
    case user(ClientCredentials)
}
