import AuthHTTP
import NIOCore

/// What is known of a client, whoever found it out.
struct ClientFacts {
    /// The client's address.
    let address: SocketAddress
    /// Where the client found us; nil where the system does not say.
    let local: SocketAddress?
    /// The client's name in the DNS.
    var host = ClientHost.unavailable
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
