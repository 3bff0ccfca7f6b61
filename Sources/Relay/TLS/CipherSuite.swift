/// A cipher suite that BoringSSL has, by the names that OpenSSL, and so nginx, gives it.
struct CipherSuite: Hashable, Sendable {
    /// Its number in TLS.
    let number: UInt16
    /// OpenSSL's name.
    let name: String

    /// Those of TLS 1.2 that may be chosen, in the order in which they are offered by default: forward secrecy first.
    static let legacy = [
        CipherSuite(0xC02B, "ECDHE-ECDSA-AES128-GCM-SHA256"), CipherSuite(0xC02F, "ECDHE-RSA-AES128-GCM-SHA256"),
        CipherSuite(0xC02C, "ECDHE-ECDSA-AES256-GCM-SHA384"), CipherSuite(0xC030, "ECDHE-RSA-AES256-GCM-SHA384"),
        CipherSuite(0xCCA9, "ECDHE-ECDSA-CHACHA20-POLY1305"), CipherSuite(0xCCA8, "ECDHE-RSA-CHACHA20-POLY1305"),
        CipherSuite(0xC009, "ECDHE-ECDSA-AES128-SHA"), CipherSuite(0xC013, "ECDHE-RSA-AES128-SHA"),
        CipherSuite(0xC00A, "ECDHE-ECDSA-AES256-SHA"), CipherSuite(0xC014, "ECDHE-RSA-AES256-SHA"),
        CipherSuite(0x009C, "AES128-GCM-SHA256"), CipherSuite(0x009D, "AES256-GCM-SHA384"),
        CipherSuite(0x002F, "AES128-SHA"), CipherSuite(0x0035, "AES256-SHA"),
    ]
    /// Those of TLS 1.3, which cannot be chosen.
    static let modern = [
        CipherSuite(0x1301, "TLS_AES_128_GCM_SHA256"), CipherSuite(0x1302, "TLS_AES_256_GCM_SHA384"),
        CipherSuite(0x1303, "TLS_CHACHA20_POLY1305_SHA256"),
    ]
    /// What is offered where nothing is chosen: every one with forward secrecy and authenticated encryption, and those with
    /// CBC for old senders, whose other choice is no encryption at all.
    static let standard = Self.legacy.filter { $0.name.hasPrefix("ECDHE-") }

    private static let names = Dictionary(
        uniqueKeysWithValues: (Self.legacy + Self.modern).map { ($0.number, $0.name) })

    private init(_ number: UInt16, _ name: String) {
        self.number = number
        self.name = name
    }

    /// The name of a number; nil for one that BoringSSL does not have.
    static func name(of number: UInt16) -> String? { Self.names[number] }

    /// The cipher suite that a server chose, by the first octets that it sends: its ServerHello goes out in clear, in TLS 1.3
    /// too (RFC 8446 section 4.1.3). swift-nio-ssl does not tell.
    static func chosen(inServerHello octets: [UInt8]) -> UInt16? {
        var record = Fields(octets[...])
        guard record.number(1) == 22, record.take(2) != nil, record.take(2) != nil, record.number(1) == 2,
            record.take(3) != nil, record.take(2 + 32) != nil, record.vector(1) != nil
        else { return nil }
        return record.number(2).map { UInt16($0) }
    }

    /// The suites that a list in OpenSSL's language means, of those that there are; none where it names none of them.
    ///
    /// Names, and the words HIGH, DEFAULT, ALL, ECDHE, RSA, AES, AESGCM, CHACHA20 and the like, joined by `+`, and with `!`
    /// or `-` before them taken away. What it means must be worked out here: the library ends the process where a list
    /// comes to nothing.
    static func parse(_ list: String) -> [CipherSuite] {
        var chosen: [CipherSuite] = []
        var banned: Set<CipherSuite> = []
        for word in list.split(whereSeparator: { $0 == ":" || $0 == "," || $0 == " " }) {
            let isTaken = word.hasPrefix("!") || word.hasPrefix("-")
            let meant = Self.legacy.filter { $0.matches(isTaken ? word.dropFirst() : word) }
            if isTaken {
                if word.hasPrefix("!") { banned.formUnion(meant) }
                chosen.removeAll { meant.contains($0) }
            } else {
                chosen += meant.filter { !chosen.contains($0) && !banned.contains($0) }
            }
        }
        return chosen
    }

    private func matches(_ word: Substring) -> Bool {
        if word == self.name { return true }
        return word.split(separator: "+").allSatisfy { part in
            let parts = self.name.split(separator: "-")
            switch part {
            case "HIGH", "DEFAULT", "ALL", "kALL": return true
            case "ECDHE", "EECDH", "kECDHE", "kEECDH", "ECDH": return parts[0] == "ECDHE"
            case "RSA", "kRSA": return parts[0] != "ECDHE"
            case "aRSA": return !parts.contains("ECDSA")
            case "ECDSA", "aECDSA": return parts.contains("ECDSA")
            case "AES": return parts.contains { $0.hasPrefix("AES") }
            case "AES128", "AES256", "CHACHA20", "SHA256", "SHA384": return parts.contains(part)
            case "AESGCM": return parts.contains("GCM")
            case "SHA", "SHA1": return parts.contains("SHA")
            default: return false
            }
        }
    }
}
