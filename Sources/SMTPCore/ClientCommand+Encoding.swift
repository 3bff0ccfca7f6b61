extension ClientCommand {
    /// The command as the wire has it, its CRLF included.
    ///
    /// Paths and parameters were validated when they were parsed. That no octet of theirs can end a line holds for values
    /// that were made otherwise as well: a control character is written as `?`.
    public var line: String {
        switch self {
        case .ehlo(let name): Self.line("EHLO ", name)
        case .helo(let name): Self.line("HELO ", name)
        case .startTLS: "STARTTLS\r\n"
        case .xclient(let attributes): Self.line("XCLIENT", attributes.text)
        case .xforward(let attributes): Self.line("XFORWARD", attributes.text)
        case .auth(let mechanism, let response): Self.line("AUTH ", mechanism + (response.map { " \($0.text)" } ?? ""))
        case .response(let response): Self.line("", response.text)
        case .rset: "RSET\r\n"
        case .mail(let mail): mail.line
        case .rcpt(let recipient): recipient.line
        case .data: "DATA\r\n"
        case .quit: "QUIT\r\n"
        }
    }

    private static func line(_ verb: String, _ argument: String) -> String {
        var line = CommandLineText(capacity: verb.utf8.count + argument.utf8.count)
        line.append(verb)
        line.append(argument)
        return line.end()
    }
}

extension MailCommand {
    fileprivate var line: String {
        let path = self.reversePath.description
        let values = path.utf8.count + (self.envelopeID?.utf8.count ?? 0) + (self.authorization?.utf8.count ?? 0)
        // (The verb, the keywords and the values that are words.)
        var line = CommandLineText(capacity: values + 100)
        line.append("MAIL FROM:<")
        line.append(path)
        line.append(">")
        if let size = self.size { line.append(" SIZE=", size.description) }
        if let body = self.body { line.append(" BODY=", body.rawValue) }
        if self.usesSMTPUTF8 { line.append(" SMTPUTF8") }
        if let content = self.returnContent { line.append(" RET=", content.rawValue) }
        if let identifier = self.envelopeID { line.append(" ENVID=", identifier) }
        if let authorization = self.authorization { line.append(" AUTH=", authorization) }
        return line.end()
    }
}

extension RecipientCommand {
    fileprivate var line: String {
        let path = self.forwardPath.description
        var line = CommandLineText(capacity: path.utf8.count + (self.originalRecipient?.utf8.count ?? 0) + 50)
        line.append("RCPT TO:<")
        line.append(path)
        line.append(">")
        if let notify = self.notify { line.append(" NOTIFY=", notify.description) }
        if let recipient = self.originalRecipient { line.append(" ORCPT=", recipient) }
        return line.end()
    }
}

/// A command line that is being written: one allocation, and no control character before its end.
private struct CommandLineText {
    private var text = ""

    init(capacity: Int) {
        self.text.reserveCapacity(capacity + 2)
    }

    mutating func append(_ part: String) {
        if part.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) {
            self.text += String(
                decoding: part.utf8.map { $0 < 0x20 || $0 == 0x7F ? UInt8(ascii: "?") : $0 }, as: UTF8.self)
        } else {
            self.text += part
        }
    }

    mutating func append(_ keyword: String, _ value: String) {
        self.append(keyword)
        self.append(value)
    }

    /// (Not consuming: a copy of the whole would be made for it.)
    mutating func end() -> String {
        self.text += "\r\n"
        return self.text
    }
}

extension RecipientCommand.Notify: CustomStringConvertible {
    /// The value as the wire has it: `NEVER`, or a list.
    public var description: String {
        if self.isEmpty { return "NEVER" }
        var words = ""
        for (condition, word) in [(Self.success, "SUCCESS"), (.failure, "FAILURE"), (.delay, "DELAY")]
        where self.contains(condition) {
            words += words.isEmpty ? word : ",\(word)"
        }
        return words
    }
}

extension ReversePath: CustomStringConvertible {
    /// The mailbox without angle brackets; empty for the null reverse-path.
    public var description: String {
        switch self {
        case .null: ""
        case .mailbox(let mailbox): mailbox.description
        }
    }
}

extension ForwardPath: CustomStringConvertible {
    /// The mailbox without angle brackets; `Postmaster` where there is no domain.
    public var description: String {
        switch self {
        case .postmaster: "Postmaster"
        case .mailbox(let mailbox): mailbox.description
        }
    }
}
