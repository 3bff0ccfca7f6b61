package import NIOCore
import Routing

extension RelayConfiguration.Listener.Place {
    /// Whether a backend of that address is this listener, as far as can be told from the configuration.
    func isReached(by backend: BackendAddress) -> Bool {
        switch (self, backend) {
        case (.socket, _): false
        case (.address(let address, let port), _): backend.reaches(listener: address, port: port)
        case (.unix(let path), .unix(let other)): path == other
        case (.unix, _): false
        }
    }
}

extension RelayConfiguration {
    /// A backend that one of these listeners would be reached by: mail to it would go in circles. Nil where there is
    /// none.
    ///
    /// The configuration checks the addresses that it has; a listener by name has its address only once it is there.
    package func backendReaching(_ listeners: [SocketAddress]) -> (backend: String, listener: String)? {
        let groups = self.groups + self.routes.compactMap(\.group) + (self.postmaster.map { [$0] } ?? [])
        for listener in listeners {
            guard let text = listener.ipAddress, let address = IPAddress(text),
                let port = listener.port.flatMap(UInt16.init(exactly:))
            else { continue }
            for backend in groups.flatMap(\.backends) where backend.address.reaches(listener: address, port: port) {
                return (backend.address.description, listener.hostAndPort)
            }
        }
        return nil
    }
}
