/// Parses a command line (RFC 5321 section 4.1.1), without its line end.
///
/// Tolerant where the field is, and nowhere else: verbs and keywords in any case, tabs for spaces and any number of them,
/// blanks at the line's end and behind the colon of MAIL and RCPT, a path without its angle brackets, an argument of
/// RSET and QUIT. Nothing is kept between lines, and nothing is allocated for any line, good or bad.
public enum CommandParser {
    /// Parses one line into a command of its own.
    ///
    /// - Throws: the reply to give instead; the next line starts anew.
    public static func command(_ line: Span<UInt8>) throws(CommandSyntaxError) -> SMTPCommand {
        SMTPCommand(try self.parse(line), in: line)
    }

    /// Parses one line into what it says and where.
    ///
    /// - Throws: the reply to give instead; the next line starts anew.
    public static func parse(_ line: Span<UInt8>) throws(CommandSyntaxError) -> CommandSyntax {
        guard !line.isEmpty else { throw .invalidCommand }
        // Before anything else: whatever is wrong with this line, octets of a message follow it.
        if self.isChunk(startingWith: line) { return try self.chunk(line) }
        let octets = OctetKinds(line)
        guard line.count + 2 <= self.longestLine(startingWith: line) else { throw self.error(.lineTooLong, line) }
        guard !octets.hasControl else { throw self.error(.invalidCharacter, line) }
        var end = line.count
        while end > 0, isBlank(line[end - 1]) { end -= 1 }
        var verbEnd = 0
        while verbEnd < end, !isBlank(line[verbEnd]) { verbEnd += 1 }
        var start = verbEnd
        while start < end, isBlank(line[start]) { start += 1 }
        return try self.command(line.extracting(0..<end), verbEnd: verbEnd, start, isASCII: octets.isASCII)
    }

    /// The command of a line without blanks at its end, whose verb ends at `verbEnd` and whose argument begins at `start`.
    private static func command(
        _ line: Span<UInt8>, verbEnd: Int, _ start: Int, isASCII: Bool
    ) throws(CommandSyntaxError) -> CommandSyntax {
        let verb = line.extracting(0..<verbEnd)
        guard let first = verbEnd > 0 ? verb[0] : nil else { throw .invalidCommand }
        if !isASCII {
            guard matches(verb, "MAIL") || matches(verb, "RCPT") || matches(verb, "VRFY") else {
                throw self.error(.invalidCharacter, line)
            }
            try self.validateUTF8(line)
        }
        switch upperCased(first) {
        case UInt8(ascii: "R") where matches(verb, "RCPT"):
            return .rcpt(try self.recipient(line, start))
        case UInt8(ascii: "M") where matches(verb, "MAIL"):
            return .mail(try self.mail(line, start))
        case UInt8(ascii: "D") where matches(verb, "DATA"):
            return try self.withoutArgument(.data, line, start)
        case UInt8(ascii: "E") where matches(verb, "EHLO"):
            return .ehlo(try self.name(line, start))
        case UInt8(ascii: "H") where matches(verb, "HELO"):
            return .helo(try self.name(line, start))
        case UInt8(ascii: "R") where matches(verb, "RSET"):
            return .rset
        case UInt8(ascii: "Q") where matches(verb, "QUIT"):
            return .quit
        case UInt8(ascii: "N") where matches(verb, "NOOP"):
            return .noop
        case UInt8(ascii: "S") where matches(verb, "STARTTLS"):
            return try self.withoutArgument(.startTLS, line, start)
        case UInt8(ascii: "A") where matches(verb, "AUTH"):
            return try self.authentication(line, start)
        case UInt8(ascii: "V") where matches(verb, "VRFY"):
            // RFC 5321 section 4.1.1.6: the argument is not optional.
            guard start < line.count else { throw .invalidArgument }
            return .vrfy
        case UInt8(ascii: "H") where matches(verb, "HELP"):
            return .help
        default:
            guard self.isUnimplemented(verb) else { throw self.error(.invalidCommand, line) }
            return .unimplemented
        }
    }

    /// Verbs that some RFC or some server has and this one has not: 502 rather than 500.
    private static func isUnimplemented(_ verb: Span<UInt8>) -> Bool {
        switch upperCased(verb[0]) {
        case UInt8(ascii: "E"): matches(verb, "EXPN") || matches(verb, "ETRN")
        case UInt8(ascii: "T"): matches(verb, "TURN")
        case UInt8(ascii: "A"): matches(verb, "ATRN")
        case UInt8(ascii: "S"): matches(verb, "SEND") || matches(verb, "SOML") || matches(verb, "SAML")
        case UInt8(ascii: "B"): matches(verb, "BURL")
        case UInt8(ascii: "L"): matches(verb, "LHLO")
        case UInt8(ascii: "X"): matches(verb, "XCLIENT") || matches(verb, "XFORWARD") || matches(verb, "XEXCH50")
        default: false
        }
    }

    /// What is wrong with a line, or that it is no SMTP at all.
    private static func error(_ error: CommandSyntaxError, _ line: Span<UInt8>) -> CommandSyntaxError {
        self.isForeignProtocol(startingWith: line) ? .foreignProtocol : error
    }

    /// UTF-8, and none of its control characters, U+0080 to U+009F.
    ///
    /// Deviates: RFC 6531 section 3.3 lets those into an address. A terminal that shows a log obeys them.
    private static func validateUTF8(_ line: Span<UInt8>) throws(CommandSyntaxError) {
        guard let _ = try? UTF8Span(validating: line) else { throw .invalidUTF8 }
        for index in 1..<line.count where line[index - 1] == 0xC2 && line[index] < 0xA0 { throw .invalidCharacter }
    }

    private static func chunk(_ line: Span<UInt8>) throws(CommandSyntaxError) -> CommandSyntax {
        var cursor = 4
        guard cursor < line.count, isBlank(line[cursor]) else { throw .badChunkSize }
        while cursor < line.count, isBlank(line[cursor]) { cursor += 1 }
        let start = cursor
        while cursor < line.count, !isBlank(line[cursor]) { cursor += 1 }
        guard let size = decimal(line.extracting(start..<cursor)), size <= UInt64(Int64.max) else {
            throw .badChunkSize
        }
        while cursor < line.count, isBlank(line[cursor]) { cursor += 1 }
        var end = line.count
        while end > cursor, isBlank(line[end - 1]) { end -= 1 }
        let isLast = end > cursor
        guard !isLast || matches(line.extracting(cursor..<end), "LAST"), line.count + 2 <= self.longestLine else {
            throw .badChunkSize
        }
        return .bdat(size: size, isLast: isLast)
    }

    private static func withoutArgument(
        _ command: CommandSyntax, _ line: Span<UInt8>, _ start: Int
    ) throws(CommandSyntaxError) -> CommandSyntax {
        guard start == line.count else { throw .invalidArgument }
        return command
    }

    /// HELO's and EHLO's argument: one word. What it says is not checked (RFC 5321 section 4.1.4 forbids a refusal).
    private static func name(_ line: Span<UInt8>, _ start: Int) throws(CommandSyntaxError) -> LineRange {
        guard (1...PathParser.longestDomain).contains(line.count - start) else { throw .invalidArgument }
        for index in start..<line.count where isBlank(line[index]) { throw .invalidArgument }
        return LineRange(start, line.count)
    }

    /// `AUTH mechanism [initial-response]`: a mechanism of 1 to 20 octets (RFC 4422 section 3.1), and base64, or `=` for an
    /// empty response (RFC 4954 section 4).
    private static func authentication(
        _ line: Span<UInt8>, _ start: Int
    ) throws(CommandSyntaxError) -> CommandSyntax {
        var cursor = start
        while cursor < line.count, !isBlank(line[cursor]) {
            let octet = line[cursor]
            guard isLetter(octet) || isDigit(octet) || octet == UInt8(ascii: "-") || octet == UInt8(ascii: "_") else {
                throw .invalidArgument
            }
            cursor += 1
        }
        guard (1...20).contains(cursor - start) else { throw .invalidArgument }
        let mechanism = LineRange(start, cursor)
        guard cursor < line.count else { return .auth(mechanism: mechanism, initialResponse: nil) }
        while isBlank(line[cursor]) { cursor += 1 }
        let response = line.extracting(cursor..<line.count)
        for index in 0..<response.count where isBlank(response[index]) { throw .invalidArgument }
        guard isBase64(response) || (response.count == 1 && response[0] == UInt8(ascii: "=")) else {
            throw .invalidBase64
        }
        return .auth(mechanism: mechanism, initialResponse: LineRange(cursor, line.count))
    }
}

/// What kinds of octets a line has.
private struct OctetKinds {
    /// A control character other than a tab: NUL, CR and LF are some.
    var hasControl = false
    var isASCII = true

    @inline(__always)
    init(_ line: Span<UInt8>) {
        for index in 0..<line.count {
            let octet = line[index]
            // (No early end: so the loop is one without branches.)
            self.hasControl = self.hasControl || (octet < 0x20 && octet != 0x09) || octet == 0x7F
            self.isASCII = self.isASCII && octet < 0x80
        }
    }
}

/// Whether this is base64 in whole groups of four, one at least (RFC 4648 section 4).
func isBase64(_ text: Span<UInt8>) -> Bool {
    guard !text.isEmpty, text.count & 3 == 0 else { return false }
    var end = text.count
    for _ in 0..<2 where text[end - 1] == UInt8(ascii: "=") { end -= 1 }
    for index in 0..<end where !isLetter(text[index]) && !isDigit(text[index]) {
        guard text[index] == UInt8(ascii: "+") || text[index] == UInt8(ascii: "/") else { return false }
    }
    return true
}

/// 1 to 20 digits (RFC 1870 section 3, RFC 3030 section 2); a number too large for 64 bits counts as the largest.
func decimal(_ text: Span<UInt8>) -> UInt64? {
    guard (1...20).contains(text.count) else { return nil }
    var value: UInt64 = 0
    for index in 0..<text.count {
        guard isDigit(text[index]) else { return nil }
        let (tens, overflowed) = value.multipliedReportingOverflow(by: 10)
        let (sum, carried) = tens.addingReportingOverflow(UInt64(text[index] - UInt8(ascii: "0")))
        value = overflowed || carried ? .max : sum
    }
    return value
}
