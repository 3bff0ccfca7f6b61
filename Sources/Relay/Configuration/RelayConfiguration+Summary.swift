import AuthHTTP
import Routing

extension RelayConfiguration {
    /// What the configuration means, in a few lines.
    package var summary: String {
        var lines = ["server: \(self.serverName ?? "the host name")"]
        lines += self.listeners.map { "listener: \($0)" }
        lines += self.groups.map { "group \($0.name): \(Self.text($0))" }
        lines += self.routes.map { route in
            let group = route.group.map { $0.name.contains("[") ? Self.text($0) : $0.name } ?? "refused"
            return "route: \(route.recipients.map(\.description).joined(separator: " ")) -> \(group)"
        }
        if let postmaster = self.postmaster { lines.append("route: <Postmaster> -> \(postmaster.name)") }
        if let lookup = self.lookup {
            lines.append("otherwise: ask \(lookup.endpoint)")
        } else {
            lines.append("otherwise: 550 5.7.1")
        }
        return lines.joined(separator: "\n")
    }

    private static func text(_ group: BackendGroup) -> String {
        let backends = group.backends.map { $0.weight == 1 ? "\($0.address)" : "\($0.address) (weight \($0.weight))" }
        let balance = backends.count > 1 ? ", \(group.balance.rawValue)" : ""
        return backends.joined(separator: ", ") + balance
    }
}

extension RelayConfiguration.Listener: CustomStringConvertible {
    /// The name or the address, as the configuration has it.
    package var description: String {
        switch self {
        case .socket(let name): "socket \"\(name)\""
        case .address(let address, let port): "\(BackendAddress.ip(address, port: port))"
        }
    }
}
