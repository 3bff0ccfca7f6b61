/// Reads a DNS message from its beginning to its end (RFC 1035 section 4).
struct DNSReader {
    struct Header {
        var questions: Int
        var answers: Int
        var authorities: Int
    }

    struct RecordHead {
        var owner: DNSName
        var type: UInt16
        var ttl: UInt32
        /// Where the record's data end.
        var end: Int
    }

    private let octets: [UInt8]
    var position = 0

    init(_ octets: [UInt8]) {
        self.octets = octets
    }

    mutating func header() throws(DNSReply.Malformed) -> Header {
        _ = try self.number(4)
        let questions = try self.number(2)
        let answers = try self.number(2)
        let authorities = try self.number(2)
        _ = try self.number(2)
        return Header(questions: Int(questions), answers: Int(answers), authorities: Int(authorities))
    }

    /// A number of up to four octets; of more, which are only passed over, the last four.
    mutating func number(_ size: Int) throws(DNSReply.Malformed) -> UInt32 {
        guard self.octets.count - self.position >= size else { throw .truncated }
        var value: UInt32 = 0
        for octet in self.octets[self.position..<self.position + size] { value = value << 8 | UInt32(octet) }
        self.position += size
        return value
    }

    /// What is in front of a record's data.
    mutating func recordHead() throws(DNSReply.Malformed) -> RecordHead {
        let owner = try self.name()
        let type = UInt16(truncatingIfNeeded: try self.number(2))
        _ = try self.number(2)
        let ttl = try self.number(4)
        let end = Int(try self.number(2)) + self.position
        guard end <= self.octets.count else { throw .truncated }
        // A TTL with its highest bit set is 0 (RFC 2181 section 8).
        return RecordHead(owner: owner, type: type, ttl: ttl >> 31 == 0 ? ttl : 0, end: end)
    }

    /// A name, which may go on elsewhere in the message (RFC 1035 section 4.1.4).
    mutating func name() throws(DNSReply.Malformed) -> DNSName {
        var labels: [UInt8] = []
        var text: [UInt8] = []
        var isHostName = true
        var index = self.position
        var end: Int?
        // Each pointer has to lead further back than the last one: so there is no way round in circles.
        var bound = self.position
        while true {
            guard index < self.octets.count else { throw .truncated }
            let length = Int(self.octets[index])
            switch length {
            case 0:
                self.position = end ?? index + 1
                var name = DNSName(labels: labels)
                if isHostName, !text.isEmpty { name.hostName = String(decoding: text, as: UTF8.self) }
                return name
            case 1...63:
                guard index + 1 + length <= self.octets.count else { throw .truncated }
                guard labels.count + length < 255 else { throw .name }
                labels.append(UInt8(length))
                if !text.isEmpty { text.append(UInt8(ascii: ".")) }
                for octet in self.octets[index + 1..<index + 1 + length] {
                    let isUpper = (0x41...0x5A).contains(octet)
                    labels.append(isUpper ? octet | 0x20 : octet)
                    text.append(octet)
                    isHostName = isHostName && Self.isHostNameOctet(octet)
                }
                index += 1 + length
            case 0xC0...0xFF:
                guard index + 1 < self.octets.count else { throw .truncated }
                let target = (length & 0x3F) << 8 | Int(self.octets[index + 1])
                guard target < bound else { throw .name }
                end = end ?? index + 2
                bound = target
                index = target
            default:
                throw .name
            }
        }
    }

    /// The data of an SRV record (RFC 2782); nil where they name neither a host nor the root, or port 0. A target may be
    /// compressed, which RFC 2782 forbids and some servers do all the same.
    mutating func service() throws(DNSReply.Malformed) -> ServiceRecord? {
        let priority = UInt16(truncatingIfNeeded: try self.number(2))
        let weight = UInt16(truncatingIfNeeded: try self.number(2))
        let port = UInt16(truncatingIfNeeded: try self.number(2))
        let target = try self.name()
        if target.labels.isEmpty { return ServiceRecord(priority: priority, weight: weight, port: port, target: nil) }
        guard let host = target.hostName, port > 0 else { return nil }
        return ServiceRecord(priority: priority, weight: weight, port: port, target: host.lowercased())
    }

    /// RFC 1123 section 2.1: nothing else is in the name of a host, whatever a label may hold (RFC 2181 section 11).
    private static func isHostNameOctet(_ octet: UInt8) -> Bool {
        switch octet {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"):
            true
        default:
            false
        }
    }
}
