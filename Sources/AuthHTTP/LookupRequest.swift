package import NIOCore

/// One question of nginx's auth_http protocol: may this client do this, and which backend serves it?
///
/// ```text
/// C: GET /mail/auth HTTP/1.1
/// C: Host: 127.0.0.1
/// C: Auth-Method: none
/// C: Auth-User:
/// C: Auth-Pass:
/// C: Auth-Protocol: smtp
/// C: Auth-Login-Attempt: 1
/// C: Client-IP: 192.0.2.42
/// C: Client-Host: [UNAVAILABLE]
/// C: Auth-SMTP-Helo: client.example
/// C: Auth-SMTP-From: MAIL FROM:<a@b> SIZE=1
/// C: Auth-SMTP-To: RCPT TO:<c@d>
/// ```
///
/// Names, order and escaping are nginx's. The one way from here to the wire is ``encode(to:)``, and
/// nothing that could forge a header gets through it.
package struct LookupRequest: Equatable, Sendable {
    /// What the client has shown of itself.
    package enum Method: Equatable, Sendable {
        /// Nothing: the question is about a recipient.
        case none(Envelope)
        /// AUTH PLAIN or LOGIN.
        case plain(user: [UInt8], password: [UInt8])
        /// AUTH CRAM-MD5: the 32 hexadecimal digits, and the challenge that they answer.
        case cramMD5(user: [UInt8], digest: [UInt8], salt: [UInt8])
        /// AUTH EXTERNAL.
        case external(user: [UInt8])
    }

    /// The SMTP side of a question about a recipient; each a whole line as the client sent it, without its line end.
    package struct Envelope: Equatable, Sendable {
        /// The argument of HELO or EHLO; empty where the client sent neither.
        package var helo: String
        /// The MAIL command, from the verb to the end of the last argument.
        package var mailCommand: String
        /// The RCPT command likewise.
        package var recipientCommand: String

        /// The address in the MAIL command, without its brackets; empty for the null reverse-path. Sent where
        /// ``LookupConfiguration/sendsMoreHeaders`` says so.
        package var fromAddress: String
        /// The address in the RCPT command likewise.
        package var toAddress: String

        /// Makes an envelope of lines as the client sent them.
        package init(
            helo: String, mailCommand: String, recipientCommand: String, fromAddress: String = "",
            toAddress: String = ""
        ) {
            self.helo = helo
            self.mailCommand = mailCommand
            self.recipientCommand = recipientCommand
            self.fromAddress = fromAddress
            self.toAddress = toAddress
        }
    }

    /// The addresses that a trusted PROXY header gave.
    package struct ProxyAddresses: Equatable, Sendable {
        /// The client's address and port.
        package var source: SocketAddress
        /// The address and port that the client connected to.
        package var destination: SocketAddress

        /// Makes the pair.
        package init(source: SocketAddress, destination: SocketAddress) {
            self.source = source
            self.destination = destination
        }
    }

    /// What TLS is known of the client's connection.
    package struct TLSFacts: Equatable, Sendable {
        /// The protocol, as `TLSv1.3`; empty where it is not known, and then not sent.
        package var protocolVersion: String
        /// The cipher suite's name; likewise.
        package var cipher: String
        /// What became of the client's certificate: SUCCESS, FAILED:reason or NONE; empty where none was asked for, and then
        /// nothing below is sent.
        package var verification = ""
        /// The names in the certificate, as RFC 2253 writes them; each is left out where it is empty, as are those below.
        package var subject = "", issuer = ""
        /// The certificate's serial number, and its SHA-1 fingerprint, in hexadecimal.
        package var serial = "", fingerprint = ""
        /// The certificate in PEM; empty: not to be passed on.
        package var certificate: [UInt8] = []

        /// Makes the facts of a connection.
        package init(protocolVersion: String = "", cipher: String = "") {
            self.protocolVersion = protocolVersion
            self.cipher = cipher
        }
    }

    /// What the client has shown of itself.
    package var method: Method
    /// One more than the attempts that were refused on this connection.
    ///
    /// Deviates: nginx counts every lookup, so that a script which limits attempts refuses the fourth good recipient.
    package var loginAttempt: Int
    /// The client's IP address as ``clientIP(of:)`` writes it, once for each session.
    package var clientIP: String
    /// The client's port; nil where it has none. Sent where ``LookupConfiguration/sendsMoreHeaders`` says so.
    package var clientPort: Int?
    /// The client's name in the DNS.
    package var clientHost: ClientHost
    /// What a trusted PROXY header said; nil where there was none.
    package var proxy: ProxyAddresses?
    /// What is known of the client's TLS; nil in plain text.
    package var tls: TLSFacts?

    /// Makes a request.
    package init(
        method: Method,
        clientIP: String,
        loginAttempt: Int = 1,
        clientHost: ClientHost = .unavailable,
        proxy: ProxyAddresses? = nil,
        tls: TLSFacts? = nil
    ) {
        self.method = method
        self.clientIP = clientIP
        self.loginAttempt = loginAttempt
        self.clientHost = clientHost
        self.proxy = proxy
        self.tls = tls
    }
}

extension LookupRequest {
    /// A client's address as Client-IP says it: no port, no brackets, no scope; `unix:` for a Unix socket.
    ///
    /// An IPv4-mapped IPv6 address is written as the IPv4 address that it is.
    package static func clientIP(of address: SocketAddress) -> String {
        if let octets = address.ipv4Octets {
            return "\(octets >> 24).\(octets >> 16 & 255).\(octets >> 8 & 255).\(octets & 255)"
        }
        guard let text = address.ipAddress else { return "unix:" }
        let mapped = "::ffff:"
        if text.hasPrefix(mapped), text.utf8.contains(UInt8(ascii: ".")) { return String(text.dropFirst(mapped.count)) }
        return text.firstIndex(of: "%").map { String(text[..<$0]) } ?? text
    }
}

/// The client's name in the DNS, as Client-Host says it.
package struct ClientHost: Hashable, Sendable {
    /// Nobody asked, or there is no name, or it does not lead back to the client.
    package static let unavailable = ClientHost(text: "[UNAVAILABLE]")
    /// The DNS gave no answer for now.
    package static let temporarilyUnavailable = ClientHost(text: "[TEMPUNAVAIL]")

    /// What goes on the wire: to lookups, and as NAME in XCLIENT.
    package let text: String
    /// The name, where there is one.
    package var name: String? { self.text.hasPrefix("[") ? nil : self.text }

    /// A name that the resolver found, in both directions.
    ///
    /// A PTR record holds what its owner likes; a name with anything but letters, digits, `-` and `.` counts as
    /// temporarily unavailable, as in nginx since CVE-2026-28753.
    package static func named(_ name: String) -> ClientHost {
        let isName = name.utf8.allSatisfy { octet in
            switch octet {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."):
                true
            default:
                false
            }
        }
        guard isName, (1...255).contains(name.utf8.count) else { return .temporarilyUnavailable }
        return ClientHost(text: name)
    }

    private init(text: String) { self.text = text }
}
