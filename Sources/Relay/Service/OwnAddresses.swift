import NIOCore
import Routing

/// Where this relay listens, as far as that makes an address one that leads back to it.
struct OwnAddresses: Sendable {
    private var listeners: [(address: IPAddress, port: UInt16)] = []
    private var paths: Set<String> = []

    /// Nothing listens yet.
    init() {}

    /// Takes the addresses of listeners that are bound.
    init(_ addresses: [SocketAddress]) {
        for address in addresses {
            if let path = address.pathname {
                self.paths.insert(path)
            } else if let text = address.ipAddress, let ip = IPAddress(text),
                let port = address.port.flatMap(UInt16.init(exactly:))
            {
                self.listeners.append((ip, port))
            }
        }
    }

    /// Whether to connect there is to connect to this relay. Which addresses this host has is looked up where a port is the
    /// same and a listener has them all.
    func contains(_ server: SocketAddress) -> Bool {
        if let path = server.pathname { return self.paths.contains(path) }
        // (Of almost every server the port alone says that it is another.)
        guard let port = server.port, self.listeners.contains(where: { Int($0.port) == port }),
            let text = server.ipAddress, let ip = IPAddress(text)
        else { return false }
        var hasWildcard = false
        for listener in self.listeners where Int(listener.port) == port {
            if BackendAddress.ip(ip, port: listener.port).reaches(listener: listener.address, port: listener.port) {
                return true
            }
            if listener.address.isUnspecified { hasWildcard = true }
        }
        return hasWildcard && Self.isLocal(ip)
    }

    private static func isLocal(_ address: IPAddress) -> Bool {
        // What cannot be told is taken for local: mail that goes in circles is worse than a 451.
        guard let devices = try? System.enumerateDevices() else { return true }
        return devices.contains { device in
            device.address?.ipAddress.flatMap { text in
                // A link-local address comes with its interface.
                IPAddress(text.prefix { $0 != "%" })
            } == address
        }
    }
}
