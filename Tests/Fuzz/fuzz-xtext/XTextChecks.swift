import SMTPCore

// What has to hold for every text as xtext, as octets to be encoded, and as the value of ENVID=, AUTH= and ORCPT=.

/// Checks one text.
func check(_ bytes: [UInt8]) {
    let encoded = Array(XText.encode(bytes.span).utf8)
    require(encoded.allSatisfy { 0x21...0x7E ~= $0 && $0 != UInt8(ascii: "=") }, "not xtext")
    require(XText.decode(encoded.span) == bytes, "octets were lost")
    require(encoded.count <= 3 * bytes.count)
    let content = XText.decode(bytes.span)
    require(content == decoded(bytes), "not what RFC 3461 says")
    checkValues(bytes, content)
}

private let digits = Array("0123456789ABCDEF".utf8)

/// What RFC 3461 section 4 says, in another way than the parser's.
private func decoded(_ bytes: [UInt8]) -> [UInt8]? {
    var result: [UInt8] = []
    var index = 0
    while index < bytes.count {
        let octet = bytes[index]
        index += 1
        if octet == UInt8(ascii: "+") {
            guard index + 2 <= bytes.count, let high = digits.firstIndex(of: bytes[index]),
                let low = digits.firstIndex(of: bytes[index + 1])
            else { return nil }
            result.append(UInt8(high << 4 | low))
            index += 2
        } else {
            guard (33...42).contains(octet) || (44...60).contains(octet) || (62...126).contains(octet) else {
                return nil
            }
            result.append(octet)
        }
    }
    return result
}

/// A value is taken if it is xtext that decodes to what may stand there, and then goes on as it came.
private func checkValues(_ bytes: [UInt8], _ content: [UInt8]?) {
    // (Blanks would end the value and begin another parameter, or nothing.)
    guard !bytes.contains(where: { $0 == 0x20 || $0 == 0x09 }) else { return }
    let isPrintable = content?.allSatisfy { 0x20...0x7E ~= $0 } ?? false
    let hasControl = content?.contains { $0 < 0x20 || $0 == 0x7F } ?? true
    let value = String(decoding: bytes, as: UTF8.self)

    let mail = command("MAIL FROM:<> ENVID=", bytes)
    require((mail != nil) == (isPrintable && !bytes.isEmpty && (content?.count ?? 0) <= 100))
    if case .mail(let mail)? = mail {
        require(mail.envelopeID == value && ClientCommand.mail(mail).line == "MAIL FROM:<> ENVID=\(value)\r\n")
    }
    let authorized = command("MAIL FROM:<> AUTH=", bytes)
    require((authorized != nil) == (!hasControl && !bytes.isEmpty && bytes.count <= 500))
    if case .mail(let mail)? = authorized {
        require(ClientCommand.mail(mail).line == "MAIL FROM:<> AUTH=\(value)\r\n")
    }
    let original = command("RCPT TO:<a@b> ORCPT=x;", bytes)
    require((original != nil) == (isPrintable && bytes.count <= 498))
    if case .rcpt(let recipient)? = original { require(recipient.originalRecipient == "x;\(value)") }

    if case .rcpt(let recipient)? = command("RCPT TO:<a@b> ORCPT=utf-8;", bytes) {
        require(!bytes.isEmpty && bytes.allSatisfy { $0 > 0x20 && $0 != 0x7F && $0 != 0x2B && $0 != 0x3D })
        require(
            Array(ClientCommand.rcpt(recipient).line.utf8) == Array("RCPT TO:<a@b> ORCPT=utf-8;".utf8) + bytes + [
                13, 10,
            ])
    }
}

private func command(_ head: StaticString, _ value: [UInt8]) -> SMTPCommand? {
    var line: [UInt8] = []
    line.reserveCapacity(head.utf8CodeUnitCount + value.count)
    head.withUTF8Buffer { unsafe line.append(contentsOf: $0) }
    line += value
    return try? CommandParser.command(line.span)
}
