package import SMTPCore

/// What holds for the messages that go to a group of backends, or to the servers that lookups name.
///
/// A transaction has one: that of its first accepted recipient's destination.
package struct DeliveryPolicy: Hashable, Sendable {
    /// What a message may contain.
    package var message = MessagePolicy()
    /// How the backend learns whose message it is.
    package var identity = BackendIdentity.none
    /// Whom the session with the backend logs in as; nil: nobody.
    package var login: BackendLogin?
    /// Whether a Received field is written in front of each message; nil: as ``addsReceived`` has it.
    private var received: Bool?
    /// What becomes of BODY=8BITMIME where the backend has no 8BITMIME (RFC 6152 section 3): true refuses the message,
    /// false sends it on without the parameter.
    package var refusesEightBit = false
    /// The most octets of a message, counted as for SIZE (RFC 1870 section 5); nil: as many as the server takes. It is
    /// never more than the server's own limit.
    package var size: UInt64?
    /// Whether the texts of a backend's replies go on without its names and addresses.
    package var masksReplies = true

    /// How connections to the backends are encrypted.
    package var tls = BackendTLS()
    /// How connections to the backends are kept for other clients.
    package var pool = PoolPolicy()

    /// Makes the default policy.
    package init() {}

    /// Whether a Received field is written in front of each message (RFC 5321 section 4.4): where nothing is said, unless
    /// the backend is told who the client is, and writes that field itself.
    package var addsReceived: Bool {
        get { self.received ?? !self.identity.replacesClient }
        set { self.received = newValue }
    }

    /// Whether one client's connection to a backend may be another's: the backend is told of none.
    package var sharesConnections: Bool { self.pool.size > 0 && self.identity == .none && self.login == nil }

    /// Whether the same holds for messages; how connections are kept is nothing to them.
    package func isSame(as other: DeliveryPolicy) -> Bool {
        if self == other { return true }
        var other = other
        other.pool = self.pool
        return self == other
    }

    /// The same policy, equal to every other that means the same: an identity makes a difference to the default.
    package var normalized: DeliveryPolicy {
        var policy = self
        if policy.received == !policy.identity.replacesClient { policy.received = nil }
        return policy
    }
}
