import NIOCore
import SMTPCore

extension LookupAnswer {
    /// Decodes the headers of an answer, whatever its HTTP status: nginx looks at none.
    ///
    /// Names match in any case; others are skipped. Of a repeated header the last one counts, except that neither WAIT
    /// nor a denial is undone by a later OK.
    package init(fields: some Sequence<(name: String, value: String)>) {
        var answer = Fields()
        for (name, value) in fields {
            guard let header = Header(name) else { continue }
            answer.take(header, Self.trimmed(value))
        }
        self = answer.decode()
    }

    private static func trimmed(_ value: String) -> String {
        let isSpace = { (octet: UInt8) in octet == 0x20 || octet == 0x09 }
        let span = value.utf8Span.span
        guard !span.isEmpty, isSpace(span[0]) || isSpace(span[span.count - 1]) else { return value }
        var octets = value.utf8[...]
        while let first = octets.first, isSpace(first) { octets.removeFirst() }
        while let last = octets.last, isSpace(last) { octets.removeLast() }
        return String(Substring(octets))
    }
}

/// The headers of an answer that mean something, with nginx's spelling.
private enum Header: String {
    case status = "auth-status"
    case wait = "auth-wait"
    case errorCode = "auth-error-code"
    case server = "auth-server"
    case port = "auth-port"
    case user = "auth-user"
    case password = "auth-pass"
    /// Not nginx's.
    case group = "auth-group"

    init?(_ name: String) {
        // Most headers of a web server are others, and end here.
        guard (9...15).contains(name.utf8.count) else { return nil }
        let octets = name.utf8Span.span
        // It is this one or none: so many octets, and the sixth and seventh, tell them apart.
        switch (octets.count, octets[5] | 0x20, octets[6] | 0x20) {
        case (9, UInt8(ascii: "w"), _): self = .wait
        case (9, UInt8(ascii: "u"), _): self = .user
        case (9, UInt8(ascii: "p"), UInt8(ascii: "a")): self = .password
        case (9, UInt8(ascii: "p"), _): self = .port
        case (10, UInt8(ascii: "g"), _): self = .group
        case (11, UInt8(ascii: "s"), UInt8(ascii: "t")): self = .status
        case (11, UInt8(ascii: "s"), _): self = .server
        case (15, UInt8(ascii: "e"), _): self = .errorCode
        default: return nil
        }
        let own = self.rawValue
        let expected = own.utf8Span.span
        for index in octets.indices {
            let octet = octets[index]
            let isUpper = (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(octet)
            guard (isUpper ? octet | 0x20 : octet) == expected[index] else { return nil }
        }
    }
}

/// What was found so far.
private struct Fields {
    private var mustWait = false
    private var refusal: String?
    private var wait: Int?
    private var errorCode: String?
    private var server: String?
    private var port: String?
    private var user: String?
    private var password: String?
    private var group: String?

    mutating func take(_ header: Header, _ value: String) {
        switch header {
        case .status:
            if value.utf8.elementsEqual("WAIT".utf8) {
                self.mustWait = true
            } else if !value.isEmpty, !value.utf8.elementsEqual("OK".utf8) {
                self.refusal = value
            }
        case .wait: self.wait = Self.seconds(value)
        case .errorCode: self.errorCode = value
        case .server: self.server = value
        case .port: self.port = value
        case .user: self.user = value
        case .password: self.password = value
        case .group: self.group = value
        }
    }

    func decode() -> LookupAnswer {
        // Deviates: nginx asks again at once without a positive Auth-Wait, thousands of times a second.
        if self.mustWait { return .wait(seconds: self.wait ?? 1) }
        if let refusal { return .denied(self.denial(refusal)) }
        guard Self.isText(self.user), Self.isText(self.password), Self.isText(self.group) else {
            return .invalid(reason: "a control character in Auth-User, Auth-Pass or Auth-Group")
        }
        guard let server else { return .invalid(reason: "no Auth-Server and Auth-Port") }
        if server.utf8.starts(with: "unix:".utf8) {
            guard let address = Self.unix(server.dropFirst("unix:".utf8.count)) else {
                return .invalid(reason: "Auth-Server is not the absolute path of a Unix socket")
            }
            return .allowed(self.allowed(at: address))
        }
        guard let port else { return .invalid(reason: "no Auth-Server and Auth-Port") }
        guard let number = Self.port(port) else { return .invalid(reason: "Auth-Port is not a number from 1 to 65535") }
        if let address = Self.address(server, port: number) { return .allowed(self.allowed(at: address)) }
        guard Self.isHostName(server) else {
            return .invalid(reason: "Auth-Server is not an IP address, a host name or a Unix socket")
        }
        return .named(
            LookupAnswer.Named(
                host: server, port: number, user: self.user, password: self.password, group: self.groupName))
    }

    private func allowed(at server: SocketAddress) -> LookupAnswer.Allowed {
        LookupAnswer.Allowed(server: server, user: self.user, password: self.password, group: self.groupName)
    }

    private var groupName: String? { self.group.flatMap { $0.isEmpty ? nil : $0 } }

    private func denial(_ text: String) -> LookupAnswer.Denial {
        let denial = LookupAnswer.Denial(text: Self.replyText(text), wait: self.wait)
        guard let code = self.errorCode, let (replyCode, enhancedCode) = Self.replyCode(code) else { return denial }
        return LookupAnswer.Denial(
            replyCode: replyCode, enhancedCode: enhancedCode, text: denial.text, wait: denial.wait)
    }
}

extension Fields {
    /// Whether there is no control character in it.
    private static func isText(_ value: String?) -> Bool {
        value?.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F } ?? true
    }

    /// 1 to `longestWait`; nil for 0 and for what is no number.
    private static func seconds(_ value: String) -> Int? {
        guard !value.isEmpty, value.utf8.allSatisfy(isDigit) else { return nil }
        // A number too large for an Int is a long wait too.
        let seconds = min(Int(value) ?? .max, LookupAnswer.longestWait)
        return seconds > 0 ? seconds : nil
    }

    private static func port(_ value: String) -> Int? {
        guard value.utf8.allSatisfy(isDigit), let port = UInt16(value), port > 0 else { return nil }
        return Int(port)
    }

    /// An IPv4 or IPv6 literal, the latter with brackets or without.
    private static func address(_ value: String, port: Int) -> SocketAddress? {
        let isBracketed = value.utf8.first == UInt8(ascii: "[") && value.utf8.last == UInt8(ascii: "]")
        let literal = isBracketed ? String(value.dropFirst().dropLast()) : value
        guard !isBracketed || literal.utf8.contains(UInt8(ascii: ":")) else { return nil }
        // A scope would be taken from the name of an interface: no literal for a backend.
        guard !literal.utf8.contains(UInt8(ascii: "%")) else { return nil }
        return try? SocketAddress(ipAddress: literal, port: port)
    }

    /// An absolute path without dots that lead up, so that what `allow` says of a folder holds for what is in it.
    private static func unix(_ path: Substring) -> SocketAddress? {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard path.utf8.first == UInt8(ascii: "/"), !parts.contains(".."), !parts.contains("."),
            path.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F })
        else { return nil }
        return try? SocketAddress(unixDomainSocketPath: String(path))
    }

    /// Labels of letters, digits, `-` and `_`, the last one not of digits alone: that would be an address gone wrong.
    private static func isHostName(_ value: String) -> Bool {
        let labels = value.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard (1...253).contains(value.utf8.count), let last = labels.last, !last.allSatisfy(isDigit) else {
            return false
        }
        return labels.allSatisfy { label in
            (1...63).contains(label.count)
                && label.allSatisfy { octet in
                    switch octet {
                    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
                    case UInt8(ascii: "-"), UInt8(ascii: "_"): true
                    default: isDigit(octet)
                    }
                }
        }
    }

    /// `4yz` or `5yz`, and an enhanced code of the same class where there is one (RFC 5321 section 4.2, RFC 3463).
    private static func replyCode(_ value: String) -> (UInt16, EnhancedStatusCode?)? {
        let parts = value.split(separator: " ", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count) else { return nil }
        let code = Array(parts[0].utf8)
        guard code.count == 3, code[0] == UInt8(ascii: "4") || code[0] == UInt8(ascii: "5"),
            (UInt8(ascii: "0")...UInt8(ascii: "5")).contains(code[1]), isDigit(code[2]),
            let replyCode = UInt16(parts[0])
        else { return nil }
        guard parts.count == 2 else { return (replyCode, nil) }
        let numbers = parts[1].split(separator: ".", omittingEmptySubsequences: false)
        guard numbers.count == 3,
            numbers.allSatisfy({ (1...3).contains($0.utf8.count) && $0.utf8.allSatisfy(isDigit) }),
            let codeClass = UInt8(numbers[0]), UInt16(codeClass) == replyCode / 100,
            let subject = UInt16(numbers[1]), let detail = UInt16(numbers[2])
        else { return nil }
        return (replyCode, EnhancedStatusCode(codeClass, subject, detail))
    }

    /// One line of printable ASCII: what is folded is unfolded, every other character is a `?`, and what would not fit
    /// a reply line of 512 octets with its codes is cut (RFC 5321 section 4.5.3.1.5).
    private static func replyText(_ value: String) -> String {
        var text: [UInt8] = []
        for scalar in value.unicodeScalars where text.count < 480 {
            switch scalar.value {
            case 0x20, 0x09, 0x0A, 0x0D:
                if text.last != 0x20 { text.append(0x20) }
            case 0x21...0x7E:
                text.append(UInt8(truncatingIfNeeded: scalar.value))
            default:
                text.append(UInt8(ascii: "?"))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    private static func isDigit(_ octet: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(octet)
    }
}
