/// MAIL: it opens a transaction.
public struct MailCommand: Hashable, Sendable {
    /// What BODY= says of the message (RFC 6152, RFC 3030).
    public enum Body: String, Hashable, Sendable, BitwiseCopyable {
        /// Lines of US-ASCII.
        case sevenBit = "7BIT"
        /// Lines of octets.
        case eightBitMIME = "8BITMIME"
        /// Octets without lines, for BDAT only.
        case binaryMIME = "BINARYMIME"
    }

    /// How much of the message a notification of failure returns (RFC 3461 section 4.3).
    public enum ReturnContent: String, Hashable, Sendable, BitwiseCopyable {
        /// The whole message.
        case full = "FULL"
        /// Its header.
        case headers = "HDRS"
    }

    /// Where failures are to be reported.
    public var reversePath: ReversePath
    /// SIZE=, in octets, as the client estimates it (RFC 1870); nil where it did not say.
    public var size: UInt64?
    /// BODY=; nil where the client did not say.
    public var body: Body?
    /// SMTPUTF8: addresses and header may be UTF-8 (RFC 6531 section 3.4).
    public var usesSMTPUTF8 = false
    /// RET=; nil where the client did not say.
    public var returnContent: ReturnContent?
    /// ENVID=, in xtext as the client wrote it (RFC 3461 section 4.4).
    public var envelopeID: String?
    /// AUTH=, in xtext as the client wrote it, `<>` included (RFC 4954 section 5).
    public var authorization: String?

    /// Makes a MAIL command.
    public init(_ reversePath: ReversePath, size: UInt64? = nil, body: Body? = nil) {
        self.reversePath = reversePath
        self.size = size
        self.body = body
    }
}

extension MailCommand {
    /// Whether every octet is ASCII: without SMTPUTF8 it has to be (RFC 6531 section 3.3). Only the path can have others.
    public var isASCII: Bool { self.reversePath.isASCII }
}
