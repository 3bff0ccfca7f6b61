import AuthHTTP
import NIOCore
import Routing
import SMTPCore

/// What is known of a client, whoever found it out.
struct ClientFacts {
    /// The client's address: the one that a proxy told, where there is a proxy.
    let address: SocketAddress
    /// Where the client found us, or the proxy; nil where the system does not say.
    let local: SocketAddress?
    /// What a proxy's header said; nil where there was none, or no addresses in it.
    let proxy: LookupRequest.ProxyAddresses?
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
    /// The address as routes compare it; found out when one asks for it.
    private(set) lazy var routeAddress: RouteClient.Address? =
        IPAddress(self.ip).map { .ip($0) } ?? (self.address.pathname == nil ? nil : .unix)

    /// - Parameter proxy: what a trusted proxy said; its addresses are the client's then.
    init(address: SocketAddress, local: SocketAddress?, proxy: LookupRequest.ProxyAddresses? = nil) {
        self.address = proxy?.source ?? address
        self.local = proxy?.destination ?? local
        self.proxy = proxy
        self.ip = LookupRequest.clientIP(of: self.address)
        self.name = self.address.named(self.ip)
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
