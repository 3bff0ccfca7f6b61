import NIOCore
import SMTPCore

/// What a session knows of its client's AUTH.
struct SessionAuthentication {
    /// The exchange that is going on.
    var exchange: SASLExchange?
    /// Counts exchanges, so that a verdict that comes too late is not taken for the next one's.
    var id: UInt64 = 0
    /// Where all recipients go, since a lookup authenticated the client; nil where routes and lookups decide.
    var destination: Destination?
    /// Whether the log has said that the client tries AUTH where there is none.
    var isUnofferedLogged = false

    /// How long a refusal takes at least, whoever found out and however fast: so much does a guess cost, and nothing can be
    /// learnt from the time that a name or a password took.
    static let refusalDelay = TimeAmount.seconds(1)
}

extension SASLExchange {
    /// Makes an exchange whose challenge nobody has seen before.
    ///
    /// - Parameters:
    ///   - name: the server's.
    ///   - unixTime: in seconds.
    init(_ mechanism: SASLMechanism, name: String, unixTime: Int64) {
        // As nginx makes it: <random.time@name>.
        self.init(mechanism, challenge: Array("<\(UInt64.random(in: 1 ... .max)).\(unixTime)@\(name)>".utf8))
    }
}
