extension LookupEndpoint {
    /// Parses `http://host[:port]/path`; the port is 80 where there is none, the path `/`.
    ///
    /// Fails with what is wrong with the URL, as a clause.
    package init(parsing url: String) throws(LookupConfigurationError) {
        // A request target is visible ASCII (RFC 9112 section 3.2): a space would end it, a control forge a header.
        guard url.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw LookupConfigurationError("the URL has a space, a control or a character that is not ASCII")
        }
        let lowered = url.lowercased()
        guard !lowered.hasPrefix("https://") else { throw LookupConfigurationError("https is not in this version") }
        guard lowered.hasPrefix("http://") else {
            throw LookupConfigurationError("\"\(url)\" is not a URL that begins with http://")
        }
        let rest = url.dropFirst("http://".utf8.count)
        guard !rest.hasPrefix("unix:") else {
            throw LookupConfigurationError("a Unix socket in the URL is not in this version")
        }
        guard !rest.utf8.contains(UInt8(ascii: "#")) else {
            throw LookupConfigurationError("a URL here has no fragment")
        }
        let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        let authority = rest[..<end]
        guard !authority.contains("@") else {
            throw LookupConfigurationError("a user in the URL is not used: send a header of your own instead")
        }
        let target = String(rest[end...])
        let (host, port) = try Self.hostAndPort(authority)
        self.init(host: host, port: port, target: target.hasPrefix("/") ? target : "/" + target)
    }

    private static func hostAndPort(_ authority: Substring) throws(LookupConfigurationError) -> (String, UInt16) {
        var host = authority
        var digits: Substring?
        if authority.hasPrefix("["), let close = authority.firstIndex(of: "]") {
            host = authority[authority.index(after: authority.startIndex)..<close]
            let behind = authority[authority.index(after: close)...]
            guard behind.isEmpty || behind.hasPrefix(":") else {
                throw LookupConfigurationError("\"\(authority)\" is not a host")
            }
            digits = behind.isEmpty ? nil : behind.dropFirst()
        } else if let colon = authority.firstIndex(of: ":") {
            host = authority[..<colon]
            digits = authority[authority.index(after: colon)...]
        }
        let isHost = host.utf8.allSatisfy { octet in
            switch octet {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default:
                "-._:".utf8.contains(octet)
            }
        }
        guard !host.isEmpty, isHost else { throw LookupConfigurationError("\"\(authority)\" is not a host") }
        guard let digits else { return (String(host), 80) }
        guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = UInt16(digits), port > 0 else {
            throw LookupConfigurationError("the port \"\(digits)\" is not a number from 1 to 65535")
        }
        return (String(host), port)
    }
}

extension ExtraHeader {
    /// In lower case.
    static let reserved: Set<String> = [
        "host", "connection", "keep-alive", "content-length", "transfer-encoding", "upgrade", "expect", "te", "trailer",
        "auth-method", "auth-user", "auth-pass", "auth-salt", "auth-protocol", "auth-login-attempt", "client-ip",
        "client-host", "proxy-protocol-addr", "proxy-protocol-port", "proxy-protocol-server-addr",
        "proxy-protocol-server-port", "auth-smtp-helo", "auth-smtp-from", "auth-smtp-to", "auth-ssl",
        "auth-ssl-protocol", "auth-ssl-cipher", "auth-ssl-verify", "auth-ssl-subject", "auth-ssl-issuer",
        "auth-ssl-serial", "auth-ssl-fingerprint", "auth-ssl-cert",
    ]

    static func isTokenOctet(_ octet: UInt8) -> Bool {
        switch octet {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default:
            "!#$%&'*+-.^_`|~".utf8.contains(octet)
        }
    }
}
