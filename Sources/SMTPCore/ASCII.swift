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

/// The text of octets that were found to be ASCII.
func string(_ octets: Span<UInt8>) -> String {
    guard let text = try? UTF8Span(validating: octets) else { return "" }
    return String(copying: text)
}
