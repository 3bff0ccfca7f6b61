import Testing

@testable import Resolver

@Suite struct DNSReplyTests {
    static let question = "4.2.0.192.in-addr.arpa"

    /// A reply to a question for a PTR record with these records: owner, type, TTL, data.
    static func pointers(_ records: [([UInt8], Int, Int, [UInt8])]) -> [UInt8] {
        var message = DNSMessage(answers: records.count)
        message.question(Self.question, 12)
        for (owner, type, ttl, data) in records { message.record(owner, type, ttl: ttl, data) }
        return message.octets
    }

    private func names(_ octets: [UInt8]) throws -> [DNSReply.Record] {
        try DNSReply(octets, type: .pointer).records
    }

    @Test("A PTR record's name is read, compressed and not, in its own case")
    func pointer() throws {
        let owner = DNSMessage.questionName
        let plain = Self.pointers([(owner, 12, 7, DNSMessage.wire("Mail.Example.org"))])
        let reply = try DNSReply(plain, type: .pointer)
        #expect(reply.records == [.pointer("Mail.Example.org")])
        #expect(reply.ttl == 7)
        let compressed = Self.pointers([(owner, 12, 7, [4] + Array("host".utf8) + [0xC0, 0x0C])])
        #expect(try self.names(compressed) == [.pointer("host." + Self.question)])
    }

    @Test("Names compare without case, and records of other names do not count")
    func owners() throws {
        let octets = Self.pointers([
            (DNSMessage.wire("other.example"), 12, 1, DNSMessage.wire("bad.example")),
            (DNSMessage.wire("4.2.0.192.IN-ADDR.ARPA"), 12, 9, DNSMessage.wire("good.example")),
            (DNSMessage.questionName, 16, 1, [1, 2, 3]),
        ])
        let reply = try DNSReply(octets, type: .pointer)
        #expect(reply.records == [.pointer("good.example")])
        #expect(reply.ttl == 9)
    }

    @Test("Aliases are followed in any order, and their TTLs count")
    func aliases() throws {
        let octets = Self.pointers([
            (DNSMessage.wire("c.example"), 12, 50, DNSMessage.wire("host.example")),
            (DNSMessage.wire("b.example"), 5, 5, DNSMessage.wire("C.example")),
            (DNSMessage.questionName, 5, 30, DNSMessage.wire("b.example")),
        ])
        let reply = try DNSReply(octets, type: .pointer)
        #expect(reply.records == [.pointer("host.example")])
        #expect(reply.ttl == 5)
    }

    @Test("Aliases in a circle, and a chain that is too long, are no answer")
    func badAliases() {
        let circle = Self.pointers([
            (DNSMessage.questionName, 5, 30, DNSMessage.wire("b.example")),
            (DNSMessage.wire("b.example"), 5, 30, DNSMessage.wire(Self.question)),
        ])
        #expect(throws: DNSReply.Malformed.aliases) { try DNSReply(circle, type: .pointer) }
        var names = [Self.question] + (0..<20).map { "a\($0).example" }
        var records = zip(names, names.dropFirst()).map { (DNSMessage.wire($0), 5, 30, DNSMessage.wire($1)) }
        names.removeAll()
        records.append((DNSMessage.wire("a19.example"), 12, 30, DNSMessage.wire("host.example")))
        #expect(throws: DNSReply.Malformed.aliases) { try DNSReply(Self.pointers(records), type: .pointer) }
    }

    @Test(
        "A name with anything but letters, digits and - in its labels is not a host's",
        arguments: [
            "a\r\nX-Forged: 1", "a\r", "a\n", "a\u{0}b", "a b", "höst", "a_b", "a\\b", "a\u{7F}", "a;b", "*",
        ])
    func odd(_ label: String) throws {
        let data = DNSMessage.wire(labels: [Array(label.utf8), Array("example".utf8)])
        #expect(try self.names(Self.pointers([(DNSMessage.questionName, 12, 7, data)])) == [.pointer(nil)])
    }

    @Test("A dot inside a label, and the root, are no host's name either")
    func dots() throws {
        let dotted = DNSMessage.wire(labels: [Array("a.b".utf8), Array("example".utf8)])
        #expect(try self.names(Self.pointers([(DNSMessage.questionName, 12, 7, dotted)])) == [.pointer(nil)])
        #expect(try self.names(Self.pointers([(DNSMessage.questionName, 12, 7, [0])])) == [.pointer(nil)])
    }

    @Test(
        "Names that point at themselves, forwards or nowhere are no answer",
        arguments: [
            [0xC0, 0xFF], [0xFF, 0xFF], [0xC0], [0x40, 1], [0x80, 1], [5, 0x61], [1, 0x61],
            [1, 0x61, 0xC0, 0x34], [0xC0, 0x34],
        ] as [[UInt8]])
    func badNames(_ data: [UInt8]) {
        #expect(throws: DNSReply.Malformed.self) {
            try DNSReply(Self.pointers([(DNSMessage.questionName, 12, 7, data)]), type: .pointer)
        }
    }

    @Test("A name of more than 255 octets is no answer")
    func longName() {
        let labels = [[UInt8]](repeating: [UInt8](repeating: 0x61, count: 63), count: 5)
        let octets = Self.pointers([(DNSMessage.questionName, 12, 7, DNSMessage.wire(labels: labels))])
        #expect(throws: DNSReply.Malformed.name) { try DNSReply(octets, type: .pointer) }
    }

    @Test("An address of the wrong length, data behind a record's end, and counts that lie are no answer")
    func lies() {
        var address = DNSMessage(answers: 1)
        address.question("host.example", 1)
        address.record(DNSMessage.questionName, 1, [1, 2, 3])
        #expect(throws: DNSReply.Malformed.record) { try DNSReply(address.octets, type: .address) }
        let behind = Self.pointers([(DNSMessage.questionName, 12, 7, DNSMessage.wire("host.example") + [0])])
        #expect(throws: DNSReply.Malformed.record) { try DNSReply(behind, type: .pointer) }
        var more = DNSMessage(answers: 60000)
        more.question(Self.question, 12)
        more.record(DNSMessage.questionName, 12, DNSMessage.wire("host.example"))
        #expect(throws: DNSReply.Malformed.truncated) { try DNSReply(more.octets, type: .pointer) }
        var none = DNSMessage(questions: 0)
        none.record(DNSMessage.questionName, 12, DNSMessage.wire("host.example"))
        #expect(throws: DNSReply.Malformed.record) { try DNSReply(none.octets, type: .pointer) }
    }

    @Test("A reply cut anywhere is no answer, and none crashes with any octet changed")
    func cut() throws {
        let whole = Self.pointers([
            (DNSMessage.questionName, 5, 30, DNSMessage.wire("b.example")),
            (DNSMessage.wire("b.example"), 12, 30, [4] + Array("host".utf8) + [0xC0, 0x0C]),
        ])
        #expect(try self.names(whole) == [.pointer("host." + Self.question)])
        for length in 0..<whole.count {
            #expect(throws: DNSReply.Malformed.self, "\(length)") {
                try DNSReply(Array(whole.prefix(length)), type: .pointer)
            }
        }
        for index in whole.indices {
            for value: UInt8 in [0, 1, 0x3F, 0x40, 0x80, 0xC0, 0xFF] {
                var changed = whole
                changed[index] = value
                _ = try? DNSReply(changed, type: .pointer)
            }
        }
    }

    @Test("A thousand addresses are all read; an absence has the TTL that the zone's SOA says")
    func many() throws {
        var message = DNSMessage(answers: 1000)
        message.question("host.example", 1)
        for index in 0..<1000 {
            message.record(DNSMessage.questionName, 1, [10, 0, UInt8(index / 256), UInt8(index % 256)])
        }
        #expect(try DNSReply(message.octets, type: .address).records.count == 1000)

        var absent = DNSMessage(flags: 0x8183, authorities: 2)
        absent.question("host.example", 1)
        absent.record("example", 2, DNSMessage.wire("ns.example"))
        absent.record("example", 6, ttl: 900, DNSMessage.soa(minimum: 60))
        let reply = try DNSReply(absent.octets, type: .address)
        #expect(reply.records.isEmpty && reply.ttl == 60)
        var silent = DNSMessage(flags: 0x8183)
        silent.question("host.example", 1)
        #expect(try DNSReply(silent.octets, type: .address).ttl == 0)
    }
}
