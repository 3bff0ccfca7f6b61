extension ClientCommand {
    /// The command as the wire has it, its CRLF included.
    ///
    /// Paths and parameters were validated when they were parsed. That no octet of theirs can end a line holds for values
    /// that were made otherwise as well: a control character is written as `?`.
    public var line: String {
        var octets: [UInt8] = []
        octets.reserveCapacity(128)
        self.encode { part in for index in 0..<part.count { octets.append(part[index]) } }
        return String(decoding: octets, as: UTF8.self)
    }

    /// Passes the wire's form on in parts, in order, without the heap: see ``line``.
    public func encode(_ write: (Span<UInt8>) -> Void) {
        switch self {
        case .ehlo(let name): put("EHLO ", value: name, write)
        case .helo(let name): put("HELO ", value: name, write)
        case .startTLS: put("STARTTLS", write)
        case .xclient(let attributes): put("XCLIENT", value: attributes.text, write)
        case .xforward(let attributes): put("XFORWARD", value: attributes.text, write)
        case .auth(let mechanism, let response):
            put("AUTH ", value: mechanism, write)
            if let response { put(" ", value: response.text, write) }
        case .response(let response): put("", value: response.text, write)
        case .rset: put("RSET", write)
        case .mail(let mail): mail.encode(write)
        case .rcpt(let recipient): recipient.encode(write)
        case .data: put("DATA", write)
        case .quit: put("QUIT", write)
        }
        put("\r\n", write)
    }
}

extension MailCommand {
    fileprivate func encode(_ write: (Span<UInt8>) -> Void) {
        put("MAIL FROM:<", value: self.reversePath.description, write)
        put(">", write)
        if let size = self.size { put(" SIZE=", value: size.description, write) }
        if let body = self.body { put(" BODY=", value: body.rawValue, write) }
        if self.usesSMTPUTF8 { put(" SMTPUTF8", write) }
        if let content = self.returnContent { put(" RET=", value: content.rawValue, write) }
        if let identifier = self.envelopeID { put(" ENVID=", value: identifier, write) }
        if let authorization = self.authorization { put(" AUTH=", value: authorization, write) }
    }
}

extension RecipientCommand {
    fileprivate func encode(_ write: (Span<UInt8>) -> Void) {
        put("RCPT TO:<", value: self.forwardPath.description, write)
        put(">", write)
        if let notify = self.notify { put(" NOTIFY=", value: notify.description, write) }
        if let recipient = self.originalRecipient { put(" ORCPT=", value: recipient, write) }
    }
}

/// Passes on what is ours.
private func put(_ words: String, _ write: (Span<UInt8>) -> Void) {
    write(words.utf8Span.span)
}

/// Passes on what is ours, and a value behind it: without a control character, whoever made it.
private func put(_ words: String, value: String, _ write: (Span<UInt8>) -> Void) {
    put(words, write)
    let span = value.utf8Span.span
    for index in 0..<span.count where span[index] < 0x20 || span[index] == 0x7F {
        let octets = value.utf8.map { $0 < 0x20 || $0 == 0x7F ? UInt8(ascii: "?") : $0 }
        return write(octets.span)
    }
    write(span)
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
