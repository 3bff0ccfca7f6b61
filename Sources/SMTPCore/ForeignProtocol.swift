// Openings of other protocols. A browser, or a server that can be made to fetch an address, would otherwise have its lines
// taken for commands one by one, with SMTP hidden among them (ALPACA, CVE-2021-3618; Postfix smtpd_forbidden_commands).

extension CommandParser {
    /// Whether what comes is the beginning of another protocol: HTTP, RTSP, SIP, TLS, SSH, SMB, RDP, Redis, a PROXY header,
    /// or a header field.
    ///
    /// For the beginning of a session, or any line of one; a ClientHello may have no line end at all.
    /// - Parameter octets: what is there, of the first line and maybe more; with less than a line the answer may change
    ///   from false to true when more comes.
    public static func isForeignProtocol(startingWith octets: Span<UInt8>) -> Bool {
        guard !octets.isEmpty else { return false }
        if !isLetter(octets[0]) { return self.isBinaryProtocol(octets) }
        var end = 0
        while end < octets.count, isPrintable(octets[end]), octets[end] != 0x20 { end += 1 }
        let word = octets.extracting(0..<end)
        if end >= 4, matches(octets.extracting(0..<4), "SSH-") { return true }
        guard end < octets.count else { return false }
        if self.isFieldName(word) || self.isMethod(word) { return true }
        // What follows the rule of a request line, whatever its method.
        while end < octets.count, octets[end] != carriageReturn, octets[end] != lineFeed { end += 1 }
        while end > 0, isBlank(octets[end - 1]) { end -= 1 }
        var start = end
        while start > 0, !isBlank(octets[start - 1]) { start -= 1 }
        return self.isVersion(octets.extracting(start..<end))
    }

    private static func isBinaryProtocol(_ octets: Span<UInt8>) -> Bool {
        guard octets.count >= 2 else { return false }
        switch octets[0] {
        case 0x16:
            return octets[1] == 0x03  // TLS: a handshake record
        case 0x03:
            return octets[1] == 0x00  // TPKT: RDP
        case UInt8(ascii: "*"), UInt8(ascii: "$"):
            return isDigit(octets[1])  // Redis
        case 0x80...:
            // SSLv2's ClientHello, by which old clients ask for TLS as well (RFC 5246 appendix E.2).
            return octets.count >= 4 && octets[2] == 0x01 && (octets[3] == 0x03 || octets[3] == 0x00)
        case 0x00:
            // NetBIOS: SMB 1 and 2.
            guard octets.count >= 8, octets[4] >= 0xFE else { return false }
            return matches(octets.extracting(5..<8), "SMB")
        default:
            return false
        }
    }

    /// `Host:` and the like: the fields of a request, or of a message whose sender did not wait for 354.
    private static func isFieldName(_ word: Span<UInt8>) -> Bool {
        guard word.count >= 2, word[word.count - 1] == UInt8(ascii: ":") else { return false }
        for index in 0..<word.count - 1 where !isLetter(word[index]) && !isDigit(word[index]) {
            guard word[index] == UInt8(ascii: "-") else { return false }
        }
        return true
    }

    private static func isMethod(_ word: Span<UInt8>) -> Bool {
        switch upperCased(word[0]) {
        case UInt8(ascii: "C"): matches(word, "CONNECT")
        case UInt8(ascii: "D"): matches(word, "DELETE")
        case UInt8(ascii: "G"): matches(word, "GET")
        case UInt8(ascii: "H"): matches(word, "HEAD")
        case UInt8(ascii: "O"): matches(word, "OPTIONS")
        // (PRI opens HTTP/2; PROXY is a load balancer's, where none was said to be.)
        case UInt8(ascii: "P"):
            matches(word, "POST") || matches(word, "PUT") || matches(word, "PATCH") || matches(word, "PRI")
                || matches(word, "PROXY")
        case UInt8(ascii: "T"): matches(word, "TRACE")
        default: false
        }
    }

    /// `HTTP/1.1`, `RTSP/1.0`, `SIP/2.0`.
    private static func isVersion(_ word: Span<UInt8>) -> Bool {
        guard word.count >= 7, isDigit(word[word.count - 1]) else { return false }
        return matches(word.extracting(0..<5), "HTTP/") || matches(word.extracting(0..<5), "RTSP/")
            || matches(word.extracting(0..<4), "SIP/")
    }
}
