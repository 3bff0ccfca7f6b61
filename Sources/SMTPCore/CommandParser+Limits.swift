// What can be told of a line before it is there as a whole: whoever frames lines asks here.

extension CommandParser {
    /// The longest command line but AUTH's, its CRLF included.
    ///
    /// RFC 5321 section 4.5.3.1.4 has 512, to which the extensions add, for MAIL: SIZE 26 (RFC 1870 section 3), BODY 17
    /// (RFC 6152 section 2), SMTPUTF8 10 (RFC 6531 section 3.1), DSN 100 (RFC 3461 section 4), AUTH 500 (RFC 4954
    /// section 3), 1,165 together; for RCPT: DSN 500. Rounded up for all verbs alike.
    public static let longestLine = 2048

    /// The longest AUTH line, and the longest response in its exchange, the CRLF included (RFC 4954 section 4).
    public static let longestAuthLine = 12_288

    /// The longest that a line which begins so may be, its CRLF included.
    ///
    /// - Parameter octets: what is there of the line: at least five octets, or the whole line if it is shorter.
    public static func longestLine(startingWith octets: Span<UInt8>) -> Int {
        self.hasVerb("AUTH", octets) ? self.longestAuthLine : self.longestLine
    }

    /// Whether a line that begins so is BDAT, or was meant to be.
    ///
    /// Octets of the message follow it, and how many only the line says. Where such a line is no command for any reason,
    /// one that is the framer's included (over-long, ended by LF alone), the error is ``CommandSyntaxError/badChunkSize``:
    /// a session that went on would read the message as commands.
    public static func isChunk(startingWith octets: Span<UInt8>) -> Bool {
        self.hasVerb("BDAT", octets)
    }

    /// Whether a line that begins so, whole or not, names a recipient, as far as can be seen.
    public static func isRecipient(startingWith octets: Span<UInt8>) -> Bool {
        self.hasVerb("RCPT", octets)
    }

    private static func hasVerb(_ verb: String, _ octets: Span<UInt8>) -> Bool {
        guard octets.count >= 4, matches(octets.extracting(0..<4), verb) else { return false }
        guard octets.count > 4 else { return true }
        return !isLetter(octets[4]) && !isDigit(octets[4]) && octets[4] != UInt8(ascii: "-")
    }
}
