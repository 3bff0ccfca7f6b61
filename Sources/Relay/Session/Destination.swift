import AuthHTTP
package import NIOCore
package import Routing
package import SMTPCore

/// Where a recipient's mail goes.
package enum Destination: Equatable, Sendable {
    /// A group of relay.yaml. (In a box: a group is large, and a transaction's state has it in several places.)
    indirect case group(BackendGroup)
    /// The server that a lookup named; answers of one lookup with the same `group` (Auth-Group) may share a transaction.
    /// `lookup` is the place of a route's own lookup, nil is the listener's.
    case server(SocketAddress, group: String?, lookup: Int? = nil)

    /// Whether mail for both may go through one connection.
    func isSame(as other: Destination) -> Bool {
        switch (self, other) {
        case (.group(let mine), .group(let theirs)): mine.sharesTransactions(with: theirs)
        case (.server(let mine, _, _), .server(let theirs, _, _)): mine == theirs
        case (.group, .server), (.server, .group): false
        }
    }

    /// Whether one lookup named both; so for groups, which none names.
    func isOfSameLookup(as other: Destination) -> Bool {
        guard case .server(_, _, let mine) = self, case .server(_, _, let theirs) = other else { return true }
        return mine == theirs
    }

    /// What holds for messages that go there.
    func policy(lookup: DeliveryPolicy) -> DeliveryPolicy {
        switch self {
        case .group(let group): group.policy
        case .server: lookup
        }
    }

    /// What the log calls it.
    package var name: String {
        switch self {
        case .group(let group): group.name
        case .server(let address, let group, _): group ?? address.hostAndPort
        }
    }
}

/// What is to become of a recipient.
package enum RecipientDecision: Equatable, Sendable {
    /// It goes there.
    case forward(Destination)
    /// It is refused; `closing` ends the session, unless a recipient has been accepted.
    case refuse(SMTPReply, closing: Bool)
}

extension SocketAddress {
    /// `192.0.2.1:25` or `[2001:db8::1]:25`; an IPv4 client of a listener for both families by its IPv4 address.
    package var hostAndPort: String { self.named(LookupRequest.clientIP(of: self)) }

    /// The same, of its IP address as ``LookupRequest/clientIP(of:)`` has it.
    func named(_ host: String) -> String {
        guard let port = self.port else { return self.pathname.map { "unix:\($0)" } ?? "?" }
        return host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}
