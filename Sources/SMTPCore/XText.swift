/// xtext (RFC 3461 section 4): any octets as printable ASCII without spaces, for the values of ENVID=, ORCPT= and AUTH=.
///
///     a+b=c  <->  a+2Bb+3Dc
///
/// A value that is passed on keeps the spelling that it came with. One that is decoded may hold any octet: it must not
/// get into a line unless it is encoded again.
public enum XText {
    /// The octets in xtext: only those that have to be are encoded.
    public static func encode(_ octets: Span<UInt8>) -> String {
        var text: [UInt8] = []
        text.reserveCapacity(octets.count + 16)
        for index in 0..<octets.count {
            let octet = octets[index]
            if isXChar(octet) {
                text.append(octet)
            } else {
                text.append(UInt8(ascii: "+"))
                text.append(upperHexDigit(octet >> 4))
                text.append(upperHexDigit(octet & 15))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// The octets that xtext stands for; nil for what is none: a `+` without two digits behind it, a digit in lower case,
    /// `=`, a space, a control character, an octet over 127.
    public static func decode(_ text: Span<UInt8>) -> [UInt8]? {
        guard let content = XTextContent(text) else { return nil }
        var octets: [UInt8] = []
        octets.reserveCapacity(content.count)
        var cursor = 0
        while let octet = nextOctet(of: text, &cursor) { octets.append(octet) }
        return octets
    }
}

/// What xtext stands for, without making it.
struct XTextContent {
    /// How many octets.
    private(set) var count = 0
    /// Whether all of them are ASCII from space to tilde.
    private(set) var isPrintable = true
    /// Whether one of them is a control character of ASCII.
    private(set) var hasControl = false

    /// Nil for what is no xtext.
    init?(_ text: Span<UInt8>) {
        var cursor = 0
        while let octet = nextOctet(of: text, &cursor) {
            self.count += 1
            self.isPrintable = self.isPrintable && SMTPCore.isPrintable(octet)
            self.hasControl = self.hasControl || octet < 0x20 || octet == 0x7F
        }
        guard cursor == text.count else { return nil }
    }
}

/// Exclamation mark to tilde, but for the two that have a meaning.
@inline(__always)
private func isXChar(_ octet: UInt8) -> Bool {
    isPrintable(octet) && octet != 0x20 && octet != UInt8(ascii: "+") && octet != UInt8(ascii: "=")
}

@inline(__always)
private func upperHexDigit(_ value: UInt8) -> UInt8 { value < 10 ? value + 0x30 : value + 0x37 }

/// The octet that stands at the cursor, which moves behind it; nil, and the cursor where it was, at the end and at what is
/// no xtext.
@inline(__always)
private func nextOctet(of text: Span<UInt8>, _ cursor: inout Int) -> UInt8? {
    guard cursor < text.count else { return nil }
    let octet = text[cursor]
    if isXChar(octet) {
        cursor += 1
        return octet
    }
    guard octet == UInt8(ascii: "+"), cursor + 2 < text.count, let high = upperHexValue(text[cursor + 1]),
        let low = upperHexValue(text[cursor + 2])
    else { return nil }
    cursor += 3
    return high << 4 | low
}

/// Whether this is a utf-8-addr-xtext or a utf-8-addr-unitext (RFC 6533 section 3), in a line that is UTF-8.
///
/// Deviates: control characters cannot be written by their code point; RFC 6533 excludes CR and LF only.
func isUnitext(_ text: Span<UInt8>) -> Bool {
    guard !text.isEmpty else { return false }
    var cursor = 0
    while cursor < text.count {
        if text[cursor] == UInt8(ascii: "\\") {
            guard skipCodePoint(text, &cursor) else { return false }
        } else {
            guard isXChar(text[cursor]) || text[cursor] >= 0x80 else { return false }
            cursor += 1
        }
    }
    return true
}

/// `\x{HEXPOINT}`: what has no other spelling, in as few digits as it needs.
private func skipCodePoint(_ text: Span<UInt8>, _ cursor: inout Int) -> Bool {
    guard text.count - cursor >= 6, text[cursor + 1] == UInt8(ascii: "x"), text[cursor + 2] == UInt8(ascii: "{") else {
        return false
    }
    cursor += 3
    let start = cursor
    var value: UInt32 = 0
    while cursor < text.count, cursor - start < 6, let digit = hexValue(text[cursor]) {
        value = value << 4 | UInt32(digit)
        cursor += 1
    }
    guard cursor < text.count, text[cursor] == UInt8(ascii: "}"), cursor - start >= 2 else { return false }
    guard text[start] != UInt8(ascii: "0") else { return false }
    cursor += 1
    switch value {
    case 0x20, 0x2B, 0x3D, 0x5C: return true
    case 0xA0...0xD7FF, 0xE000...0x10FFFF: return true
    default: return false
    }
}
