import AuthHTTP
import NIOCore
import ProxyProtocol
import Routing
import SMTPCore

// What a backend is told of a client, as each way of telling has it.

extension ClientFacts {
    /// The address and port, as a PROXY header has them; nil for the client of a Unix socket.
    var proxyHeader: ProxyHeader {
        guard let source = self.address.endpoint, let destination = self.local?.endpoint else {
            return ProxyHeader(.unknown)
        }
        return ProxyHeader(.client(source, to: destination))
    }

    /// The attributes of XCLIENT: first those that nginx sends, in its order; `login` is left out where it is nil.
    func xclient(_ greeting: ServerSession.Greeting?, login: ClientLogin?) -> [ClientAttribute] {
        var attributes = [ClientAttribute(.address, Self.value(self.ip))]
        if let login { attributes.append(ClientAttribute(.login, login.user)) }
        attributes.append(ClientAttribute(.name, self.host.text))
        attributes.append(self.port)
        attributes += Self.attributes(greeting)
        attributes.append(
            ClientAttribute(
                .destinationAddress, self.local?.endpoint.map { Self.value("\($0.address)") } ?? Self.unavailable))
        attributes.append(
            ClientAttribute(.destinationPort, self.local?.endpoint.map { "\($0.port)" } ?? Self.unavailable))
        return attributes
    }

    /// The attributes of XFORWARD; `identifier` is the transaction's in our log.
    func xforward(_ greeting: ServerSession.Greeting?, identifier: String) -> [ClientAttribute] {
        [ClientAttribute(.name, self.host.text), ClientAttribute(.address, Self.value(self.ip)), self.port]
            + Self.attributes(greeting)
            + [ClientAttribute(.identifier, identifier), ClientAttribute(.source, "REMOTE")]
    }

    private static let unavailable = ClientAttribute.unavailable

    private var port: ClientAttribute {
        ClientAttribute(.port, self.address.endpoint.map { "\($0.port)" } ?? Self.unavailable)
    }

    private static func attributes(_ greeting: ServerSession.Greeting?) -> [ClientAttribute] {
        let name: String? =
            switch greeting {
            case .ehlo: "ESMTP"
            case .helo: "SMTP"
            case nil: nil
            }
        return [
            ClientAttribute(.protocolName, name ?? self.unavailable),
            ClientAttribute(.helo, greeting?.name ?? self.unavailable),
        ]
    }

    /// `192.0.2.1`, `IPV6:2001:db8::1`, or nothing for the client of a Unix socket.
    private static func value(_ address: String) -> String {
        guard let parsed = IPAddress(address) else { return self.unavailable }
        return if case .v6 = parsed { "IPV6:\(parsed)" } else { "\(parsed)" }
    }
}

extension BackendIdentity {
    /// The octets in front of a session with the backend; none where it gets no header.
    func octets(_ header: ProxyHeader) -> [UInt8] {
        switch self {
        case .proxyV1: header.version1
        case .proxyV2: header.version2
        case .none, .xclient, .xforward: []
        }
    }
}

extension SocketAddress {
    /// The address without its scope, and the port; nil for the path of a Unix socket.
    var endpoint: ProxyHeader.Endpoint? {
        guard let text = self.ipAddress, let port = self.port.flatMap(UInt16.init(exactly:)) else { return nil }
        return IPAddress(text.prefix { $0 != "%" }).map { ProxyHeader.Endpoint($0, port: port) }
    }

    /// The address that a PROXY header has.
    init(_ endpoint: ProxyHeader.Endpoint) throws {
        try self.init(ipAddress: endpoint.address.description, port: Int(endpoint.port))
    }
}
