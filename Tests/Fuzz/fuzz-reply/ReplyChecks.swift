import SMTPCore

// What has to hold for every text as lines of a reply, and as text of a reply of our own.

/// Checks one text: lines that a backend sends, as the framer cuts them, or text of our own where no code opens it.
func check(_ bytes: [UInt8]) {
    guard let first = bytes.first, 48...57 ~= first else { return checkText(bytes) }
    var limits = ReplyLimits()
    limits.lineLength = 200
    limits.lines = 8
    var parser = ReplyParser(limits: limits)
    var lines = 0
    var start = 0
    loop: while start <= bytes.count {
        var end = start
        while end < bytes.count, bytes[end] != 10 { end += 1 }
        let line = bytes.span.extracting(start..<end)
        lines += 1
        checkLine(line)
        do throws(ReplySyntaxError) {
            if let reply = try parser.receive(line) {
                require(lines <= limits.lines)
                if lines < 3 { require(reply.lines.count == lines) }
                checkReply(reply, lines: lines)
                lines = 0
            }
        } catch {
            if error == .lineTooLong { require(line.count > limits.lineLength) }
            if error == .tooManyLines { require(lines > limits.lines) }
            break loop
        }
        start = end + 1
    }
}

private func checkLine(_ octets: Span<UInt8>) {
    guard let line = try? ReplyLine(octets) else { return }
    require((200...599).contains(line.replyCode))
    require(line.text.start <= line.textBehindCode.start && line.textBehindCode.start <= line.textBehindCode.end)
    require(line.text.end == line.textBehindCode.end && Int(line.text.end) == octets.count)
    require((line.enhancedStatusCode == nil) == (line.text == line.textBehindCode))
    require(line.isLast == (octets.count == 3 || octets[3] == 0x20))
}

/// No control character is in a reply; its wire's form reads back as the same reply, and without UTF-8 is ASCII.
private func checkReply(_ reply: SMTPReply, lines count: Int) {
    let wire = reply.encoded(utf8: true)
    require(wire.count <= reply.longestEncoding)
    var lineEnds = 0
    var start = 0
    for (index, octet) in wire.enumerated() where octet < 0x20 || octet == 0x7F || octet == 0xC2 {
        switch octet {
        case 13: require(wire[index + 1] == 10)
        case 10:
            require(index + 1 - start <= 512, "a line is too long")
            lineEnds += 1
            start = index + 1
        case 0xC2: require(wire[index + 1] >= 0xA0, "a control character")
        default: fatalError("a control character")
        }
    }
    // A line that would be too long goes on in the next.
    let isCut = reply.lines.contains { $0.utf8.count > 480 }
    require(lineEnds == count || isCut && lineEnds > count, "a line was forged")
    if lineEnds == count {
        require(read(wire) == reply, "another reply than the one that came")
    } else {
        guard let whole = read(wire) else { fatalError("no reply") }
        require(whole.replyCode == reply.replyCode && whole.enhancedStatusCode == reply.enhancedStatusCode)
        require(Array(whole.lines.joined().utf8) == Array(reply.lines.joined().utf8), "another text")
    }
    let ascii = reply.encoded()
    require(ascii.count == wire.count)
    for index in 0..<wire.count {
        require(ascii[index] == (wire[index] < 0x80 ? wire[index] : UInt8(ascii: "?")))
    }
    let coded = reply.withEnhancedStatusCode()
    require(coded.isPositiveIntermediate || coded.enhancedStatusCode.map { UInt16($0.codeClass) } == reply.replyClass)
}

/// The reply whose wire's form this is; nil unless it is one reply and nothing else.
private func read(_ wire: [UInt8]) -> SMTPReply? {
    var limits = ReplyLimits()
    limits.lineLength = .max
    limits.lines = .max
    var parser = ReplyParser(limits: limits)
    var start = 0
    while start < wire.count {
        var end = start
        while end < wire.count, wire[end] != 10 { end += 1 }
        guard end < wire.count, end > start, wire[end - 1] == 13 else { return nil }
        guard let reply = try? parser.receive(wire.span.extracting(start..<end - 1)) else {
            start = end + 1
            continue
        }
        return end + 1 == wire.count ? reply : nil
    }
    return nil
}

/// Text of our own, or of a lookup's, forges nothing whatever is in it.
private func checkText(_ bytes: [UInt8]) {
    let text = String(decoding: bytes, as: UTF8.self)
    checkReply(SMTPReply(550, .init(5, 7, 1), text), lines: 1)
    guard bytes.count < 40 else { return }
    checkReply(SMTPReply(550, .init(5, 7, 1), lines: [text, "x", text]), lines: 3)
}
