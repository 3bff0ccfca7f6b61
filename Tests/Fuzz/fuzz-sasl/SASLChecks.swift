import SMTPCore

// What has to hold for every text as base64, and for every exchange: the first octet chooses mechanism and initial response,
// the rest are the client's lines.

/// Checks one input.
func check(_ bytes: [UInt8]) {
    let encoded = Array(Base64.encode(bytes.span).utf8)
    require(Base64.decode(encoded.span) == bytes, "octets were lost")
    guard let first = bytes.first else { return }
    let mechanism = SASLMechanism.allCases[Int(first & 3)]
    let lines = bytes.dropFirst().split(separator: 0x0A, maxSplits: 3, omittingEmptySubsequences: false).map {
        Array($0)
    }
    for line in lines { checkBase64(line) }
    checkExchange(mechanism, lines, isInitial: first & 4 != 0)
    // The same as what stands between the lines' base64, so that the octets inside are reached as well.
    checkExchange(mechanism, lines.map { Array(Base64.encode($0.span).utf8) }, isInitial: first & 4 != 0)
}

/// What is taken has one spelling: this one.
private func checkBase64(_ text: [UInt8]) {
    guard let octets = Base64.decode(text.span) else {
        let alphabet = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        require(text.count % 4 != 0 || text.suffix(2).contains(61) || !text.allSatisfy { alphabet.contains($0) })
        return
    }
    require(Array(Base64.encode(octets.span).utf8) == text, "two spellings of one value")
}

private func checkExchange(_ mechanism: SASLMechanism, _ lines: [[UInt8]], isInitial: Bool) {
    let challenge = Array("<1.2@x>".utf8)
    var exchange = SASLExchange(mechanism, challenge: challenge)
    var rest = lines[...]
    var said: [[UInt8]] = []
    var step = exchange.begin(
        isInitial
            ? rest.popFirst().map {
                said.append($0); return Secret($0)
            } : nil)
    while true {
        switch step {
        case .challenge(let text):
            require(Base64.decode(Array(text.utf8).span) != nil, "a challenge that is no base64")
            guard let line = rest.popFirst() else { return }
            said.append(line)
            let response = Secret(line)
            step = exchange.respond(response)
            require(response.count == 0, "not wiped")
        case .refuse(let reply):
            require(reply.replyCode == 501 || reply.replyCode == 535)
            return
        case .verify(let credentials):
            checkCredentials(credentials, mechanism, said, challenge)
            return
        }
    }
}

/// What comes out is what was said, in another way than the exchange's.
private func checkCredentials(
    _ credentials: SASLCredentials, _ mechanism: SASLMechanism, _ said: [[UInt8]], _ challenge: [UInt8]
) {
    let decoded = said.map { $0 == [61] ? [] : Base64.decode($0.span) ?? [] }
    let user = Array(credentials.user.utf8)
    require(credentials.mechanism == mechanism && !user.isEmpty && !user.contains(0))
    switch credentials.proof {
    case .password(let password):
        let octets = password.withOctets { span in (0..<span.count).map { span[$0] } }
        require(!octets.isEmpty && !octets.contains(0))
        if mechanism == .plain {
            let parts = decoded[0].split(separator: 0, omittingEmptySubsequences: false).map { Array($0) }
            require(parts.count == 3 && parts[1] == user && parts[2] == octets)
        } else {
            require(mechanism == .login && decoded == [user, octets])
        }
    case .digest(let digest, challenge: let answered):
        let digits = digest.withOctets { span in (0..<span.count).map { span[$0] } }
        require(mechanism == .cramMD5 && answered == challenge && digits.count == 32)
        require(decoded[0] == user + [0x20] + digits)
        require(digits.allSatisfy { 0x30...0x39 ~= $0 || 0x41...0x46 ~= $0 || 0x61...0x66 ~= $0 })
    case .channel:
        require(mechanism == .external && decoded == [user])
    }
}
