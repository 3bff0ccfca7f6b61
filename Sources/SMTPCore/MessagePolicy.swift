/// What a message may hold, and what becomes of one that holds something else.
///
/// A message that may not pass is refused at its end; what was handed on of it before is never completed.
public struct MessagePolicy: Hashable, Sendable {
    /// What becomes of LF without a CR before it and of CR without a LF behind it (RFC 5321 section 2.3.8).
    public enum BareLineEnds: String, CaseIterable, Hashable, Sendable {
        /// A bare LF becomes CRLF, a bare CR a space. No receiver sees a line end there that another would not.
        case normalize
        /// The message is refused.
        case reject
        /// They go on as they came. Only for a receiver that takes nothing but CRLF for a line end.
        case pass
    }

    /// What becomes of NUL, which RFC 5321 section 4.5.2 and RFC 5322 section 4 leave to the receiver.
    public enum NUL: String, CaseIterable, Hashable, Sendable {
        /// NULs go on. Where bare line ends are normalised, a dot between a NUL and a NUL or a line end is stuffed: see
        /// ``MessageFramer``.
        case pass
        /// The message is refused.
        case reject
    }

    /// What becomes of bare CR and LF.
    public var bareLineEnds: BareLineEnds
    /// What becomes of NUL.
    public var nul: NUL
    /// Octets of the longest line, its CRLF included; 0: no bound.
    ///
    /// Deviates: RFC 5321 section 4.5.3.1.6 allows senders 1000, but much mail has longer lines.
    public var longestLine: Int
    /// How many `Received:` fields the header may have before the message is taken for one that goes in circles
    /// (RFC 5321 section 6.3 wants 100 at least); 0: no bound.
    public var receivedFields: Int

    /// Makes a policy; what is not given has its default.
    public init(
        bareLineEnds: BareLineEnds = .normalize, nul: NUL = .pass, longestLine: Int = 65_536, receivedFields: Int = 100
    ) {
        self.bareLineEnds = bareLineEnds
        self.nul = nul
        self.longestLine = longestLine
        self.receivedFields = receivedFields
    }
}
