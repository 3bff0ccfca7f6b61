import NIOCore

/// What /etc/hosts says (hosts(5)): names and their addresses, of this machine's own making.
package struct HostsFile: Equatable, Sendable {
    /// The addresses of each name, in lower case, in the file's order.
    private var addresses: [String: [[UInt8]]] = [:]

    /// Knows no name.
    package init() {}

    /// Reads the file's octets. A line that is none is passed over, as the system's resolver does.
    package init(_ octets: some Sequence<UInt8>) {
        var line: [UInt8] = []
        for octet in octets {
            if octet == 0x0A {
                self.read(line)
                line.removeAll(keepingCapacity: true)
            } else {
                line.append(octet)
            }
        }
        self.read(line)
    }

    /// The addresses of a name, 4 or 16 octets each; none where the file does not have it.
    ///
    /// `localhost` and what is below it are this host, whatever the file says or does not (RFC 6761 section 6.3).
    package func addresses(of name: String) -> [[UInt8]] {
        let name = name.lowercased()
        if let found = self.addresses[name] { return found }
        guard name == "localhost" || name.hasSuffix(".localhost") else { return [] }
        return [[127, 0, 0, 1], [UInt8](repeating: 0, count: 15) + [1]]
    }

    private mutating func read(_ line: [UInt8]) {
        let words = ConfigurationLine.words(line, comments: [UInt8(ascii: "#")])
        // (The scope of a link-local address is left out: it cannot be told which interface a backend is behind.)
        guard words.count > 1, let address = try? SocketAddress(ipAddress: words[0], port: 0) else { return }
        let octets = address.ipOctets
        for name in words.dropFirst() where self.addresses[name.lowercased(), default: []].contains(octets) == false {
            self.addresses[name.lowercased(), default: []].append(octets)
        }
    }
}

/// A line of a file of words.
enum ConfigurationLine {
    /// The words in front of a comment, between blanks.
    static func words(_ line: [UInt8], comments: [UInt8]) -> [String] {
        line.prefix { !comments.contains($0) }
            .split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: "\r") }
            .map { String(decoding: $0, as: UTF8.self) }
    }
}
