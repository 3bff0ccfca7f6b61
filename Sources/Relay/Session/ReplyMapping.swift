package import Routing
package import SMTPCore

/// What a backend's reply becomes before a client gets it.
///
/// - An enhanced code of its class is added where it has none (RFC 2034).
/// - 421 becomes 451: it would say that *our* channel closes (RFC 5321 section 3.8).
/// - The backend's own names become ours: who sends mail to us need not learn what stands behind us.
/// - Texts are ASCII unless the transaction asked for SMTPUTF8 (RFC 6531 section 3.7.4): the handler sees to that where it
///   writes them.
///
/// All lines of a reply are kept.
package struct ReplyMapping: Sendable {
    /// The most octets of a line's text, so that with its codes and CRLF it has 512 (RFC 5321 section 4.5.3.1.5).
    private static let longestText = 490
    /// A name of one label with fewer octets stands in too many texts by chance.
    private static let shortestLabel = 3
    /// Words that stand in greetings where a name should, and in texts where they name nobody.
    private static let commonWords: Set<String> = [
        "smtp", "esmtp", "lmtp", "mail", "server", "ready", "hello", "postmaster",
    ]

    private let serverName: String
    /// What is replaced, in lower case, the longest first.
    private let names: [[UInt8]]
    /// The octets that names begin with, in either case.
    private let initials: Set256

    /// Makes a mapping that leaves texts as they are: `replies: pass`.
    package init() {
        self.serverName = ""
        self.names = []
        self.initials = Set256()
    }

    /// Makes a mapping that replaces a backend's names by `serverName`.
    ///
    /// - Parameters:
    ///   - introduced: the first words of the backend's greeting and of its reply to EHLO. One that could be any word, as
    ///     it has no dot, counts where both are the same.
    ///   - configured: the backend as the configuration has it; nil where a lookup named it.
    ///   - address: its IP address, without brackets, and its port; nil where it has none.
    package init(
        serverName: String, introduced: [String], configured: BackendAddress?,
        address: (host: String, port: Int)? = nil
    ) {
        var names: Set<String> = []
        for name in introduced where name.utf8.contains(where: { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: ":") }) {
            names.insert(name)
        }
        if introduced.count > 1, let name = introduced.first,
            introduced.allSatisfy({ $0.lowercasedASCII == name.lowercasedASCII })
        {
            names.insert(name)
        }
        switch configured {
        case .host(let name, let port): names.formUnion([name, "\(name):\(port)"])
        case .ip(let address, let port): names.formUnion(Self.spellings(address.description, Int(port)))
        case .unix(let path): names.insert(path)
        case nil: break
        }
        if let address { names.formUnion(Self.spellings(address.host, address.port)) }
        let own = serverName.lowercasedASCII
        self.serverName = serverName
        self.names =
            names.map(\.lowercasedASCII)
            .filter { name in
                name != own && !Self.commonWords.contains(name) && name.utf8.count >= Self.shortestLabel
            }
            .map { Array($0.utf8) }
            .sorted { $0.count > $1.count }
        var initials = Set256()
        for initial in self.names.compactMap(\.first) {
            initials.insert(initial)
            if (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(initial) { initials.insert(initial & ~0x20) }
        }
        self.initials = initials
    }

    /// The ways to write an address: alone, in brackets as RFC 5321 has literals, with the port.
    private static func spellings(_ host: String, _ port: Int) -> [String] {
        host.utf8.contains(UInt8(ascii: ":"))
            ? [host, "[\(host)]", "[ipv6:\(host)]", "[\(host)]:\(port)"]
            : [host, "[\(host)]", "\(host):\(port)", "[\(host)]:\(port)"]
    }

    /// The reply as the client gets it.
    package func relayed(_ reply: SMTPReply, known: [String] = []) -> SMTPReply {
        self.masked(reply.relayed, known: known)
    }

    /// The reply with the backend's names replaced, and its codes as they are.
    ///
    /// - Parameter known: names that the client itself has said, such as its recipients' domains: they give nothing away.
    package func masked(_ reply: SMTPReply, known: [String] = []) -> SMTPReply {
        guard !self.names.isEmpty, self.hasName(reply.text.utf8Span.span) else { return reply }
        let names = self.names.filter { name in
            !known.contains { $0.utf8.count == name.count && name.elementsEqual($0.utf8.lazy.map(lowerCased)) }
        }
        let lines = reply.lines
        let masked = lines.map { self.masked($0, names) }
        return masked == lines ? reply : SMTPReply(reply.replyCode, reply.enhancedStatusCode, lines: masked)
    }
}

extension ReplyMapping {
    /// Whether one of the names may stand there: almost no reply has one, and is not copied then.
    private func hasName(_ text: Span<UInt8>) -> Bool {
        for start in text.indices where self.initials.contains(text[start]) {
            if self.name(in: text, at: start, self.names) != nil { return true }
        }
        return false
    }

    /// The text with each of the names, where it stands as a word of its own, replaced.
    private func masked(_ text: String, _ names: [[UInt8]]) -> String {
        let octets = Array(text.utf8)
        var result: [UInt8] = []
        var index = 0
        var lastEnd = -1
        while index < octets.count {
            guard let name = self.name(in: octets.span, at: index, names) else {
                result.append(octets[index])
                index += 1
                continue
            }
            // `backend.example[192.0.2.1]` is one thing by two names.
            if index != lastEnd { result += self.serverName.utf8 }
            index += name
            lastEnd = index
        }
        guard result.count != octets.count || result != octets else { return text }
        // Replacing can lengthen a line, and a backend could fill one with its name.
        if result.count > max(Self.longestText, octets.count) {
            result.removeLast(result.count - max(Self.longestText, octets.count))
            // The cut must not leave half a character.
            while let last = result.last, last >= 0x80 { result.removeLast() }
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// How long the name is that begins here; nil where none does.
    private func name(in text: Span<UInt8>, at start: Int, _ names: [[UInt8]]) -> Int? {
        for index in names.indices where Self.stands(names[index], in: text, at: start) { return names[index].count }
        return nil
    }

    private static func stands(_ name: [UInt8], in text: Span<UInt8>, at start: Int) -> Bool {
        guard start + name.count <= text.count else { return false }
        for offset in name.indices where lowerCased(text[start + offset]) != name[offset] { return false }
        let isWithinName =
            start > 0 && (self.isPartOfName(text[start - 1]) || text[start - 1] == UInt8(ascii: "."))
        // A bracket is a boundary by itself.
        if isWithinName, name.first.map(self.isPartOfName) == true { return false }
        let end = start + name.count
        guard end < text.count, name.last.map(self.isPartOfName) == true else { return true }
        // A dot may end the sentence, or lead on to the rest of a longer name.
        let next = text[end] == UInt8(ascii: ".") && end + 1 < text.count ? text[end + 1] : text[end]
        return !self.isPartOfName(next)
    }

    private static func isPartOfName(_ octet: UInt8) -> Bool {
        octet >= 0x80 || octet == UInt8(ascii: "-") || octet == UInt8(ascii: "_")
            || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(octet)
            || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(lowerCased(octet))
    }
}

/// A set of octets.
private struct Set256: Sendable {
    private var bits = SIMD4<UInt64>()

    func contains(_ octet: UInt8) -> Bool { self.bits[Int(octet >> 6)] >> UInt64(octet & 63) & 1 != 0 }

    mutating func insert(_ octet: UInt8) { self.bits[Int(octet >> 6)] |= 1 << UInt64(octet & 63) }
}

private func lowerCased(_ octet: UInt8) -> UInt8 {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(octet) ? octet | 0x20 : octet
}

extension String {
    fileprivate var lowercasedASCII: String { String(decoding: self.utf8.map(lowerCased), as: UTF8.self) }
}
