import SMTPCore

// What has to hold for every line as a command.

/// Checks one line.
func check(_ bytes: [UInt8]) {
    let line = bytes.span
    do throws(CommandSyntaxError) {
        let syntax = try CommandParser.parse(line)
        require(bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }, "a control character was let through")
        require(bytes.count + 2 <= CommandParser.longestLine(startingWith: line), "a line over its limit")
        require(isWithin(syntax, bytes.count), "a range outside of the line")
        checkCommand(SMTPCommand(syntax, in: line), syntax, bytes)
        checkElsewhere(bytes, syntax)
    } catch {
        require((500...599).contains(error.reply.replyCode) && !error.reply.encoded().isEmpty)
        require(error == .foreignProtocol || error == .badChunkSize || !error.endsSession)
        if CommandParser.isChunk(startingWith: line) { require(error == .badChunkSize, "octets follow that line") }
        if error == .foreignProtocol { require(CommandParser.isForeignProtocol(startingWith: line)) }
        if error == .lineTooLong { require(bytes.count + 2 > CommandParser.longestLine(startingWith: line)) }
        if error == .invalidUTF8 { require(String(validating: bytes, as: UTF8.self) == nil) }
    }
}

private func isWithin(_ range: LineRange?, _ count: Int) -> Bool {
    guard let range else { return true }
    return range.start <= range.end && Int(range.end) <= count
}

private func isWithin(_ path: PathSyntax, _ count: Int) -> Bool {
    isWithin(path.mailbox, count) && (path.kind != .mailbox || path.mailbox.offsets.contains(Int(path.at)))
}

private func isWithin(_ syntax: CommandSyntax, _ count: Int) -> Bool {
    switch syntax {
    case .helo(let name), .ehlo(let name): isWithin(name, count) && !name.isEmpty
    case .mail(let mail):
        isWithin(mail.reversePath, count) && isWithin(mail.envelopeID, count) && isWithin(mail.authorization, count)
    case .rcpt(let recipient): isWithin(recipient.forwardPath, count) && isWithin(recipient.originalRecipient, count)
    case .auth(let mechanism, let response): isWithin(mechanism, count) && isWithin(response, count)
    case .bdat(let size, _): size <= UInt64(Int64.max)
    case .data, .rset, .noop, .vrfy, .help, .quit, .startTLS, .unimplemented: true
    }
}

/// The command is encoded without control characters, and reads back as the same, octet by octet.
private func checkCommand(_ command: SMTPCommand, _ syntax: CommandSyntax, _ bytes: [UInt8]) {
    let encoded: String
    switch command {
    case .mail(let mail):
        encoded = ClientCommand.mail(mail).line
        require(mail.isASCII == mail.reversePath.description.utf8.allSatisfy { $0 < 0x80 })
    case .rcpt(let recipient):
        encoded = ClientCommand.rcpt(recipient).line
        require(recipient.isASCII == encoded.utf8.allSatisfy { $0 < 0x80 })
    case .helo(let name): encoded = ClientCommand.helo(name).line
    case .ehlo(let name): encoded = ClientCommand.ehlo(name).line
    case .auth(let command):
        require((1...20).contains(command.mechanism.utf8.count))
        require(command.mechanism.utf8.allSatisfy { 65...90 ~= $0 || 48...57 ~= $0 || $0 == 45 || $0 == 95 })
        return
    case .bdat:
        require(CommandParser.isChunk(startingWith: bytes.span))
        return
    case .data, .rset, .noop, .vrfy, .help, .quit, .startTLS, .unimplemented:
        return
    }
    let line = Array(encoded.utf8)
    require(
        line.suffix(2) == [13, 10] && line.dropLast(2).allSatisfy { $0 >= 0x20 && $0 != 0x7F }, "a line was forged")
    guard let again = read(Array(line.dropLast(2))) else { fatalError("what was encoded cannot be read: \(encoded)") }
    require(again == command, "another command than the one that came")
    switch again {
    case .mail(let mail): require(Array(ClientCommand.mail(mail).line.utf8) == line)
    case .rcpt(let recipient): require(Array(ClientCommand.rcpt(recipient).line.utf8) == line)
    default: break
    }
}

private func read(_ line: [UInt8]) -> SMTPCommand? { try? CommandParser.command(line.span) }

/// The reading depends on nothing but the line, not on what stands around it in memory nor on blanks behind it.
private func checkElsewhere(_ bytes: [UInt8], _ syntax: CommandSyntax) {
    for around in [UInt8(ascii: ">"), 0] {
        let larger = [around, around] + bytes + [around, around]
        require((try? CommandParser.parse(larger.span.extracting(2..<2 + bytes.count))) == syntax, "read differently")
    }
    guard bytes.count + 4 <= CommandParser.longestLine else { return }
    let blank = bytes + [0x20, 0x09]
    require((try? CommandParser.parse(blank.span)) == syntax, "blanks at the end make a difference")
}
