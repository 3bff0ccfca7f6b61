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
    public var password: [UInt8]

    /// Makes credentials of any octets.
    public init(user: [UInt8], password: [UInt8]) {
        self.user = user
        self.password = password
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
    public init(_ octets: [UInt8]) {
        self.text = base64(octets)
    }

    /// Nothing of it.
    public var description: String { "(response)" }
    /// Nothing of it.
    public var customMirror: Mirror { Mirror(self, children: []) }

    /// PLAIN (RFC 4616): no authorization identity, the user, the password.
    static func plain(_ credentials: ClientCredentials) -> SASLResponse {
        SASLResponse([0] + credentials.user + [0] + credentials.password)
    }
}

private let base64Digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

private func base64(_ octets: [UInt8]) -> String {
    var text: [UInt8] = []
    text.reserveCapacity((octets.count + 2) / 3 * 4)
    for start in stride(from: 0, to: octets.count, by: 3) {
        let part = octets[start..<min(start + 3, octets.count)]
        var value = part.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } << UInt32(8 * (3 - part.count))
        for index in 0..<4 {
            text.append(index <= part.count ? base64Digits[Int(value >> 18 & 63)] : UInt8(ascii: "="))
            value <<= 6
        }
    }
    return String(decoding: text, as: UTF8.self)
}
