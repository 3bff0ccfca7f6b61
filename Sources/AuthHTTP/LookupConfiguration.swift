package import NIOCore

/// Whom to ask, and within which bounds.
package struct LookupConfiguration: Equatable, Sendable {
    /// Whom to ask: the first, and the next where one fails; at least one.
    package private(set) var endpoints: [LookupEndpoint]
    /// The time of one try, from connecting to the end of the answer's headers. Deviates: nginx gives 60 s,
    /// while the client's session stands still.
    package var timeout: TimeAmount = .seconds(5)
    /// Headers to add to each request, after those of the protocol.
    package var extraHeaders: [ExtraHeader] = []
    /// Whether requests carry what nginx's have not: Client-Port, Auth-SMTP-From-Address and Auth-SMTP-To-Address.
    package var sendsMoreHeaders = false
    /// A PEM file of the certificates that an https server's has to lead to; nil: those of the system.
    package var trustedCertificates: String?
    /// The servers that an answer may name; nil: any.
    package var allow: [LookupAllowance]?
    /// How long a server that failed is passed over while there is another one.
    package var retryTime: TimeAmount = .seconds(10)
    /// Whether the request has the client's certificate in it, where the client showed one.
    package var passesClientCertificate = false
    /// How long the server may put off its answer to one question with `Auth-Status: WAIT`, all waits together.
    package var waitBudget: TimeAmount = .seconds(60)
    /// Idle connections that are kept, on each event loop.
    package var maximumIdleConnections = 64
    /// How long an idle connection is kept.
    package var idleTimeout: TimeAmount = .seconds(30)
    /// The most octets of an answer up to the end of its headers. Deviates: nginx has 1024 and gives up beyond.
    package var maximumHeadSize = 16 * 1024
    /// The most octets of a body that are read and thrown away to keep the connection; a longer one closes it.
    package var maximumBodySize = 64 * 1024

    /// Makes a configuration with the default bounds.
    package init(endpoint: LookupEndpoint) {
        self.init(endpoints: [endpoint])
    }

    /// Makes a configuration with the default bounds; `endpoints` must not be empty.
    package init(endpoints: [LookupEndpoint]) {
        precondition(!endpoints.isEmpty, "a lookup without a server")
        self.endpoints = endpoints
    }
}

/// Where lookups go: the parts of a URL.
package struct LookupEndpoint: Hashable, Sendable {
    /// An IP address without brackets, or a host name; of a Unix socket `localhost`, which Host says then.
    package var host: String
    /// The TCP port.
    package var port: UInt16
    /// The request target, with its query: it begins with a slash.
    package var target: String
    /// Whether it is https.
    package var isSecure = false
    /// The Unix socket; nil: host and port.
    package var socketPath: String?
}

extension LookupEndpoint: CustomStringConvertible {
    /// The URL, its port always written.
    package var description: String {
        if let path = self.socketPath { return "http://unix:\(path):\(self.target)" }
        let host = self.host.utf8.contains(UInt8(ascii: ":")) ? "[\(self.host)]" : self.host
        return "\(self.isSecure ? "https" : "http")://\(host):\(self.port)\(self.target)"
    }

    /// The place alone, for messages.
    var place: String { self.socketPath.map { "unix:\($0)" } ?? "\(self.host):\(self.port)" }
}

/// A header to add to each request; names and values that would change the protocol or forge a header cannot be made.
package struct ExtraHeader: Hashable, Sendable {
    /// A token (RFC 9110 section 5.1).
    package let name: String
    /// Octets without controls.
    package let value: String

    /// Makes a header of a name and a value from the configuration.
    ///
    /// Fails for a name that is no token, for one that belongs to the protocol or to HTTP's framing, and for a value
    /// with a control in it.
    package init(name: String, value: String) throws(LookupConfigurationError) {
        guard !name.isEmpty, name.utf8.allSatisfy(Self.isTokenOctet) else {
            throw LookupConfigurationError("\"\(name)\" is not the name of a header")
        }
        guard !Self.reserved.contains(name.lowercased()) else {
            throw LookupConfigurationError("\(name) is sent by the relay itself, or would change the request")
        }
        guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }) else {
            throw LookupConfigurationError("the value of \(name) has a control character in it")
        }
        self.name = name
        self.value = value
    }
}

/// Why a URL or a header of the configuration cannot be used.
package struct LookupConfigurationError: Error, Equatable, Sendable {
    /// What is wrong, as a clause.
    package var message: String
    init(_ message: String) { self.message = message }
}
