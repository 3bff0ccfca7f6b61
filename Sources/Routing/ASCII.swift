// Comparisons by octet: Swift compares strings by canonical equivalence, where U+212A (KELVIN SIGN) equals "K" and two
// spellings of one accented letter are the same. Mailboxes are neither folded nor normalised (RFC 6531 section 3.7.1).

/// Whether every octet of `text` is ASCII.
func isASCII(_ text: String) -> Bool {
    text.utf8.allSatisfy { $0 < 0x80 }
}

/// `text` with its ASCII letters in lower case and every other octet as it is.
func lowercasedASCII(_ text: String) -> String {
    guard text.utf8.contains(where: { (0x41...0x5A).contains($0) }) else { return text }
    return String(decoding: text.utf8.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }, as: UTF8.self)
}

/// An octet, in lower case where it is an ASCII letter.
@inline(__always)
func lowercasedASCII(_ octet: UInt8) -> UInt8 {
    octet &- 0x41 < 26 ? octet | 0x20 : octet
}

/// Whether both have the same octets.
func sameOctets(_ left: String, _ right: String) -> Bool {
    left.utf8.count == right.utf8.count && left.utf8.elementsEqual(right.utf8)
}
