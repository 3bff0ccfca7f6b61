/// The extensions that a server announced in its reply to EHLO, or is to announce (RFC 5321 section 4.1.1.1).
public struct ServerExtensions: OptionSet, Hashable, Sendable {
    /// One bit for each extension that makes a difference to us.
    public let rawValue: UInt16
    /// Makes a set of its bits.
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// PIPELINING (RFC 2920).
    public static let pipelining = ServerExtensions(rawValue: 1)
    /// SIZE (RFC 1870).
    public static let size = ServerExtensions(rawValue: 2)
    /// 8BITMIME (RFC 6152).
    public static let eightBitMIME = ServerExtensions(rawValue: 4)
    /// SMTPUTF8 (RFC 6531).
    public static let smtpUTF8 = ServerExtensions(rawValue: 8)
    /// DSN (RFC 3461).
    public static let dsn = ServerExtensions(rawValue: 16)
    /// ENHANCEDSTATUSCODES (RFC 2034).
    public static let enhancedStatusCodes = ServerExtensions(rawValue: 32)
    /// CHUNKING (RFC 3030).
    public static let chunking = ServerExtensions(rawValue: 64)
    /// STARTTLS (RFC 3207).
    public static let startTLS = ServerExtensions(rawValue: 128)
    /// AUTH, with any mechanism (RFC 4954).
    public static let auth = ServerExtensions(rawValue: 256)
    /// LIMITS (RFC 9422).
    public static let limits = ServerExtensions(rawValue: 512)
    /// BINARYMIME (RFC 3030).
    public static let binaryMIME = ServerExtensions(rawValue: 1024)
    /// XCLIENT, of Postfix: the server takes a client's address and name from us.
    public static let xclient = ServerExtensions(rawValue: 2048)
    /// XFORWARD, of Postfix: the server takes the same from us, for its log.
    public static let xforward = ServerExtensions(rawValue: 4096)

    /// The keyword of each, in the order in which a reply has them.
    public static let keywords: [(keyword: String, extension: ServerExtensions)] = [
        ("PIPELINING", .pipelining), ("SIZE", .size), ("8BITMIME", .eightBitMIME), ("SMTPUTF8", .smtpUTF8),
        ("DSN", .dsn), ("ENHANCEDSTATUSCODES", .enhancedStatusCodes), ("CHUNKING", .chunking),
        ("BINARYMIME", .binaryMIME), ("STARTTLS", .startTLS), ("AUTH", .auth), ("LIMITS", .limits),
        ("XCLIENT", .xclient), ("XFORWARD", .xforward),
    ]

    /// The keywords of the extensions in this set, in that order.
    public var keywords: [String] {
        Self.keywords.compactMap { self.contains($0.extension) ? $0.keyword : nil }
    }

    /// The extension with this EHLO keyword, in any case; nil where there is none that we know.
    public init?(keyword: String) {
        let keyword = String(decoding: keyword.utf8.map(upperCased), as: UTF8.self)
        guard let known = Self.keywords.first(where: { $0.keyword == keyword }) else { return nil }
        self = known.extension
    }
}

extension ServerExtensions: CustomStringConvertible {
    /// The keywords, joined by commas: for logs.
    public var description: String {
        self.keywords.joined(separator: ",")
    }
}
