import Routing
import Testing

@testable import ProxyProtocol

@Suite struct ProxyHeaderTests {
    /// What comes of a text whole, and at every cut before that.
    private func parse(_ octets: [UInt8]) throws -> ProxyHeader.Parsed? {
        let whole = try ProxyHeader.parse(octets.span)
        for count in 0..<octets.count {
            let part = try ProxyHeader.parse(octets.span.extracting(0..<count))
            if let whole, count >= whole.length {
                #expect(part == whole)
            } else {
                #expect(part == nil, "cut at \(count)")
            }
        }
        return whole
    }

    private func error(_ octets: [UInt8]) -> ProxyHeaderError? {
        do {
            _ = try ProxyHeader.parse(octets.span)
            return nil
        } catch {
            return error
        }
    }

    private static func client(_ source: String, _ port: UInt16, _ destination: String, _ at: UInt16)
        -> ProxyHeader
        .Subject
    {
        .client(.init(IPAddress(source) ?? .v4(0), port: port), to: .init(IPAddress(destination) ?? .v4(0), port: at))
    }

    @Test(
        "The lines of version 1 are read, however they are cut",
        arguments: [
            ("PROXY TCP4 192.0.2.42 198.51.100.1 50000 25", client("192.0.2.42", 50000, "198.51.100.1", 25)),
            ("PROXY TCP4 255.255.255.255 0.0.0.0 65535 0", client("255.255.255.255", 65535, "0.0.0.0", 0)),
            ("PROXY TCP6 2001:db8::1 ::1 1 25", client("2001:db8::1", 1, "::1", 25)),
            ("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 25", client("192.0.2.1", 1, "::1", 25)),
            ("PROXY UNKNOWN", .unknown), ("PROXY UNKNOWN ", .unknown),
            ("PROXY UNKNOWN ffff::1 ffff::2 65535 65535", .unknown),
        ])
    func version1(_ line: String, _ expected: ProxyHeader.Subject) throws {
        let header = ProxyHeader(expected)
        let length = line.utf8.count + 2
        #expect(try self.parse(Array("\(line)\r\n".utf8)) == .init(header: header, length: length))
        #expect(try self.parse(Array("\(line)\r\nEHLO x\r\n".utf8)) == .init(header: header, length: length))
    }

    @Test(
        "What is no line of version 1 is refused",
        arguments: [
            ("EHLO x\r\n", .missing), ("P\r\n", .missing), ("proxy TCP4", .missing), ("PROXY\r\n", .missing),
            ("\n", .missing), ("PROXY \r\n", .malformed), ("PROXY TCP4\r\n", .malformed),
            ("PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n", .malformed), ("PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n", .malformed),
            ("PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n", .malformed), ("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n", .malformed),
            ("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\rX", .malformed), ("PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n", .malformed),
            ("PROXY TCP4\t1.1.1.1 2.2.2.2 1 2\r\n", .malformed),
            ("PROXY TCP4 1.1.1.1 ::1 1 2\r\n", .badAddress), ("PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n", .badAddress),
            ("PROXY TCP4 01.1.1.1 2.2.2.2 1 2\r\n", .badAddress), ("PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n", .badAddress),
            ("PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n", .badAddress),
            ("PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n", .badAddress),
            ("PROXY TCP4 1.1.1.1 2.2.2.2 -1 2\r\n", .badAddress),
            ("PROXY TCP4 1.1.1.1 2.2.2.2 1 \r\n", .badAddress),
            ("PROXY TCP6 fe80::1%lo ::1 1 2\r\n", .badAddress), ("PROXY TCP4 localhost 2.2.2.2 1 2\r\n", .badAddress),
        ] as [(String, ProxyHeaderError)])
    func notVersion1(_ text: String, _ expected: ProxyHeaderError) {
        #expect(self.error(Array(text.utf8)) == expected)
    }

    @Test("A line of version 1 has 107 octets at most")
    func longest() throws {
        let line = "PROXY UNKNOWN " + String(repeating: "x", count: 107 - 16)
        #expect(try self.parse(Array("\(line)\r\n".utf8))?.length == 107)
        #expect(self.error(Array("\(line)x\r\n".utf8)) == .tooLong)
        #expect(self.error(Array("\(line)x\r".utf8)) == .tooLong)
        #expect(self.error(Array("\(line)xx".utf8)) == .tooLong)
        #expect(try ProxyHeader.parse(Array(line.utf8).span) == nil)
    }

    static let signature = Version2.signature
    static let ip4: [UInt8] = [192, 0, 2, 42, 198, 51, 100, 1, 0xC3, 0x50, 0, 25]
    static let ip6: [UInt8] =
        [0x20, 1, 0xD, 0xB8] + [UInt8](repeating: 0, count: 11) + [1] + [UInt8](repeating: 0, count: 15)
        + [1, 0, 1, 0, 25]

    static func binary(_ command: UInt8, _ family: UInt8, _ rest: [UInt8], length: Int? = nil) -> [UInt8] {
        let length = length ?? rest.count
        return self.signature + [command, family, UInt8(length >> 8), UInt8(length & 255)] + rest
    }

    @Test(
        "The headers of version 2 are read, however they are cut",
        arguments: [
            (binary(0x21, 0x11, ip4), client("192.0.2.42", 50000, "198.51.100.1", 25)),
            (binary(0x21, 0x21, ip6), client("2001:db8::1", 1, "::1", 25)),
            (
                binary(0x21, 0x21, [UInt8](repeating: 0, count: 10) + [255, 255, 192, 0, 2, 1] + ip6[16...]),
                client("192.0.2.1", 1, "::1", 25)
            ),
            (binary(0x21, 0x31, [UInt8](repeating: 65, count: 216)), .unknown),
            (binary(0x21, 0x12, ip4), .unknown), (binary(0x21, 0x10, ip4), .unknown),
            (binary(0x21, 0x00, []), .unknown), (binary(0x21, 0x00, [1, 2, 3]), .unknown),
            (binary(0x20, 0x00, []), .proxy), (binary(0x20, 0x11, ip4), .proxy), (binary(0x20, 0xFF, [9]), .proxy),
            (binary(0x21, 0x11, ip4 + [4, 0, 2, 0, 0]), client("192.0.2.42", 50000, "198.51.100.1", 25)),
            (
                binary(0x21, 0x11, ip4 + [0x20, 0, 9, 1, 0, 0, 0, 0, 0x21, 0, 1, 65, 0xEE, 0, 0]),
                client("192.0.2.42", 50000, "198.51.100.1", 25)
            ),
        ] as [([UInt8], ProxyHeader.Subject)])
    func version2(_ octets: [UInt8], _ expected: ProxyHeader.Subject) throws {
        let header = ProxyHeader(expected)
        #expect(try self.parse(octets) == .init(header: header, length: octets.count))
        #expect(try self.parse(octets + [0x16, 3, 1]) == .init(header: header, length: octets.count))
    }

    @Test(
        "What is no header of version 2 is refused",
        arguments: [
            (binary(0x11, 0x11, ip4), .unsupported), (binary(0x22, 0x11, ip4), .unsupported),
            (binary(0x21, 0x41, ip4), .unsupported), (binary(0x21, 0x13, ip4), .unsupported),
            (binary(0x21, 0x11, Array(ip4.dropLast())), .addressesCutShort),
            (binary(0x21, 0x21, ip4), .addressesCutShort), (binary(0x21, 0x31, ip4), .addressesCutShort),
            (binary(0x21, 0x11, ip4 + [4]), .badTLV), (binary(0x21, 0x11, ip4 + [4, 0, 1]), .badTLV),
            (binary(0x21, 0x11, ip4 + [4, 255, 255, 0]), .badTLV),
            (binary(0x21, 0x11, ip4 + [3, 0, 3, 0, 0, 0]), .badTLV),
            (binary(0x21, 0x11, ip4 + [3, 0, 4, 0, 0, 0, 0]), .badChecksum),
            (binary(0x21, 0x11, ip4 + [0x20, 0, 4, 0, 0, 0, 0]), .badTLV),
            (binary(0x21, 0x11, ip4 + [0x20, 0, 8, 0, 0, 0, 0, 0, 0x21, 0, 1]), .badTLV),
            (binary(0x21, 0x11, [], length: 4096 - 15), .tooLong), (binary(0x21, 0x11, [], length: 65535), .tooLong),
            (Array(signature.dropLast()) + [0], .missing), ([0x0D, 0x0A, 0x0D, 0x0B], .missing),
        ] as [([UInt8], ProxyHeaderError)])
    func notVersion2(_ octets: [UInt8], _ expected: ProxyHeaderError) {
        #expect(self.error(octets) == expected)
    }

    @Test("A header of version 2 has 4096 octets at most")
    func longest2() throws {
        let value = 4096 - 16 - Self.ip4.count - 3
        let filler: [UInt8] = [4, UInt8(value >> 8), UInt8(value & 255)] + [UInt8](repeating: 0, count: value)
        let octets = Self.binary(0x21, 0x11, Self.ip4 + filler)
        #expect(octets.count == 4096)
        #expect(try ProxyHeader.parse(octets.span)?.length == 4096)
    }

    @Test("A checksum is verified where there is one")
    func checksum() throws {
        #expect(crc32c(Array("123456789".utf8).span) == 0xE306_9283)
        var octets = Self.binary(0x21, 0x11, Self.ip4 + [3, 0, 4, 0, 0, 0, 0])
        let crc = crc32c(octets.span)
        for index in 0..<4 { octets[octets.count - 4 + index] = UInt8(truncatingIfNeeded: crc >> (24 - 8 * index)) }
        #expect(try self.parse(octets)?.length == octets.count)
        octets[16] ^= 1
        #expect(self.error(octets) == .badChecksum)
    }

    @Test(
        "Version 1 is written as nginx writes it",
        arguments: [
            (
                client("192.0.2.42", 50000, "198.51.100.1", 25),
                "PROXY TCP4 192.0.2.42 198.51.100.1 50000 25\r\n"
            ),
            (client("2001:db8::1", 1, "::1", 25), "PROXY TCP6 2001:db8::1 ::1 1 25\r\n"),
            (client("2001:db8::1", 1, "192.0.2.1", 25), "PROXY TCP6 2001:db8::1 ::ffff:192.0.2.1 1 25\r\n"),
            (.unknown, "PROXY UNKNOWN\r\n"), (.proxy, "PROXY UNKNOWN\r\n"),
        ])
    func writing1(_ subject: ProxyHeader.Subject, _ line: String) {
        #expect(String(decoding: ProxyHeader(subject).version1, as: UTF8.self) == line)
    }

    @Test("Version 2 is written without TLVs")
    func writing2() {
        let client = ProxyHeader(Self.client("192.0.2.42", 50000, "198.51.100.1", 25))
        #expect(client.version2 == Self.binary(0x21, 0x11, Self.ip4))
        #expect(ProxyHeader(Self.client("2001:db8::1", 1, "::1", 25)).version2 == Self.binary(0x21, 0x21, Self.ip6))
        #expect(ProxyHeader(.unknown).version2 == Self.binary(0x21, 0, []))
        #expect(ProxyHeader(.proxy).version2 == Self.binary(0x20, 0, []))
    }

    @Test(
        "What is written is read again, the two ends of two families as well",
        arguments: [
            client("192.0.2.42", 50000, "198.51.100.1", 25), client("2001:db8::1", 1, "::1", 25),
            client("2001:db8::1", 1, "192.0.2.1", 25), client("192.0.2.1", 1, "2001:db8::1", 25), .unknown,
        ])
    func roundTrip(_ subject: ProxyHeader.Subject) throws {
        let header = ProxyHeader(subject)
        #expect(try self.parse(header.version1)?.header == header)
        #expect(try self.parse(header.version2)?.header == header)
    }
}
