import Glibc
import NIOCore
package import NIOPosix
import Routing

extension RelayConfiguration.Listener {
    /// Whether its connections need any option of the socket.
    var asksOfConnections: Bool {
        self.sockets.receiveBuffer != nil || self.sockets.sendBuffer != nil || self.sockets.keepalive != nil
    }
}

extension ServerBootstrap {
    /// With what a listener's configuration asks of its connections.
    ///
    /// On each connection and not on the listener, which may be others' as well: a listener of the broker's is.
    func asking(_ listener: RelayConfiguration.Listener) -> ServerBootstrap {
        let sockets = listener.sockets
        var bootstrap = self
        if let size = sockets.receiveBuffer {
            bootstrap = bootstrap.childChannelOption(.socketOption(.so_rcvbuf), value: Int(size))
        }
        if let size = sockets.sendBuffer {
            bootstrap = bootstrap.childChannelOption(.socketOption(.so_sndbuf), value: Int(size))
        }
        guard let keepalive = sockets.keepalive else { return bootstrap }
        bootstrap = bootstrap.childChannelOption(.socketOption(.so_keepalive), value: 1)
        for (name, value) in [
            (TCP_KEEPIDLE, keepalive.idle), (TCP_KEEPINTVL, keepalive.interval), (TCP_KEEPCNT, keepalive.probes),
        ] {
            guard let value else { continue }
            bootstrap = bootstrap.childChannelOption(.tcpOption(.init(rawValue: name)), value: Int(value))
        }
        return bootstrap
    }

    /// With what the configuration asks of a listener that the relay binds itself.
    package func binding(_ listener: RelayConfiguration.Listener) -> ServerBootstrap {
        let sockets = listener.sockets
        var bootstrap = self.serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.backlog, value: CInt(sockets.backlog ?? 4096))
        // With one socket as well: what another process of the same user binds shares the port.
        if sockets.reusePort != .none {
            bootstrap = bootstrap.serverChannelOption(.socketOption(.init(rawValue: SO_REUSEPORT)), value: 1)
        }
        // Before listen(2), or a window larger than the default's is not offered to who connects (tcp(7)).
        if let size = sockets.receiveBuffer {
            bootstrap = bootstrap.serverChannelOption(.socketOption(.so_rcvbuf), value: Int(size))
        }
        if let isOnly = sockets.isVersion6Only {
            bootstrap = bootstrap.serverChannelOption(
                ChannelOptions.Types.SocketOption(level: .ipv6, name: .ipv6_v6only), value: isOnly ? 1 : 0)
        }
        return bootstrap
    }
}
