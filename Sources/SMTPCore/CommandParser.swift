/// Parses a command line (RFC 5321 section 4.1.1), without its line end.
///
/// Tolerant where the field is, and nowhere else: verbs and keywords in any case, spaces behind the colon of MAIL and
/// RCPT, a path without its angle brackets, spaces at the line's end.
public enum CommandParser {
    /// Parses one line of at most the caller's limit.
    ///
    /// - Throws: the reply to give instead; the parser keeps no state, so the next line starts anew.
    public static func parse(_ line: Span<UInt8>) throws(CommandSyntaxError) -> SMTPCommand {
        if line.count >= 2, line[0] == 0x16, line[1] == 0x03 {
            throw CommandSyntaxError.foreignProtocol  // a TLS ClientHello
        }
        for index in 0..<line.count where !isPrintable(line[index]) && line[index] != 0x09 {
            throw CommandSyntaxError.invalidCharacter
        }
        var end = line.count
        while end > 0, isBlank(line[end - 1]) { end -= 1 }
        var verbEnd = 0
        while verbEnd < end, !isBlank(line[verbEnd]) { verbEnd += 1 }
        let verb = line.extracting(0..<verbEnd)
        var start = verbEnd
        while start < end, isBlank(line[start]) { start += 1 }
        return try self.command(verb, argument: line.extracting(start..<end))
    }

    private static func command(
        _ verb: Span<UInt8>, argument: Span<UInt8>
    ) throws(CommandSyntaxError) -> SMTPCommand {
        switch verb.count {
        case 4:
            if matches(verb, "MAIL") { return .mail(try self.mail(argument)) }
            if matches(verb, "RCPT") { return .rcpt(try self.recipient(argument)) }
            if matches(verb, "DATA") { return try self.withoutArgument(.data, argument) }
            if matches(verb, "EHLO") { return .ehlo(try self.domain(argument)) }
            if matches(verb, "HELO") { return .helo(try self.domain(argument)) }
            if matches(verb, "RSET") { return .rset }
            if matches(verb, "NOOP") { return .noop }
            if matches(verb, "QUIT") { return .quit }
            if matches(verb, "VRFY") { return .vrfy }
            if matches(verb, "HELP") { return .help }
            if matches(verb, "BDAT") { return try self.chunk(argument) }
            if matches(verb, "EXPN") || matches(verb, "ETRN") || matches(verb, "TURN") || matches(verb, "SEND")
                || matches(verb, "SOML") || matches(verb, "SAML") || matches(verb, "AUTH")
            {
                return .unimplemented
            }
            if matches(verb, "POST") || matches(verb, "HEAD") {
                throw CommandSyntaxError.foreignProtocol
            }
        case 3:
            // HTTP's methods: somebody makes a browser or a server talk to a mail port (CVE-2021-3618 and its like).
            if matches(verb, "GET") || matches(verb, "PUT") || matches(verb, "PRI") {
                throw CommandSyntaxError.foreignProtocol
            }
        case 7:
            if matches(verb, "CONNECT") || matches(verb, "OPTIONS") {
                throw CommandSyntaxError.foreignProtocol
            }
            if matches(verb, "XCLIENT") { return .unimplemented }
        case 8:
            if matches(verb, "STARTTLS") || matches(verb, "XFORWARD") { return .unimplemented }
        default:
            break
        }
        throw CommandSyntaxError.invalidCommand
    }

    private static func chunk(_ argument: Span<UInt8>) throws(CommandSyntaxError) -> SMTPCommand {
        var end = 0
        while end < argument.count, !isBlank(argument[end]) { end += 1 }
        guard let size = self.decimal(argument.extracting(0..<end)), size <= UInt64(Int64.max) else {
            throw CommandSyntaxError.badChunkSize
        }
        while end < argument.count, isBlank(argument[end]) { end += 1 }
        let rest = argument.extracting(end..<argument.count)
        guard rest.isEmpty || matches(rest, "LAST") else { throw CommandSyntaxError.badChunkSize }
        return .bdat(size: size, isLast: !rest.isEmpty)
    }

    private static func withoutArgument(
        _ command: SMTPCommand, _ argument: Span<UInt8>
    ) throws(CommandSyntaxError) -> SMTPCommand {
        guard argument.isEmpty else { throw CommandSyntaxError.invalidArgument }
        return command
    }

    /// HELO's and EHLO's argument: one word. What it says is not checked (RFC 5321 section 4.1.4 forbids a refusal).
    private static func domain(_ argument: Span<UInt8>) throws(CommandSyntaxError) -> String {
        guard !argument.isEmpty, argument.count <= 255 else { throw CommandSyntaxError.invalidArgument }
        for index in 0..<argument.count where isBlank(argument[index]) {
            throw CommandSyntaxError.invalidArgument
        }
        return string(argument)
    }

    private static func mail(_ argument: Span<UInt8>) throws(CommandSyntaxError) -> MailCommand {
        var cursor = 0
        guard self.skip("FROM:", in: argument, &cursor) else { throw CommandSyntaxError.invalidArgument }
        guard let path = PathParser.reversePath(argument, &cursor), self.atWordEnd(argument, cursor) else {
            throw CommandSyntaxError.badReversePath
        }
        var command = MailCommand(path)
        while let parameter = try self.nextParameter(argument, &cursor) {
            let keyword = argument.extracting(parameter.keyword)
            let value = argument.extracting(parameter.value)
            if matches(keyword, "SIZE") {
                guard command.size == nil, let size = decimal(value) else {
                    throw CommandSyntaxError.invalidArgument
                }
                command.size = size
            } else if matches(keyword, "BODY") {
                guard command.body == nil else { throw CommandSyntaxError.invalidArgument }
                if matches(value, "7BIT") {
                    command.body = .sevenBit
                } else if matches(value, "8BITMIME") {
                    command.body = .eightBitMIME
                } else {
                    throw CommandSyntaxError.invalidArgument
                }
            } else {
                throw CommandSyntaxError.unknownParameter
            }
        }
        return command
    }

    private static func recipient(_ argument: Span<UInt8>) throws(CommandSyntaxError) -> RecipientCommand {
        var cursor = 0
        guard self.skip("TO:", in: argument, &cursor) else { throw CommandSyntaxError.invalidArgument }
        guard let path = PathParser.forwardPath(argument, &cursor), self.atWordEnd(argument, cursor) else {
            throw CommandSyntaxError.badForwardPath
        }
        if try self.nextParameter(argument, &cursor) != nil { throw CommandSyntaxError.unknownParameter }
        return RecipientCommand(path)
    }

    /// `FROM:` or `TO:`, and the spaces behind it that RFC 5321 section 3.3 forbids and many clients send.
    private static func skip(_ word: String, in argument: Span<UInt8>, _ cursor: inout Int) -> Bool {
        let length = word.utf8.count
        guard argument.count >= length, matches(argument.extracting(0..<length), word) else { return false }
        cursor = length
        while cursor < argument.count, isBlank(argument[cursor]) { cursor += 1 }
        return true
    }

    private static func atWordEnd(_ argument: Span<UInt8>, _ cursor: Int) -> Bool {
        cursor == argument.count || isBlank(argument[cursor])
    }

    /// The next `keyword[=value]` (RFC 5321 section 4.1.2, esmtp-param); nil at the end.
    private static func nextParameter(
        _ argument: Span<UInt8>, _ cursor: inout Int
    ) throws(CommandSyntaxError) -> (keyword: Range<Int>, value: Range<Int>)? {
        while cursor < argument.count, isBlank(argument[cursor]) { cursor += 1 }
        guard cursor < argument.count else { return nil }
        let start = cursor
        while cursor < argument.count,
            isLetter(argument[cursor]) || isDigit(argument[cursor])
                || (cursor > start && argument[cursor] == UInt8(ascii: "-"))
        {
            cursor += 1
        }
        let keyword = start..<cursor
        guard !keyword.isEmpty else { throw CommandSyntaxError.invalidArgument }
        guard cursor < argument.count, argument[cursor] == UInt8(ascii: "=") else {
            guard self.atWordEnd(argument, cursor) else { throw CommandSyntaxError.invalidArgument }
            return (keyword, cursor..<cursor)
        }
        cursor += 1
        let value = cursor
        while cursor < argument.count, !isBlank(argument[cursor]), argument[cursor] != UInt8(ascii: "=") { cursor += 1 }
        guard cursor > value, self.atWordEnd(argument, cursor) else {
            throw CommandSyntaxError.invalidArgument
        }
        return (keyword, value..<cursor)
    }

    /// A SIZE: 1 to 20 digits (RFC 1870 section 3); one too large for 64 bits counts as the largest.
    private static func decimal(_ text: Span<UInt8>) -> UInt64? {
        guard (1...20).contains(text.count) else { return nil }
        var value: UInt64 = 0
        for index in 0..<text.count {
            guard isDigit(text[index]) else { return nil }
            let (tens, overflowed) = value.multipliedReportingOverflow(by: 10)
            let (sum, carried) = tens.addingReportingOverflow(UInt64(text[index] - UInt8(ascii: "0")))
            if overflowed || carried { return .max }
            value = sum
        }
        return value
    }
}

@inline(__always)
private func isBlank(_ octet: UInt8) -> Bool { octet == 0x20 || octet == 0x09 }
