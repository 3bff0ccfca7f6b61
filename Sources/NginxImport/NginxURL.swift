/// What nginx's `ngx_parse_url()` makes of a host, a port and a URI.
struct NginxURL: Equatable {
    enum Host: Equatable {
        /// As it was written, perhaps with leading zeros gone.
        case ipv4(String)
        /// Without brackets.
        case ipv6(String)
        case name(String)
        /// `*`, or nothing but a port: every IPv4 address.
        case wildcard
        /// A socket in the file system.
        case unix(String)
    }

    /// Why it is none; in nginx's words.
    struct Failure: Error, Equatable { var message: String }

    var host: Host
    /// More than one where it is a range. Nil where none is written.
    var ports: ClosedRange<Int>?
    /// With its slash; "" where there is none.
    var uri = ""

    /// - Parameter isListener: a port alone, `*` and a range of ports are possible, and a URI is not.
    init(_ text: String, isListener: Bool) throws(Failure) {
        if text.hasPrefix("unix:") {
            (self.host, self.uri) = try Self.unix(text.dropFirst(5), isListener: isListener)
            return
        }
        var authority = Substring(text)
        let isIPv6 = text.hasPrefix("[")
        let search = isIPv6 ? (text.firstIndex(of: "]") ?? text.startIndex) : text.startIndex
        if let start = text[search...].firstIndex(where: { $0 == "/" || $0 == "?" }) {
            guard !isListener else { throw Failure(message: "invalid host") }
            self.uri = String(text[start...])
            if self.uri.hasPrefix("?") { self.uri = "/" + self.uri }
            authority = text[..<start]
        }
        if isIPv6 {
            guard let end = authority.firstIndex(of: "]") else { throw Failure(message: "invalid host") }
            let address = authority.dropFirst().prefix(upTo: end)
            let behind = authority[authority.index(after: end)...]
            if !behind.isEmpty {
                guard behind.hasPrefix(":") else { throw Failure(message: "invalid host") }
                self.ports = try Self.ports(behind.dropFirst(), isListener: isListener)
            }
            guard !address.isEmpty else { throw Failure(message: "no host") }
            guard NginxAddress.ipv6(address) != nil else { throw Failure(message: "invalid IPv6 address") }
            self.host = .ipv6(address.lowercased())
            return
        }
        var name = authority
        if let colon = authority.firstIndex(of: ":") {
            self.ports = try Self.ports(authority[authority.index(after: colon)...], isListener: isListener)
            name = authority[..<colon]
        } else if isListener, let first = authority.split(separator: "-", omittingEmptySubsequences: false).first,
            NginxValue.number(first) != nil
        {
            // A port alone, or a range of them; but an address too begins with a number.
            self.ports = try? Self.ports(authority, isListener: true)
            if let number = NginxValue.number(authority), !(1...65535).contains(number) {
                throw Failure(message: "invalid port")
            }
            self.host = .wildcard
            if self.ports != nil { return }
        }
        guard !name.isEmpty else { throw Failure(message: "no host") }
        if isListener, name == "*" {
            self.host = .wildcard
        } else if let address = NginxAddress.ipv4(name) {
            self.host = .ipv4(address)
        } else {
            self.host = .name(String(name))
        }
    }

    private static func unix(_ rest: Substring, isListener: Bool) throws(Failure) -> (Host, uri: String) {
        var (path, uri) = (rest, "")
        if !isListener, let colon = rest.firstIndex(of: ":") {
            path = rest[..<colon]
            uri = String(rest[rest.index(after: colon)...])
        }
        guard !path.isEmpty else { throw Failure(message: "no path in the unix domain socket") }
        // sizeof(sun_path), with the NUL behind it.
        guard path.utf8.count < 108 else { throw Failure(message: "too long path in the unix domain socket") }
        return (.unix(String(path)), uri)
    }

    private static func ports(_ text: Substring, isListener: Bool) throws(Failure) -> ClosedRange<Int> {
        var (first, last) = (text, text)
        if isListener, let dash = text.firstIndex(of: "-") {
            (first, last) = (text[..<dash], text[text.index(after: dash)...])
        }
        guard let low = NginxValue.number(first), let high = NginxValue.number(last), (1...65535).contains(low),
            (1...65535).contains(high)
        else { throw Failure(message: "invalid port") }
        guard low <= high else { throw Failure(message: "invalid port range") }
        return low...high
    }
}
