// Octets as the grammar of RFC 5321 and RFC 5234 names them.

let carriageReturn: UInt8 = 0x0D
let lineFeed: UInt8 = 0x0A
let dot: UInt8 = 0x2E

@inline(__always)
func isDigit(_ octet: UInt8) -> Bool { octet &- 0x30 < 10 }

@inline(__always)
func isLetter(_ octet: UInt8) -> Bool { (octet | 0x20) &- 0x61 < 26 }

@inline(__always)
func upperCased(_ octet: UInt8) -> UInt8 { octet &- 0x61 < 26 ? octet & 0xDF : octet }

/// What separates the words of a command: a space, and where the field is tolerant a tab.
@inline(__always)
func isBlank(_ octet: UInt8) -> Bool { octet == 0x20 || octet == 0x09 }

/// The value of a hexadecimal digit whose letter is in upper case, as xtext has them; nil for anything else.
@inline(__always)
func upperHexValue(_ octet: UInt8) -> UInt8? {
    if isDigit(octet) { return octet &- 0x30 }
    return octet &- 0x41 < 6 ? octet &- 0x37 : nil
}

/// The value of a hexadecimal digit in any case; nil for anything else.
@inline(__always)
func hexValue(_ octet: UInt8) -> UInt8? { upperHexValue(upperCased(octet)) }

/// Space to tilde: what a command, a reply's text and a header may hold without an extension.
@inline(__always)
func isPrintable(_ octet: UInt8) -> Bool { octet &- 0x20 < 0x5F }

/// `atext` of RFC 5322 section 3.2.3.
@inline(__always)
func isAtext(_ octet: UInt8) -> Bool {
    if isLetter(octet) || isDigit(octet) { return true }
    switch octet {
    case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"), UInt8(ascii: "&"),
        UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "/"),
        UInt8(ascii: "="), UInt8(ascii: "?"), UInt8(ascii: "^"), UInt8(ascii: "_"), UInt8(ascii: "`"),
        UInt8(ascii: "{"), UInt8(ascii: "|"), UInt8(ascii: "}"), UInt8(ascii: "~"):
        return true
    default:
        return false
    }
}

/// Whether `text` is `word`, whatever the case of its letters; `word` is in upper case.
@inline(__always)
func matches(_ text: Span<UInt8>, _ word: String) -> Bool {
    guard text.count == word.utf8.count else { return false }
    var index = 0
    for octet in word.utf8 {
        if upperCased(text[index]) != octet { return false }
        index += 1
    }
    return true
}

/// Whether both texts have the same octets; `==` of strings would take canonically equivalent ones for one.
@inline(__always)
func sameOctets(_ left: String, _ right: String) -> Bool {
    left.utf8.count == right.utf8.count && left.utf8.elementsEqual(right.utf8)
}

extension Hasher {
    /// Feeds a text's octets, for types whose equality goes by them.
    mutating func combineOctets(of text: String) {
        var word: UInt64 = 0
        var count = 0
        for octet in text.utf8 {
            word = word << 8 | UInt64(octet)
            count += 1
            if count & 7 == 0 { self.combine(word) }
        }
        self.combine(word)
        self.combine(count)
    }
}

/// The text of octets that were found to be UTF-8.
func string(_ octets: Span<UInt8>) -> String {
    guard let text = try? UTF8Span(validating: octets) else { return "" }
    return String(copying: text)
}
