import NIOCore
import NIOPosix

/// A backend as nginx takes it: an IP address without brackets, and a port.
struct AuthServer: Equatable, Sendable {
    let address: String
    let port: Int

    /// The address of a backend as relay.yaml writes it; a name is resolved.
    ///
    /// - Throws: ``RelayClientError`` for a Unix socket, which is of no use on another host and which nginx does not take,
    ///   and for a name that is not resolved.
    static func resolving(_ backend: String) async throws -> AuthServer {
        guard !backend.hasPrefix("unix:"), let place = ListenAddress(argument: backend) else {
            throw RelayClientError("backend \(backend) cannot be reached from elsewhere")
        }
        // getaddrinfo(3) blocks: not on an event loop, and not on a thread of Swift's.
        let address = try await NIOThreadPool.singleton.runIfActive {
            try SocketAddress.makeAddressResolvingHost(place.host, port: place.port)
        }
        guard let literal = address.ipAddress else { throw RelayClientError("backend \(backend) has no IP address") }
        return AuthServer(address: literal, port: place.port)
    }
}
