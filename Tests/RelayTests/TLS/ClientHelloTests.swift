import Testing

@testable import Relay

/// A vector of TLS: its length in so many octets, then its content.
private func vector(_ count: Int, _ content: [UInt8]) -> [UInt8] {
    (0..<count).reversed().map { UInt8(truncatingIfNeeded: content.count >> (8 * $0)) } + content
}

private func hello(name: String? = nil, protocols: [String]? = nil, hasExtensions: Bool = true) -> [UInt8] {
    var extensions: [UInt8] = [0, 43] + vector(2, [2, 3, 4])
    if let name { extensions += [0, 0] + vector(2, vector(2, [0] + vector(2, Array(name.utf8)))) }
    if let protocols {
        extensions += [0, 16] + vector(2, vector(2, protocols.flatMap { vector(1, Array($0.utf8)) }))
    }
    var body: [UInt8] = [3, 3] + [UInt8](repeating: 7, count: 32)
    body += vector(1, [1, 2, 3]) + vector(2, [0x13, 0x01]) + vector(1, [0])
    if hasExtensions { body += vector(2, extensions) }
    return [1] + vector(3, body)
}

/// Records of at most so many octets each.
private func records(_ message: [UInt8], _ length: Int = 1 << 14) -> [UInt8] {
    stride(from: 0, to: message.count, by: length).flatMap { start in
        [22, 3, 1] + vector(2, Array(message[start..<min(start + length, message.count)]))
    }
}

@Suite struct ClientHelloTests {
    @Test("The name and the protocols are found, in one record or in many")
    func found() {
        let message = hello(name: "mail.example", protocols: ["h2", "smtp"])
        let expected = ClientHello(serverName: "mail.example", protocols: [Array("h2".utf8), Array("smtp".utf8)])
        for length in [4, 5, 40, 1 << 14] {
            #expect(ClientHello.parse(records(message, length)) == .whole(expected))
            #expect(ClientHello.parse(records(message, length) + [23, 3, 3]) == .whole(expected))
        }
        #expect(ClientHello.parse(records(hello())) == .whole(ClientHello()))
        #expect(ClientHello.parse(records(hello(hasExtensions: false))) == .whole(ClientHello()))
    }

    @Test("Cut at every octet it is waited for, and says for how much at least")
    func cut() {
        for length in [4, 1 << 14] {
            let whole = records(hello(name: "a.example", protocols: ["smtp"]), length)
            for count in 0..<whole.count {
                guard case .needMore(let needed) = ClientHello.parse(Array(whole[..<count])) else {
                    Issue.record("cut at \(count)")
                    continue
                }
                #expect(needed > count && needed <= whole.count)
            }
        }
    }

    @Test("One that is spread over more records than any client makes is refused, and no more of it is waited for")
    func crumbs() {
        let message = hello(name: "mail.example")
        let whole = records(message, 1)
        #expect(message.count > ClientHello.mostRecords)
        #expect(ClientHello.parse(whole) == .malformed)
        let most = 6 * ClientHello.mostRecords
        #expect(ClientHello.parse(Array(whole[..<(most - 1)])) == .needMore(most))
        #expect(ClientHello.parse(Array(whole[..<most])) == .malformed)
    }

    @Test(
        "What is no ClientHello is known at once",
        arguments: [
            Array("EHLO x\r\n".utf8), [23, 3, 3, 0, 1, 0], [22, 2, 0, 0, 1, 1], [22, 3, 1, 0, 0], [22, 3, 1, 0x40, 1],
            [22, 3, 1, 0, 4, 2, 0, 0, 0], [22, 3, 1, 0, 4, 1, 0xFF, 0, 0], [22, 3, 1, 0, 5, 1, 0, 0, 1, 3],
        ])
    func malformed(octets: [UInt8]) {
        #expect(ClientHello.parse(octets) == .malformed)
    }

    @Test("Whatever octet is changed, it is read or refused")
    func changed() {
        let whole = records(hello(name: "a.example", protocols: ["smtp", "h2"]))
        for index in whole.indices {
            for value in [0, 1, 0x7F, 0xFF] as [UInt8] {
                var octets = whole
                octets[index] = value
                switch ClientHello.parse(octets) {
                case .whole, .needMore, .malformed: break
                }
            }
        }
    }

    @Test("The cipher suite is read from the first record that a server sends")
    func cipher() {
        let start: [UInt8] = [22, 3, 3, 0, 90, 2, 0, 0, 86, 3, 3] + [UInt8](repeating: 9, count: 32)
        #expect(CipherSuite.chosen(inServerHello: start + vector(1, [1, 2]) + [0x13, 0x02, 0]) == 0x1302)
        #expect(CipherSuite.chosen(inServerHello: start + [0, 0xC0, 0x2F]) == 0xC02F)
        #expect(CipherSuite.chosen(inServerHello: [21, 3, 3, 0, 2, 2, 40]) == nil)
        #expect(CipherSuite.chosen(inServerHello: start) == nil)
        #expect(CipherSuite.name(of: 0xC02F) == "ECDHE-RSA-AES128-GCM-SHA256")
        #expect(CipherSuite.name(of: 0x1302) == "TLS_AES_256_GCM_SHA384")
    }

    @Test("A list of cipher suites in OpenSSL's language is worked out; what comes to nothing is nothing")
    func ciphers() {
        func names(_ list: String) -> [String] { CipherSuite.parse(list).map(\.name) }
        #expect(names("HIGH:!aNULL:!MD5").count == 14)
        #expect(names("EECDH+AESGCM") == names("ECDHE+AESGCM"))
        #expect(names("EECDH+AESGCM").count == 4)
        #expect(names("ECDHE-RSA-AES128-GCM-SHA256:AES256-SHA") == ["ECDHE-RSA-AES128-GCM-SHA256", "AES256-SHA"])
        #expect(names("HIGH:!kRSA:!SHA").allSatisfy { $0.hasPrefix("ECDHE-") && !$0.hasSuffix("-SHA") })
        #expect(names("!AES256-SHA:AES256-SHA").isEmpty)
        #expect(names("NULL:EXPORT:RC4:DHE-RSA-AES128-SHA").isEmpty)
        #expect(names("").isEmpty)
    }
}
