/// On whose behalf a session with a server is: what it begins with, behind EHLO and TLS.
///
///     C: XCLIENT ADDR=192.0.2.42 NAME=mx.example.net     S: 220 backend ESMTP
///     C: EHLO mx.example.net                             S: 250-backend / 250 AUTH PLAIN
///     C: AUTH PLAIN …                                    S: 235 OK
public struct ClientIntroduction: Hashable, Sendable {
    /// What XCLIENT tells, in order; nil: there is no XCLIENT.
    public var xclient: [ClientAttribute]?
    /// The client's own greeting, which the server hears behind XCLIENT as it would have from the client; nil where the
    /// client said neither HELO nor EHLO.
    public var greeting: ServerSession.Greeting?
    /// Whether there is an XFORWARD in front of each MAIL.
    public var needsXForward: Bool
    /// Whom to log in as; nil: nobody.
    public var credentials: ClientCredentials?

    /// Makes an introduction; without arguments there is nothing to say.
    public init(
        xclient: [ClientAttribute]? = nil, greeting: ServerSession.Greeting? = nil, needsXForward: Bool = false,
        credentials: ClientCredentials? = nil
    ) {
        self.xclient = xclient
        self.greeting = greeting
        self.needsXForward = needsXForward
        self.credentials = credentials
    }

    /// Whether there is nothing to say.
    public var isEmpty: Bool { self.xclient == nil && !self.needsXForward && self.credentials == nil }
}

/// A user's name and password, for AUTH with a server. No description has either.
public struct ClientCredentials: Hashable, Sendable, CustomStringConvertible, CustomReflectable {
    /// The name.
    public var user: [UInt8]
    /// The password.
    public var password: Secret

    /// Makes credentials of any octets.
    public init(user: [UInt8], password: Secret) {
        self.user = user
        self.password = password
    }

    /// Of the name alone: a password is in no hash.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(self.user)
    }

    /// Nothing of them.
    public var description: String { "(credentials)" }
    /// Nothing of them.
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// What a client says in a SASL exchange, in base64 (RFC 4954 section 4). No description has it.
public struct SASLResponse: Hashable, Sendable, CustomStringConvertible, CustomReflectable {
    let text: String

    /// Makes a response of any octets.
    public init(_ octets: Span<UInt8>) {
        self.text = Base64.encode(octets)
    }

    /// Nothing of it.
    public var description: String { "(response)" }
    /// Nothing of it.
    public var customMirror: Mirror { Mirror(self, children: []) }

    /// PLAIN (RFC 4616): no authorization identity, the user, the password.
    static func plain(_ credentials: ClientCredentials) -> SASLResponse {
        var octets: [UInt8] = []
        octets.reserveCapacity(credentials.user.count + credentials.password.count + 2)
        octets.append(0)
        octets += credentials.user
        octets.append(0)
        credentials.password.withOctets { password in
            for index in 0..<password.count { octets.append(password[index]) }
        }
        defer { Secret.wipe(&octets) }
        return SASLResponse(octets.span)
    }
}
