package import NIOCore

/// What /etc/resolv.conf says (resolv.conf(5)): whom this machine asks about names.
package struct ResolverFile: Equatable, Sendable {
    /// The DNS servers, three at most; without any, the one on this host.
    package private(set) var servers: [SocketAddress] = []
    /// The domains in which a short name is looked for, six at most.
    package private(set) var search: [String] = []
    /// A name with as many dots is looked for as it is first.
    package private(set) var dots = 1

    /// Reads the file's octets; what is not known there is passed over.
    package init(_ octets: some Sequence<UInt8> = []) {
        for line in Array(octets).split(separator: 0x0A) {
            let words = ConfigurationLine.words(Array(line), comments: [UInt8(ascii: "#"), UInt8(ascii: ";")])
            guard let word = words.first else { continue }
            let values = words.dropFirst()
            switch word {
            case "nameserver":
                guard self.servers.count < 3, let text = values.first,
                    let server = try? SocketAddress(ipAddress: text, port: ResolverConfiguration.defaultPort)
                else { continue }
                self.servers.append(server)
            case "search", "domain":
                // The last of them counts.
                self.search = values.prefix(6).map { $0.hasSuffix(".") ? String($0.dropLast()) : $0 }
                    .filter { !$0.isEmpty }
            case "options":
                for option in values where option.hasPrefix("ndots:") {
                    self.dots = min(max(Int(option.dropFirst(6)) ?? self.dots, 0), 15)
                }
            default:
                continue
            }
        }
        if self.servers.isEmpty,
            let local = try? SocketAddress(ipAddress: "127.0.0.1", port: ResolverConfiguration.defaultPort)
        {
            self.servers = [local]
        }
    }

    /// The full names that a name may stand for, in the order in which they are looked for.
    package func candidates(for name: String) -> [String] {
        let inDomains = self.search.map { "\(name).\($0)" }.filter { $0.utf8.count <= 253 }
        let count = name.utf8.count { $0 == UInt8(ascii: ".") }
        return count >= self.dots ? [name] + inDomains : inDomains + [name]
    }
}
