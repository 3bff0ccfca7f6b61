/// A name of a certificate as nginx tells it: RFC 2253, as OpenSSL's `XN_FLAG_RFC2253` writes it.
///
/// The last part comes first. Whatever is in the name, only printable ASCII comes out: control characters and octets over 127
/// as `\0D` and the like, so that no name ends a line or forges a field.
enum DistinguishedName {
    /// The text of a Name, by its DER; nil where it cannot be read.
    static func text(_ octets: ArraySlice<UInt8>) -> String? {
        var name = DER(octets)
        var parts: [String] = []
        while !name.rest.isEmpty {
            guard let set = name.next(0x31) else { return nil }
            var elements = DER(set)
            var part: [String] = []
            while !elements.rest.isEmpty {
                guard let sequence = elements.next(0x30) else { return nil }
                var element = DER(sequence)
                guard let type = element.next(0x06), let identifier = DER.identifier(type), let value = element.next()
                else { return nil }
                if let word = Self.words[identifier] {
                    part.append("\(word)=\(Self.text(value))")
                } else {
                    part.append("\(identifier)=\(Self.dump(value))")
                }
            }
            parts.append(part.reversed().joined(separator: "+"))
        }
        return parts.reversed().joined(separator: ",")
    }

    /// OpenSSL's words for the parts of names.
    private static let words = [
        "2.5.4.3": "CN", "2.5.4.4": "SN", "2.5.4.5": "serialNumber", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST",
        "2.5.4.9": "street", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.12": "title", "2.5.4.13": "description",
        "2.5.4.17": "postalCode", "2.5.4.41": "name", "2.5.4.42": "GN", "2.5.4.43": "initials",
        "2.5.4.44": "generationQualifier", "2.5.4.46": "dnQualifier", "2.5.4.65": "pseudonym",
        "2.5.4.97": "organizationIdentifier", "0.9.2342.19200300.100.1.1": "UID",
        "0.9.2342.19200300.100.1.25": "DC", "1.2.840.113549.1.9.1": "emailAddress",
    ]

    /// The string as UTF-8, escaped; a value that is no string as `#` and its DER.
    private static func text(_ value: DER.Value) -> String {
        let octets: [UInt8]
        switch value.tag {
        case 0x0C, 0x12, 0x13, 0x16, 0x1A:  // UTF8, numeric, printable, IA5 and visible strings
            octets = Array(value.content)
        case 0x14:  // T61 strings, taken for Latin-1 as everybody does
            octets = value.content.flatMap { Array(String(UnicodeScalar($0)).utf8) }
        case 0x1E:  // BMP strings
            guard value.content.count.isMultiple(of: 2) else { return Self.dump(value) }
            var fields = Fields(value.content)
            var units: [UInt16] = []
            while let unit = fields.number(2) { units.append(UInt16(unit)) }
            octets = Array(String(decoding: units, as: UTF16.self).utf8)
        default:
            return Self.dump(value)
        }
        return Self.escaped(octets)
    }

    private static func escaped(_ octets: [UInt8]) -> String {
        var text = ""
        for (index, octet) in octets.enumerated() {
            switch octet {
            case UInt8(ascii: ","), UInt8(ascii: "+"), UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "<"),
                UInt8(ascii: ">"), UInt8(ascii: ";"):
                text += "\\\(UnicodeScalar(octet))"
            case UInt8(ascii: "#") where index == 0, UInt8(ascii: " ") where index == 0 || index == octets.count - 1:
                text += "\\\(UnicodeScalar(octet))"
            case 0x20...0x7E: text.unicodeScalars.append(UnicodeScalar(octet))
            default: text += "\\" + octet.hexadecimal
            }
        }
        return text
    }

    private static func dump(_ value: DER.Value) -> String {
        "#" + value.octets.map(\.hexadecimal).joined()
    }
}

extension UInt8 {
    /// Two digits, letters in upper case.
    var hexadecimal: String {
        let digits = String(self, radix: 16, uppercase: true)
        return digits.count == 1 ? "0" + digits : digits
    }
}
