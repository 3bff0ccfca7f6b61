import AuthHTTP
import NIOCore
import SMTPCore

/// What is known of a client, whoever found it out.
struct ClientFacts {
    /// The client's address.
    let address: SocketAddress
    /// Where the client found us; nil where the system does not say.
    let local: SocketAddress?
    /// The client's name in the DNS.
    var host = ClientHost.unavailable
    /// Who the client is, since its AUTH succeeded; nil before, and after an AUTH that failed.
    var login: ClientLogin?
    /// What is known of the client's TLS; nil in clear.
    var tls: ClientTLS?
    /// The address and port, for the log.
    let name: String
    /// The address as lookups and the Received field have it.
    let ip: String

    init(address: SocketAddress, local: SocketAddress?) {
        self.address = address
        self.local = local
        self.name = address.hostAndPort
        self.ip = LookupRequest.clientIP(of: address)
    }
}

/// As whom a client authenticated itself.
struct ClientLogin: Equatable {
    /// The user's name, or what a lookup put in its place. Any character but NUL may be in it.
    var user: String
    /// The password, or what a lookup put in its place; nil where neither is known, as with CRAM-MD5. For backends that ask
    /// for it; it is wiped with the session.
    var password: Secret?
}
