import AuthHTTP
import Testing

@testable import Relay

private func der(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
    content.count < 128
        ? [tag, UInt8(content.count)] + content
        : [tag, 0x82, UInt8(content.count >> 8), UInt8(content.count & 0xFF)] + content
}

private let commonName: [UInt8] = [0x55, 0x04, 0x03], organization: [UInt8] = [0x55, 0x04, 0x0A]

/// One part of a name.
private func part(_ type: [UInt8], _ tag: UInt8, _ value: [UInt8]) -> [UInt8] {
    der(0x31, der(0x30, der(0x06, type) + der(tag, value)))
}

private func text(_ octets: [UInt8]) -> String? { DistinguishedName.text(octets[...]) }

/// A certificate as far as it is read: nobody has signed it.
private func certificate(serial: [UInt8] = [1], subject: [UInt8], issuer: [UInt8] = part(commonName, 0x0C, [0x61]))
    -> ClientCertificate
{
    let signed = der(0xA0, der(2, [2])) + der(2, serial) + der(0x30, []) + der(0x30, issuer) + der(0x30, [])
    return ClientCertificate(der(0x30, der(0x30, signed + der(0x30, subject))))
}

@Suite struct ClientCertificateTests {
    @Test("A name is written as RFC 2253 has it, its last part first, as OpenSSL writes it")
    func names() {
        #expect(
            text(part(organization, 0x13, Array("Ex, Inc".utf8)) + part(commonName, 0x0C, Array("a b".utf8)))
                == "CN=a b,O=Ex\\, Inc")
        #expect(text(part(commonName, 0x0C, Array("Zoë".utf8))) == "CN=Zo\\C3\\AB")
        #expect(text(part(commonName, 0x14, [0x5A, 0xEB])) == "CN=Z\\C3\\AB")
        #expect(text(part(commonName, 0x1E, [0x00, 0x5A, 0x00, 0xEB])) == "CN=Z\\C3\\AB")
        #expect(text(part(commonName, 0x0C, Array("#a+b\"<>;\\ ".utf8))) == "CN=\\#a\\+b\\\"\\<\\>\\;\\\\\\ ")
        #expect(text(part([0x2A, 0x03], 0x0C, Array("x".utf8))) == "1.2.3=#0C0178")
        #expect(text(part(commonName, 0x03, [0, 1])) == "CN=#03020001")
        let several = der(
            0x31,
            der(0x30, der(6, commonName) + der(0x0C, [0x61])) + der(0x30, der(6, organization) + der(0x0C, [0x62])))
        #expect(text(several) == "O=b+CN=a")
        #expect(text([]) == "")
    }

    @Test("Nothing in a name ends a line or forges a field", arguments: [0x0C, 0x13, 0x14, 0x16, 0x1E] as [UInt8])
    func forged(tag: UInt8) {
        let value = Array("x\r\nAuth-User: root\u{0}\u{7F}\u{85}\u{2028}".utf8)
        let even = value.count.isMultiple(of: 2) ? value : value + [0]
        let name = text(part(commonName, tag, even)) ?? ""
        #expect(name.utf8.allSatisfy { (0x20...0x7E).contains($0) })
        #expect(name.hasPrefix("CN="))
    }

    @Test("What cannot be read is left out, cut where it may be")
    func unreadable() {
        let name = part(organization, 0x13, Array("Example".utf8)) + part(commonName, 0x0C, Array("name".utf8))
        for count in 1..<name.count where count != part(organization, 0x13, Array("Example".utf8)).count {
            #expect(text(Array(name[..<count])) == nil, "cut at \(count)")
        }
        let whole = certificate(subject: name).octets
        for count in 0..<whole.count { #expect(ClientCertificate(Array(whole[..<count])).subject.isEmpty) }
        for index in whole.indices {
            var octets = whole
            octets[index] ^= 0xFF
            _ = ClientCertificate(octets)
        }
    }

    @Test("The serial number is hexadecimal, signed, without a leading zero octet")
    func serials() {
        let name = part(commonName, 0x0C, [0x62])
        let table: [([UInt8], String)] = [
            ([0x01], "01"), ([0x00, 0x80], "80"), ([0x0A, 0xBC], "0ABC"), ([0x00], "00"), ([0xFF], "-01"),
            ([0x80, 0x00], "-8000"),
        ]
        for (octets, expected) in table { #expect(certificate(serial: octets, subject: name).serial == expected) }
        let whole = certificate(subject: name)
        #expect(whole.subject == "CN=b" && whole.issuer == "CN=a")
    }

    @Test("The fingerprint is SHA-1 in lower case, and PEM has lines of 64")
    func fingerprint() {
        let whole = ClientCertificate(Array("abc".utf8))
        #expect(whole.fingerprint == "a9993e364706816aba3e25717850c26c9cd0d89d")
        #expect(
            String(decoding: whole.pem, as: UTF8.self)
                == "-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n")
        let long = ClientCertificate([UInt8](repeating: 0x41, count: 100)).pem
        let lines = String(decoding: long, as: UTF8.self).split(separator: "\n").map(\.count)
        #expect(lines == [27, 64, 64, 8, 25])
    }

    @Test("A lookup is told what nginx tells, and of a certificate where one was asked for")
    func facts() {
        var tls = ClientTLS(version: "TLSv1.3", cipher: "TLS_AES_128_GCM_SHA256")
        tls.certificate = certificate(subject: part(commonName, 0x0C, [0x62]))
        #expect(tls.lookupFacts(passesCertificate: true).subject.isEmpty)
        tls.verification = .success
        #expect(tls.lookupFacts(passesCertificate: false).subject == "CN=b")
        #expect(tls.lookupFacts(passesCertificate: false).certificate.isEmpty)
        #expect(!tls.lookupFacts(passesCertificate: true).certificate.isEmpty)
        tls.verification = .failed("certificate has expired")
        #expect(tls.lookupFacts(passesCertificate: false).verification == "FAILED:certificate has expired")
        tls.verification = .none
        tls.certificate = nil
        let none = tls.lookupFacts(passesCertificate: true)
        #expect(none.verification == "NONE" && none.serial.isEmpty && none.fingerprint.isEmpty)
    }
}
