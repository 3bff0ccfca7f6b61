import Crypto
import SMTPCore

/// What a client's certificate says, as lookups are told it.
struct ClientCertificate: Equatable, Sendable {
    /// The DER of the whole.
    let octets: [UInt8]
    /// Whose it is and whose it was signed with (RFC 2253); empty where that cannot be read.
    private(set) var subject = "", issuer = ""
    /// Hexadecimal, in upper case, two digits an octet.
    private(set) var serial = ""

    /// Reads a certificate (RFC 5280 section 4.1).
    init(_ octets: [UInt8]) {
        self.octets = octets
        var outer = DER(octets[...])
        guard let certificate = outer.next(0x30) else { return }
        var parts = DER(certificate)
        guard let signed = parts.next(0x30) else { return }
        var fields = DER(signed)
        _ = fields.next(0xA0)  // the version, where it is not 1
        guard let number = fields.next(0x02) else { return }
        self.serial = Self.text(number)
        guard fields.next(0x30) != nil, let issuer = fields.next(0x30), fields.next(0x30) != nil,
            let subject = fields.next(0x30)
        else { return }
        self.issuer = DistinguishedName.text(issuer) ?? ""
        self.subject = DistinguishedName.text(subject) ?? ""
    }

    /// SHA-1 of the DER, hexadecimal in lower case, as nginx has it: a name, not a proof.
    var fingerprint: String {
        Insecure.SHA1.hash(data: self.octets).map { $0.hexadecimal.lowercased() }.joined()
    }

    /// The certificate in PEM, lines of 64 and a line feed behind the last, as OpenSSL writes it.
    var pem: [UInt8] {
        var text = "-----BEGIN CERTIFICATE-----\n"
        for start in stride(from: 0, to: self.octets.count, by: 48) {
            let line = start..<min(start + 48, self.octets.count)
            text += Base64.encode(self.octets.span.extracting(line)) + "\n"
        }
        return Array((text + "-----END CERTIFICATE-----\n").utf8)
    }

    /// As OpenSSL's i2a_ASN1_INTEGER: a minus sign, and no leading zero octet.
    private static func text(_ number: ArraySlice<UInt8>) -> String {
        guard let first = number.first else { return "" }
        var octets = Array(number)
        var sign = ""
        if first & 0x80 != 0 {
            sign = "-"
            var carry = true
            for index in octets.indices.reversed() {
                octets[index] = ~octets[index] &+ (carry ? 1 : 0)
                carry = carry && octets[index] == 0
            }
        }
        while octets.count > 1, octets[0] == 0 { octets.removeFirst() }
        return sign + octets.map(\.hexadecimal).joined()
    }
}
