extension ServerExtensions {
    /// The EHLO keywords of all extensions known here, in the order in which they are announced.
    public static let keywords: [(keyword: String, extensions: ServerExtensions)] = [
        ("PIPELINING", .pipelining), ("SIZE", .size), ("8BITMIME", .eightBitMIME),
        ("ENHANCEDSTATUSCODES", .enhancedStatusCodes), ("CHUNKING", .chunking), ("SMTPUTF8", .smtpUTF8), ("DSN", .dsn),
        ("LIMITS", .limits), ("STARTTLS", .startTLS), ("AUTH", .auth),
    ]

    /// The keywords of the extensions in this set, in the order of ``keywords``.
    public var keywords: [String] {
        Self.keywords.compactMap { self.contains($0.extensions) ? $0.keyword : nil }
    }
}
