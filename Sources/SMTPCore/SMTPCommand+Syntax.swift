extension SMTPCommand {
    /// Makes a command of its own of what was found in a line.
    ///
    /// - Parameter line: the line that `syntax` was parsed from; with another one this may trap.
    public init(_ syntax: CommandSyntax, in line: Span<UInt8>) {
        switch syntax {
        case .helo(let name): self = .helo(string(line.extracting(name.offsets)))
        case .ehlo(let name): self = .ehlo(string(line.extracting(name.offsets)))
        case .mail(let mail): self = .mail(MailCommand(mail, in: line))
        case .rcpt(let recipient): self = .rcpt(RecipientCommand(recipient, in: line))
        case .data: self = .data
        case .bdat(let size, let isLast): self = .bdat(size: size, isLast: isLast)
        case .rset: self = .rset
        case .noop: self = .noop
        case .vrfy: self = .vrfy
        case .help: self = .help
        case .quit: self = .quit
        case .startTLS: self = .startTLS
        case .auth(let mechanism, let initialResponse):
            self = .auth(
                AuthCommand(
                    mechanism: string(line.extracting(mechanism.offsets)).uppercased(),
                    initialResponse: initialResponse.map { Secret(copying: line.extracting($0.offsets)) }))
        case .unimplemented: self = .unimplemented
        }
    }
}

extension MailCommand {
    fileprivate init(_ syntax: MailSyntax, in line: Span<UInt8>) {
        self.init(ReversePath(syntax.reversePath, in: line), size: syntax.size, body: syntax.body)
        self.usesSMTPUTF8 = syntax.usesSMTPUTF8
        self.returnContent = syntax.returnContent
        if let range = syntax.envelopeID { self.envelopeID = string(line.extracting(range.offsets)) }
        if let range = syntax.authorization { self.authorization = string(line.extracting(range.offsets)) }
    }
}

extension RecipientCommand {
    fileprivate init(_ syntax: RecipientSyntax, in line: Span<UInt8>) {
        self.init(ForwardPath(syntax.forwardPath, in: line))
        self.notify = syntax.notify
        if let range = syntax.originalRecipient { self.originalRecipient = string(line.extracting(range.offsets)) }
    }
}

extension ReversePath {
    fileprivate init(_ syntax: PathSyntax, in line: Span<UInt8>) {
        self = syntax.kind == .null ? .null : .mailbox(Mailbox(syntax, in: line))
    }
}

extension ForwardPath {
    fileprivate init(_ syntax: PathSyntax, in line: Span<UInt8>) {
        self = syntax.kind == .postmaster ? .postmaster : .mailbox(Mailbox(syntax, in: line))
    }
}

extension Mailbox {
    fileprivate init(_ syntax: PathSyntax, in line: Span<UInt8>) {
        self.init(
            string(line.extracting(syntax.mailbox.offsets)), at: Int(syntax.at) - Int(syntax.mailbox.start),
            isASCII: syntax.isASCII)
    }
}
