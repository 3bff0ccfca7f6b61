import NIOCore
import NIOPosix
import Routing

extension ClientBootstrap {
    /// Connects to a backend whose place is known: one that is a name has been resolved. `eventLoop` is the connection's.
    func connect(to backend: BackendAddress, on eventLoop: any EventLoop) -> EventLoopFuture<any Channel> {
        switch backend {
        case .ip(let address, let port):
            // An address needs no resolver, which would cost a turn on another thread.
            do {
                return self.connect(to: try SocketAddress(ipAddress: address.description, port: Int(port)))
            } catch {
                return eventLoop.makeFailedFuture(error)
            }
        case .host, .service: return eventLoop.makeFailedFuture(UnresolvedBackend())
        case .unix(let path): return self.connect(unixDomainSocketPath: path)
        }
    }
}

/// The name of a backend has no address.
struct UnresolvedBackend: Error, CustomStringConvertible {
    let description = "its name has no address"
}
