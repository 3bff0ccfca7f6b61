// MAIL and RCPT, and their parameters (RFC 5321 section 4.1.1.11).

extension CommandParser {
    /// The longest ENVID= once it is decoded (RFC 3461 section 4.4).
    static let longestEnvelopeID = 100
    /// The longest ORCPT=, encoded (RFC 3461 section 4.2).
    static let longestOriginalRecipient = 500
    /// The longest AUTH=, encoded: what RFC 4954 section 3 lets MAIL grow by.
    static let longestAuthorization = 500

    static func mail(_ line: Span<UInt8>, _ start: Int) throws(CommandSyntaxError) -> MailSyntax {
        var cursor = start
        guard self.skip("FROM:", in: line, &cursor) else { throw .invalidArgument }
        guard let path = PathParser.reversePath(line, &cursor), self.atWordEnd(line, cursor) else {
            throw .badReversePath
        }
        var mail = MailSyntax(path)
        while let parameter = try self.nextParameter(line, &cursor) { try mail.take(parameter, in: line) }
        return mail
    }

    static func recipient(_ line: Span<UInt8>, _ start: Int) throws(CommandSyntaxError) -> RecipientSyntax {
        var cursor = start
        guard self.skip("TO:", in: line, &cursor) else { throw .invalidArgument }
        guard let path = PathParser.forwardPath(line, &cursor), self.atWordEnd(line, cursor) else {
            throw .badForwardPath
        }
        var recipient = RecipientSyntax(path)
        while let parameter = try self.nextParameter(line, &cursor) { try recipient.take(parameter, in: line) }
        return recipient
    }

    /// `FROM:` or `TO:`, and the blanks behind it that RFC 5321 section 3.3 forbids and many clients send.
    private static func skip(_ word: String, in line: Span<UInt8>, _ cursor: inout Int) -> Bool {
        let length = word.utf8.count
        guard line.count - cursor >= length, matches(line.extracting(cursor..<cursor + length), word) else {
            return false
        }
        cursor += length
        while cursor < line.count, isBlank(line[cursor]) { cursor += 1 }
        return true
    }

    private static func atWordEnd(_ line: Span<UInt8>, _ cursor: Int) -> Bool {
        cursor == line.count || isBlank(line[cursor])
    }

    /// The next `keyword[=value]` (RFC 5321 section 4.1.2, esmtp-param); nil at the end.
    private static func nextParameter(
        _ line: Span<UInt8>, _ cursor: inout Int
    ) throws(CommandSyntaxError) -> Parameter? {
        while cursor < line.count, isBlank(line[cursor]) { cursor += 1 }
        guard cursor < line.count else { return nil }
        let start = cursor
        while cursor < line.count,
            isLetter(line[cursor]) || isDigit(line[cursor]) || (cursor > start && line[cursor] == UInt8(ascii: "-"))
        {
            cursor += 1
        }
        let keyword = LineRange(start, cursor)
        guard !keyword.isEmpty else { throw .invalidArgument }
        guard cursor < line.count, line[cursor] == UInt8(ascii: "=") else {
            guard self.atWordEnd(line, cursor) else { throw .invalidArgument }
            return Parameter(keyword: keyword, value: nil)
        }
        cursor += 1
        let value = cursor
        while cursor < line.count, !isBlank(line[cursor]), line[cursor] != UInt8(ascii: "=") { cursor += 1 }
        guard cursor > value, self.atWordEnd(line, cursor) else { throw .invalidArgument }
        return Parameter(keyword: keyword, value: LineRange(value, cursor))
    }
}

/// `keyword` or `keyword=value`.
private struct Parameter {
    var keyword: LineRange
    /// Nil where there is no `=`; never empty.
    var value: LineRange?
}

extension MailSyntax {
    fileprivate mutating func take(_ parameter: Parameter, in line: Span<UInt8>) throws(CommandSyntaxError) {
        let keyword = line.extracting(parameter.keyword.offsets)
        if matches(keyword, "SMTPUTF8") {
            // RFC 6531 section 3.4: it has no value.
            guard parameter.value == nil else { throw .invalidArgument }
            guard !self.usesSMTPUTF8 else { throw .duplicateParameter }
            self.usesSMTPUTF8 = true
            return
        }
        let range = parameter.value ?? LineRange(0, 0)
        let value = line.extracting(range.offsets)
        if matches(keyword, "SIZE") {
            guard self.size == nil else { throw .duplicateParameter }
            guard let size = decimal(value) else { throw .invalidArgument }
            self.size = size
        } else if matches(keyword, "BODY") {
            guard self.body == nil else { throw .duplicateParameter }
            guard let body = MailCommand.Body(value) else { throw .invalidArgument }
            self.body = body
        } else if matches(keyword, "RET") {
            guard self.returnContent == nil else { throw .duplicateParameter }
            guard let content = MailCommand.ReturnContent(value) else { throw .invalidArgument }
            self.returnContent = content
        } else if matches(keyword, "ENVID") {
            guard self.envelopeID == nil else { throw .duplicateParameter }
            // RFC 3461 section 4.4: graphic characters and white space of ASCII.
            guard !range.isEmpty, let content = XTextContent(value), content.isPrintable,
                content.count <= CommandParser.longestEnvelopeID
            else { throw .invalidArgument }
            self.envelopeID = range
        } else if matches(keyword, "AUTH") {
            guard self.authorization == nil else { throw .duplicateParameter }
            // (`<>` is xtext as well.) A mailbox may be UTF-8 once it is decoded; a control character is in none.
            guard !range.isEmpty, let content = XTextContent(value), !content.hasControl,
                range.count <= CommandParser.longestAuthorization
            else { throw .invalidArgument }
            self.authorization = range
        } else {
            throw .unknownParameter
        }
    }
}

extension RecipientSyntax {
    fileprivate mutating func take(_ parameter: Parameter, in line: Span<UInt8>) throws(CommandSyntaxError) {
        let keyword = line.extracting(parameter.keyword.offsets)
        let range = parameter.value ?? LineRange(0, 0)
        let value = line.extracting(range.offsets)
        if matches(keyword, "NOTIFY") {
            guard self.notify == nil else { throw .duplicateParameter }
            guard let notify = RecipientCommand.Notify(value) else { throw .invalidArgument }
            self.notify = notify
        } else if matches(keyword, "ORCPT") {
            guard self.originalRecipient == nil else { throw .duplicateParameter }
            guard range.count <= CommandParser.longestOriginalRecipient, isOriginalRecipient(value) else {
                throw .invalidArgument
            }
            self.originalRecipient = range
        } else {
            throw .unknownParameter
        }
    }
}

extension MailCommand.Body {
    fileprivate init?(_ value: Span<UInt8>) {
        if matches(value, "8BITMIME") {
            self = .eightBitMIME
        } else if matches(value, "7BIT") {
            self = .sevenBit
        } else if matches(value, "BINARYMIME") {
            self = .binaryMIME
        } else {
            return nil
        }
    }
}

extension MailCommand.ReturnContent {
    fileprivate init?(_ value: Span<UInt8>) {
        if matches(value, "FULL") {
            self = .full
        } else if matches(value, "HDRS") {
            self = .headers
        } else {
            return nil
        }
    }
}

extension RecipientCommand.Notify {
    /// `NEVER`, or a list without it and without a word twice (RFC 3461 section 4.1).
    fileprivate init?(_ value: Span<UInt8>) {
        self = []
        if matches(value, "NEVER") { return }
        var start = 0
        while true {
            var end = start
            while end < value.count, value[end] != UInt8(ascii: ",") { end += 1 }
            let word = value.extracting(start..<end)
            let condition: Self
            if matches(word, "SUCCESS") {
                condition = .success
            } else if matches(word, "FAILURE") {
                condition = .failure
            } else if matches(word, "DELAY") {
                condition = .delay
            } else {
                return nil
            }
            guard self.insert(condition).inserted else { return nil }
            guard end < value.count else { return }
            start = end + 1
        }
    }
}

/// `addr-type;address` (RFC 3461 section 4.2): xtext that decodes to printable ASCII, or for the type `utf-8` what RFC 6533
/// section 3 has.
private func isOriginalRecipient(_ value: Span<UInt8>) -> Bool {
    var end = 0
    while end < value.count, isAtext(value[end]) { end += 1 }
    guard end > 0, end < value.count, value[end] == UInt8(ascii: ";") else { return false }
    let address = value.extracting(end + 1..<value.count)
    if matches(value.extracting(0..<end), "UTF-8") { return isUnitext(address) }
    return XTextContent(address)?.isPrintable ?? false
}
