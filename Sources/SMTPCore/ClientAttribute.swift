/// What a server is told of a client in XCLIENT or XFORWARD, Postfix's extensions (its XCLIENT_README, XFORWARD_README).
public struct ClientAttribute: Hashable, Sendable {
    /// What is told. Each extension has names of its own, most in common.
    public enum Name: String, CaseIterable, Hashable, Sendable {
        /// The client's IP address, an IPv6 one behind `IPV6:`.
        case address = "ADDR"
        /// The name that the client logged in with.
        case login = "LOGIN"
        /// The client's name in the DNS.
        case name = "NAME"
        /// The client's port.
        case port = "PORT"
        /// `SMTP` or `ESMTP`.
        case protocolName = "PROTO"
        /// What the client said in HELO or EHLO.
        case helo = "HELO"
        /// The address where the client found us.
        case destinationAddress = "DESTADDR"
        /// The port there.
        case destinationPort = "DESTPORT"
        /// The message's name in our log; XFORWARD alone.
        case identifier = "IDENT"
        /// `LOCAL` or `REMOTE`; XFORWARD alone.
        case source = "SOURCE"
    }

    /// The value of what does not exist.
    public static let unavailable = "[UNAVAILABLE]"

    /// What is told.
    public var name: Name
    /// Any octets; on the wire they are xtext.
    public var value: [UInt8]

    /// Makes an attribute of a text.
    public init(_ name: Name, _ value: String) {
        self.init(name, octets: Array(value.utf8))
    }

    /// Makes an attribute.
    public init(_ name: Name, octets: [UInt8]) {
        self.name = name
        self.value = octets
    }
}

extension [ClientAttribute] {
    /// The longest command line that every server takes (RFC 5321 section 4.5.3.1.4).
    private static let longestLine = 512
    /// What nginx tells, whatever the server says that it takes.
    private static let always: Set<ClientAttribute.Name> = [.address, .login, .name]

    /// `XCLIENT ADDR=192.0.2.1 NAME=mx.example.net`: the attributes without the command's line end.
    var text: String {
        self.map { " \($0.name.rawValue)=\(XText.encode($0.value.span))" }.joined()
    }

    /// Those that a server takes that announced `names`, in their order; those that would make the line too long are left
    /// out, from the end on.
    ///
    /// A server that announced XCLIENT without any name takes what it always had: an address, a login and a name.
    func taken(by names: [String], verb: String) -> [ClientAttribute] {
        var taken: [ClientAttribute] = []
        var length = verb.utf8.count + 2
        for attribute in self {
            let isKnown =
                names.isEmpty ? Self.always.contains(attribute.name) : names.contains(attribute.name.rawValue)
            guard isKnown else { continue }
            let octets = [attribute].text.utf8.count
            guard length + octets <= Self.longestLine else { continue }
            length += octets
            taken.append(attribute)
        }
        return taken
    }
}
