import NIOCore
import Resolver
import Routing

extension ConfigurationDecoder {
    /// Who is asked about names, and how often. Without servers only the bounds for backends' names count.
    mutating func resolver(_ node: YAMLNode, into draft: inout ConfigurationDraft) {
        let keys = Keys("servers", "timeout", "least", "longest", "stale")
        guard let fields = self.fields(node, "resolver", keys) else { return }
        self.nameBounds(fields, into: &draft.names)
        let timeout = fields["timeout"].flatMap {
            self.duration($0, "resolver.timeout", .milliseconds(100)...(.minutes(2)))
        }
        guard let list = fields["servers"] else {
            if let node = fields["timeout"] {
                self.error(node.mark, "resolver", "a timeout belongs to servers, and it has none")
            } else if fields.isEmpty {
                self.error(fields.mark, "resolver", "it has no servers")
            }
            return
        }
        guard let elements = self.elements(list, "resolver.servers") else { return }
        if elements.isEmpty { self.error(list.mark, "resolver.servers", "there has to be one at least") }
        var servers: [SocketAddress] = []
        for (index, element) in elements.enumerated() {
            let path = "resolver.servers[\(index)]"
            guard let text = self.text(element, path, "the address of a DNS server") else { continue }
            guard let server = Self.serverAddress(text) else {
                self.error(
                    element.mark, path,
                    "\"\(text)\" is not an IP address, with a port or without: 192.0.2.53, 127.0.0.1:5353 or [::1]:53")
                continue
            }
            servers.append(server)
        }
        guard !servers.isEmpty else { return }
        var configuration = ResolverConfiguration(servers: servers)
        if let timeout { configuration.timeout = timeout }
        draft.resolver = configuration
    }

    private mutating func nameBounds(_ fields: Fields, into bounds: inout NameBounds) {
        if let node = fields["least"], let value = self.duration(node, "resolver.least", .seconds(1)...(.hours(1))) {
            bounds.least = value
        }
        if let node = fields["longest"], let value = self.duration(node, "resolver.longest", .seconds(1)...(.hours(24)))
        {
            bounds.longest = value
        }
        if let node = fields["stale"], let value = self.duration(node, "resolver.stale", .seconds(1)...(.hours(168))) {
            bounds.stale = value
        }
        if bounds.least > bounds.longest {
            self.error(
                (fields["least"] ?? fields["longest"])?.mark ?? fields.mark, "resolver",
                "least (\(Self.text(bounds.least))) is more than longest (\(Self.text(bounds.longest)))")
        }
    }

    /// An address without a port, or as ``BackendAddress`` has it.
    private static func serverAddress(_ text: String) -> SocketAddress? {
        let port = ResolverConfiguration.defaultPort
        if let address = IPAddress(text) { return try? SocketAddress(ipAddress: address.description, port: port) }
        guard case .ip(let address, let port)? = try? BackendAddress(parsing: text) else { return nil }
        return try? SocketAddress(ipAddress: address.description, port: Int(port))
    }
}
