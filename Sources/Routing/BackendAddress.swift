/// Where a backend listens.
package enum BackendAddress: Hashable, Sendable {
    /// An IP address and a port.
    case ip(IPAddress, port: UInt16)
    /// A host name in lower case and a port: every address that it has, for as long as it has it.
    case host(String, port: UInt16)
    /// The name of a service in lower case, `_smtp._tcp.app.internal`: every host that its SRV records name (RFC 2782).
    case service(String)
    /// The absolute path of a Unix stream socket.
    case unix(path: String)

    /// The longest path that a socket address holds with its closing NUL (unix(7)).
    package static let longestUnixPath = 107

    /// Parses `192.0.2.1:2525`, `[2001:db8::1]:2525`, `app.internal:2525`, `srv:_smtp._tcp.app.internal` or
    /// `unix:/run/app.sock`.
    ///
    /// Fails with the part at fault in words fit for the person who wrote it.
    package init(parsing text: String) throws(AddressError) {
        if text.utf8.starts(with: "unix:".utf8) {
            self = .unix(path: try Self.unixPath(String(text.dropFirst(5))))
        } else if let service = Self.serviceName(text) {
            self = .service(try Self.service(service))
        } else if text.utf8.first == UInt8(ascii: "[") {
            self = try Self.bracketed(text)
        } else {
            self = try Self.hostAndPort(text)
        }
    }
}

/// Why a text is no address.
package struct AddressError: Error, Equatable, Sendable {
    /// What is wrong, as a clause: `"app" has no port: write app:PORT`.
    package var message: String

    init(_ message: String) { self.message = message }
}

extension BackendAddress: CustomStringConvertible {
    /// The address as the configuration has it, in its canonical spelling.
    package var description: String {
        switch self {
        case .ip(let address, let port):
            if case .v6 = address { "[\(address)]:\(port)" } else { "\(address):\(port)" }
        case .host(let name, let port): "\(name):\(port)"
        case .service(let name): "srv:\(name)"
        case .unix(let path): "unix:\(path)"
        }
    }
}

extension BackendAddress {
    /// Whether connecting here reaches a listener bound to `address` and `port` on this host, as far as can be told
    /// without asking the resolver and the interfaces.
    ///
    /// A listener on the unspecified address takes connections to every local address; which are local is not known
    /// here, so only loopback, the unspecified address and the name `localhost` count.
    package func reaches(listener address: IPAddress, port: UInt16) -> Bool {
        switch self {
        case .ip(let own, let ownPort):
            guard ownPort == port else { return false }
            // To connect to the unspecified address is to connect to this host.
            if own.isUnspecified { return address.isLoopback || address.isUnspecified }
            return own == address || address.isUnspecified && own.isLoopback
        case .host(let name, let ownPort):
            return ownPort == port && name == "localhost" && (address.isLoopback || address.isUnspecified)
        case .service, .unix:
            return false
        }
    }

    /// Whether the DNS says where it is.
    package var isName: Bool {
        switch self {
        case .host, .service: true
        case .ip, .unix: false
        }
    }

    /// The name that it was given by the configuration, for its certificate and for SNI; nil where it has an address or a
    /// path alone.
    ///
    /// Of a service this is the domain that it is the service of, whatever hosts the DNS names: what has not come by a
    /// secure way says nothing of whom to trust (RFC 6125 section 6.2.1).
    package var hostName: String? {
        switch self {
        case .host(let name, _): name
        case .service(let name): name.split(separator: ".", maxSplits: 2).last.map(String.init)
        case .ip, .unix: nil
        }
    }

    /// What is behind `srv:`; nil for a host of that name with a port.
    private static func serviceName(_ text: String) -> Substring? {
        guard text.utf8.starts(with: "srv:".utf8) else { return nil }
        let rest = text.dropFirst(4)
        return rest.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ? nil : rest
    }

    private static func service(_ text: Substring) throws(AddressError) -> String {
        if let problem = DomainName.problem(String(text)) {
            throw AddressError("\"\(text)\" is not a domain name: \(problem)")
        }
        let labels = text.split(separator: ".")
        guard labels.count > 2, labels.prefix(2).allSatisfy({ $0.utf8.first == UInt8(ascii: "_") && $0.utf8.count > 1 })
        else {
            throw AddressError("\"srv:\(text)\" is not the name of a service: write srv:_smtp._tcp.DOMAIN")
        }
        return DomainName.canonical(String(text))
    }

    private static func unixPath(_ path: String) throws(AddressError) -> String {
        guard path.utf8.first == UInt8(ascii: "/") else {
            throw AddressError("\"unix:\(path)\" is not an absolute path: write unix:/run/app.sock")
        }
        guard path.utf8.count <= Self.longestUnixPath else {
            throw AddressError("the path has \(path.utf8.count) octets; a Unix socket's has \(longestUnixPath) at most")
        }
        guard !path.utf8.contains(0) else { throw AddressError("the path has a NUL in it") }
        return path
    }

    private static func bracketed(_ text: String) throws(AddressError) -> BackendAddress {
        guard let close = text.utf8.firstIndex(of: UInt8(ascii: "]")) else {
            throw AddressError("\"\(text)\" has no \"]\": write [ADDRESS]:PORT")
        }
        let inside = text[text.index(after: text.startIndex)..<close]
        guard let address = IPAddress(inside), case .v6 = address else {
            throw AddressError("\"\(inside)\" is not an IPv6 address")
        }
        let rest = text[text.index(after: close)...]
        guard rest.utf8.first == UInt8(ascii: ":") else {
            throw AddressError("\"\(text)\" has no port: write [\(inside)]:PORT")
        }
        return .ip(address, port: try Self.port(rest.dropFirst(), of: text))
    }

    private static func hostAndPort(_ text: String) throws(AddressError) -> BackendAddress {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count <= 2 else {
            throw AddressError("\"\(text)\" has more than one colon: write an IPv6 address as [ADDRESS]:PORT")
        }
        guard parts.count == 2 else {
            let what = text.isEmpty ? "the address is empty" : "\"\(text)\" has no port"
            throw AddressError("\(what): write HOST:PORT")
        }
        let port = try Self.port(parts[1], of: text)
        let host = String(parts[0])
        if let address = IPAddress(host) { return .ip(address, port: port) }
        // A last label of digits is an address that went wrong, and inet_aton(3) would take it for another one.
        let last = host.split(separator: ".").last ?? ""
        guard !last.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
            throw AddressError("\"\(host)\" is neither an IPv4 address nor a host name")
        }
        if let problem = DomainName.problem(host) { throw AddressError("\"\(host)\" is not a host name: \(problem)") }
        return .host(DomainName.canonical(host), port: port)
    }

    private static func port(_ digits: some StringProtocol, of text: String) throws(AddressError) -> UInt16 {
        let isNumber = digits.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard isNumber, let port = UInt16(digits), port > 0 else {
            throw AddressError("the port \"\(digits)\" of \"\(text)\" is not a number from 1 to 65535")
        }
        return port
    }
}
