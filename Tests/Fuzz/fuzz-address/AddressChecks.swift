import SMTPCore

// What has to hold for every text as a path of MAIL and of RCPT.

/// Checks one text.
func check(_ bytes: [UInt8]) {
    // (The blanks that separate words are the command's, not the path's.)
    guard bytes.count <= 700, !bytes.contains(0x20) || bytes.contains(UInt8(ascii: "\"")) else { return }
    let sender = reversePath(bytes)
    let recipient = forwardPath(bytes)
    switch (sender, recipient) {
    case (.null?, nil):
        let path = bytes.drop { $0 == 0x20 || $0 == 0x09 }
        require(path.starts(with: [60, 62]) && isAlone(path.dropFirst(2)))
    case (nil, .postmaster?):
        break
    case (.mailbox(let left)?, .mailbox(let right)?):
        require(left == right && left.hashValue == right.hashValue, "one mailbox for MAIL, another for RCPT")
        checkMailbox(left)
    case (nil, nil):
        break
    default:
        fatalError("a path for MAIL alone or for RCPT alone")
    }
}

private func isAlone(_ rest: ArraySlice<UInt8>) -> Bool { rest.allSatisfy { $0 == 0x20 || $0 == 0x09 } }

private func reversePath(_ path: [UInt8]) -> ReversePath? {
    let line = Array("MAIL FROM:".utf8) + path
    guard case .mail(let mail)? = try? CommandParser.command(line.span), mail == MailCommand(mail.reversePath) else {
        return nil
    }
    return mail.reversePath
}

private func forwardPath(_ path: [UInt8]) -> ForwardPath? {
    let line = Array("RCPT TO:".utf8) + path
    guard case .rcpt(let recipient)? = try? CommandParser.command(line.span),
        recipient == RecipientCommand(recipient.forwardPath)
    else { return nil }
    return recipient.forwardPath
}

private func checkMailbox(_ mailbox: Mailbox) {
    let text = Array(mailbox.description.utf8)
    let localPart = Array(mailbox.localPart.utf8)
    let domain = Array(mailbox.domain.utf8)
    require(localPart + [UInt8(ascii: "@")] + domain == text, "the parts are not the whole")
    require((1...64).contains(localPart.count) && (1...255).contains(domain.count) && text.count <= 254)
    require(text.allSatisfy { $0 >= 0x20 && $0 != 0x7F } && mailbox.isASCII == text.allSatisfy { $0 < 0x80 })
    checkLocalPart(localPart)
    checkDomain(domain)
    require(Mailbox(localPart: mailbox.localPart, domain: mailbox.domain) == mailbox)
    // With and without brackets, and behind a source route, it is the same mailbox.
    require(forwardPath([60] + text + [62]) == .mailbox(mailbox))
    require(forwardPath(text) == .mailbox(mailbox))
    let routed = Array("<@x,@[192.0.2.1]:".utf8) + text + [62]
    require(forwardPath(routed) == (routed.count <= 256 ? .mailbox(mailbox) : nil))
    require(forwardPath([60, 60] + text + [62, 62]) == nil && forwardPath([60] + text) == nil)
}

/// Unquoted, none of the characters that mean something; quoted, a quote only at the ends or escaped.
private func checkLocalPart(_ text: [UInt8]) {
    guard text[0] == UInt8(ascii: "\"") else {
        let specials = Array("()<>[]:;@\\,\" ".utf8)
        return require(!text.contains { specials.contains($0) })
    }
    require(text.count >= 2 && text.last == UInt8(ascii: "\""))
    var isEscaped = false
    for octet in text[1..<text.count - 1] {
        if isEscaped {
            require(octet < 0x7F)
            isEscaped = false
        } else {
            require(octet != UInt8(ascii: "\""))
            isEscaped = octet == UInt8(ascii: "\\")
        }
    }
    require(!isEscaped, "the closing quote is escaped")
}

private func checkDomain(_ text: [UInt8]) {
    if text[0] == UInt8(ascii: "[") {
        require(text.last == UInt8(ascii: "]") && text.allSatisfy { 0x21...0x7E ~= $0 })
        let content = text[1..<text.count - 1]
        require(!content.contains { 0x5B...0x5D ~= $0 })
        require(content.contains(UInt8(ascii: ":")) || isIPv4(content), "a literal that is no address")
        return
    }
    var labels = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    if labels.count > 1, labels.last?.isEmpty == true { labels.removeLast() }
    for label in labels {
        let isASCII = label.allSatisfy { $0 < 0x80 }
        require((1...(isASCII ? 63 : 252)).contains(label.count))
        require(
            label.allSatisfy {
                97...122 ~= $0 || 65...90 ~= $0 || 48...57 ~= $0 || $0 == 45 || $0 == 95 || $0 >= 0x80
            })
    }
}

private func isIPv4(_ text: ArraySlice<UInt8>) -> Bool {
    let numbers = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    return numbers.count == 4
        && numbers.allSatisfy { number in
            guard let value = UInt8(String(decoding: number, as: UTF8.self)) else { return false }
            return String(value).utf8.elementsEqual(number)
        }
}
