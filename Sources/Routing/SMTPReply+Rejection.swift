package import SMTPCore

extension SMTPReply {
    /// `556 5.1.10`: the domain takes no mail (RFC 7504 section 5.2, RFC 7505 section 4.1).
    package static let nullMX = SMTPReply(556, .init(5, 1, 10), "Recipient address has null MX")
    /// `550 5.1.2`: what is right of the @ can be nobody's domain (RFC 3463 section 3.2).
    ///
    /// Not 553, which finds fault with the mailbox's name: the address may be well formed for RFC 6531. And not the
    /// lookup's to decide: it would get octets that no resolver takes.
    package static let noSuchDomain = SMTPReply(550, .init(5, 1, 2), "Bad destination domain")

    /// The longest text of a rejection: with codes and CRLF the line stays within 512 octets (RFC 5321 section
    /// 4.5.3.1.5).
    package static let longestRejection = 490

    /// Parses the refusal of a route: `550 5.1.1 No such user`, `450 Come back later` or `null-mx`.
    ///
    /// The enhanced code may be left out and is then X.7.1, delivery not authorised (RFC 3463 section 3.8). Fails with
    /// what is wrong, as a clause.
    package init(parsingRejection text: String) throws(RejectionError) {
        if sameOctets(text, "null-mx") {
            self = .nullMX
            return
        }
        guard text.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) else {
            throw RejectionError("it has a character in it that is not printable ASCII")
        }
        // ASCII: a Character is an octet.
        let parts = text.split(separator: " ", maxSplits: 1)
        guard let code = parts.first.flatMap({ Self.rejectionCode($0) }) else {
            throw RejectionError(
                "it does not begin with a reply code from 400 to 559: write \"550 5.1.1 No such user\"")
        }
        // The channel would close (RFC 5321 section 3.8), and with it go the recipients that were accepted.
        guard code != 421 else { throw RejectionError("421 would end the session: write 450 or 451") }
        var words = parts.count > 1 ? parts[1].drop { $0 == " " } : ""
        var enhanced = EnhancedStatusCode(UInt8(code / 100), 7, 1)
        let first = words.prefix { $0 != " " }
        if first.contains("."), first.allSatisfy({ $0.isNumber || $0 == "." }) {
            guard let written = Self.enhancedCode(first) else {
                throw RejectionError("\"\(first)\" is not an enhanced status code: write three numbers, as in 5.1.1")
            }
            guard written.codeClass == UInt8(code / 100) else {
                throw RejectionError("\(first) is of another class than \(code) (RFC 2034 section 4)")
            }
            enhanced = written
            words = words.dropFirst(first.count).drop { $0 == " " }
        }
        guard !words.isEmpty else { throw RejectionError("it has no text: write \"550 5.1.1 No such user\"") }
        guard words.utf8.count <= Self.longestRejection else {
            throw RejectionError("its text has more than \(Self.longestRejection) octets")
        }
        self.init(code, enhanced, String(words))
    }

    /// RFC 5321 section 4.2: the second digit is 0 to 5.
    private static func rejectionCode(_ text: Substring) -> UInt16? {
        guard text.utf8.count == 3, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let code = UInt16(text),
            (400...599).contains(code), code / 10 % 10 <= 5
        else { return nil }
        return code
    }

    private static func enhancedCode(_ text: Substring) -> EnhancedStatusCode? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, parts.allSatisfy({ (1...3).contains($0.utf8.count) }), let codeClass = UInt8(parts[0]),
            let subject = UInt16(parts[1]), let detail = UInt16(parts[2])
        else { return nil }
        return EnhancedStatusCode(codeClass, subject, detail)
    }
}

/// Why a text is no rejection.
package struct RejectionError: Error, Equatable, Sendable {
    /// What is wrong, as a clause.
    package var message: String

    init(_ message: String) { self.message = message }
}
