import NIOCore
import NIOPosix
import Routing

extension ClientBootstrap {
    /// Connects to a backend; a host name is resolved now. `eventLoop` is the connection's.
    func connect(to backend: BackendAddress, on eventLoop: any EventLoop) -> EventLoopFuture<any Channel> {
        switch backend {
        case .ip(let address, let port):
            // An address needs no resolver, which would cost a turn on another thread.
            do {
                return self.connect(to: try SocketAddress(ipAddress: address.description, port: Int(port)))
            } catch {
                return eventLoop.makeFailedFuture(error)
            }
        case .host(let name, let port): return self.connect(host: name, port: Int(port))
        case .unix(let path): return self.connect(unixDomainSocketPath: path)
        }
    }
}
