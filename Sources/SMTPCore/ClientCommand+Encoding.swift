extension ClientCommand {
    /// The command as the wire has it, its CRLF included.
    ///
    /// Paths were validated when they were parsed, so no octet of a client's can end a line here.
    public var line: String {
        switch self {
        case .ehlo(let name): "EHLO \(name)\r\n"
        case .helo(let name): "HELO \(name)\r\n"
        case .startTLS: "STARTTLS\r\n"
        case .rset: "RSET\r\n"
        case .mail(let mail): mail.line
        case .rcpt(let recipient): "RCPT TO:<\(recipient.forwardPath)>\r\n"
        case .data: "DATA\r\n"
        case .quit: "QUIT\r\n"
        }
    }
}

extension MailCommand {
    fileprivate var line: String {
        var line = "MAIL FROM:<\(self.reversePath)>"
        if let size = self.size { line += " SIZE=\(size)" }
        if let body = self.body { line += " BODY=\(body.rawValue)" }
        return line + "\r\n"
    }
}

extension Mailbox: CustomStringConvertible {
    /// `local-part@domain`, as it was received.
    public var description: String { "\(self.localPart)@\(self.domain)" }
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
