import AuthHTTP
import NIOCore

/// What is known of a client, whoever found it out.
struct ClientFacts {
    /// The client's address: the one that a proxy told, where there is a proxy.
    let address: SocketAddress
    /// Where the client found us, or the proxy; nil where the system does not say.
    let local: SocketAddress?
    /// Where the connection itself arrived, whoever made it; nil likewise.
    let accepted: SocketAddress?
    /// What a proxy's header said; nil where there was none, or no addresses in it.
    let proxy: LookupRequest.ProxyAddresses?
    /// The client's name in the DNS.
    var host = ClientHost.unavailable
    /// As whom the client logged in; nil where it has not.
    var login: ClientLogin?
    /// The address and port, for the log.
    let name: String
    /// The address as lookups and the Received field have it.
    let ip: String

    /// - Parameter proxy: what a trusted proxy said; its addresses are the client's then.
    init(address: SocketAddress, local: SocketAddress?, proxy: LookupRequest.ProxyAddresses? = nil) {
        self.address = proxy?.source ?? address
        self.local = proxy?.destination ?? local
        self.accepted = local
        self.proxy = proxy
        self.name = self.address.hostAndPort
        self.ip = LookupRequest.clientIP(of: self.address)
    }
}

/// A user's name, and the password where it is known: not after CRAM-MD5 and EXTERNAL. No description has either.
struct ClientLogin: Equatable, CustomStringConvertible, CustomReflectable {
    /// The name.
    var user: [UInt8]
    /// The password.
    var password: [UInt8]?

    var description: String { "(login)" }
    var customMirror: Mirror { Mirror(self, children: []) }
}
